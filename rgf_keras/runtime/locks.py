"""Locks on files: one holder at a time, and free again when the holder dies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from rgf_keras.errors import RgfError

SECONDS_BETWEEN_ATTEMPTS = 0.005


def lock_of(path: Path) -> FileLock:
    """The lock of a file that serves nothing else; it is not held yet."""
    # A lock that the system does not know (soft) would outlive a process that is killed.
    return FileLock(
        path,
        thread_local=False,
        fallback_to_soft=False,
        poll_interval=SECONDS_BETWEEN_ATTEMPTS,
    )


def acquire(path: Path, wait: bool = True) -> FileLock | None:
    """Lock a file that serves nothing else; ``release()`` what is returned.

    Args:
        path: made with its folder if it does not exist.
        wait: until the lock is free; else None is returned if it is not.

    Raises:
        RgfError: the file cannot be written, or its file system has no locks.
    """
    lock = lock_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=wait)
    except Timeout:
        return None
    except OSError as error:
        reason = f"cannot write {path.parent}: {error.strerror}"
        raise RgfError(f"{reason}; choose another folder") from error
    return lock


@contextmanager
def exclusive(path: Path, what: str = "") -> Iterator[None]:
    """Hold a file's lock inside. It is waited for, unless ``what`` names what is in use else.

    Raises:
        RgfError: another process holds it; what :func:`acquire` raises.
    """
    lock = acquire(path, wait=not what)
    if lock is None:
        raise RgfError(f"{what} is being run by another process; wait for it or end it")
    try:
        yield
    finally:
        lock.release()
