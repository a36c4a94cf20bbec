"""One process at a time in a folder."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rgf_keras.errors import RgfError


@contextmanager
def exclusive(folder: Path, what: str) -> Iterator[None]:
    """Held inside; given back when the process ends, however it ends.

    Args:
        folder: made if it does not exist.
        what: is being run, for the error.

    Raises:
        RgfError: another process holds it, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / "lock", "w")  # noqa: SIM115 (held inside)
    except OSError as error:
        raise RgfError(f"cannot write {folder}: {error.strerror}; choose another folder") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RgfError(
                f"{what} is being run by another process; wait for it or end it"
            ) from None
        yield
