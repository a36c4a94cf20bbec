"""Files for people: whole or not at all, and tables that spreadsheets only show."""

import contextlib
import csv
import errno
import io
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rgf_keras.errors import RgfError
from rgf_keras.runtime import locks

SCRATCH = ".rgf-"  # how folders begin that are gone when their process is
YOUNG_SECONDS = 10  # before that a folder of another process may have no lock yet
FULL = (errno.ENOSPC, errno.EDQUOT)
_swept: set[Path] = set()  # by this process

# How a cell starts that spreadsheets run as a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\n")


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write a file: a reader sees the old one or the new one, never half of one.

    A link that another user has planted there is replaced, not followed.

    Args:
        path: the file; its folder is made if need be.

    Yields:
        The path to write to, with the same suffix; it takes the file's place in the end.

    Raises:
        RgfError: it cannot be written (disk full, read-only folder).
    """
    path = Path(path)
    try:
        target = path if _is_planted(path) else Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        with scratch(target.parent) as folder:
            new = folder / f"new{target.suffix}"
            yield new
            os.replace(new, target)
    except OSError as error:
        remedy = "; make space, and the same command goes on" if error.errno in FULL else ""
        raise RgfError(f"cannot write {path}: {error.strerror or error}{remedy}") from error


def _is_planted(path: Path) -> bool:
    """Whether a path is a link that neither this user nor the system has made."""
    if not path.is_symlink():
        return False
    own = os.geteuid() if hasattr(os, "geteuid") else 0
    return path.lstat().st_uid not in (0, own)


@contextlib.contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A new folder in another one, for this process and user alone, which is deleted in the end.

    Those of processes that were killed are deleted when another process makes one beside them.

    Raises:
        OSError: it cannot be made.
    """
    if parent not in _swept:
        _swept.add(parent)
        sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=parent))  # exclusive, 0700
    try:
        with contextlib.ExitStack() as held:
            with contextlib.suppress(OSError, RgfError):  # some file systems have no locks
                held.enter_context(locks.exclusive(folder / "lock"))
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(parent: Path) -> int:
    """Delete the scratch folders of processes that are gone; returns the bytes that are freed."""
    freed = 0
    for folder in parent.glob(f"{SCRATCH}*/"):
        with contextlib.suppress(OSError, RgfError):
            is_young = time.time() - folder.lstat().st_mtime < YOUNG_SECONDS
            lock = None if is_young else locks.acquire(folder / "lock", wait=False)
            if lock:
                freed += size(folder)
                lock.release()
                shutil.rmtree(folder, ignore_errors=True)
    return freed


def files(folder: Path) -> Iterator[Path]:
    """All files below a folder; another process may delete from it meanwhile, or all of it."""
    for parent, _, names in os.walk(folder, onerror=_pass_over_deleted):
        yield from (path for path in map(Path(parent).joinpath, names) if path.is_file())


def _pass_over_deleted(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def size(folder: Path) -> int:
    """The bytes of all files in a folder, see :func:`files`."""
    total = 0
    for path in files(folder):
        with contextlib.suppress(FileNotFoundError):  # it has been deleted since
            total += path.lstat().st_size
    return total


def write_text(path: str | Path, text: str) -> Path:
    """Write a text in UTF-8, see :func:`replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")
    return Path(path)


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV.

    A cell that spreadsheets would run, as ``=1+1``, has a ``'`` before it, which they take for
    "this is text"; numbers stay as they are.

    >>> print(csv_text([["=cmd()", -0.5], ["@a,b", "-1e-3"]]), end="")
    '=cmd(),-0.5
    "'@a,b",-1e-3
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_shown(cell) for cell in row] for row in rows)
    return text.getvalue()


def _shown(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    if "\r" in cell:  # which ends a row for readers
        cell = "\n".join(cell.splitlines())
    if not cell.startswith(FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
