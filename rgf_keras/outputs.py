"""Files for people: whole or not at all, and tables that spreadsheets only show."""

import contextlib
import csv
import io
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rgf_keras.errors import RgfError

# How a cell starts that spreadsheets run as a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\n")


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write a file: a reader sees the old one or the new one, never half of one.

    Args:
        path: the file; its folder is made if need be.

    Yields:
        The path to write to, with the same suffix; it takes the file's place in the end.

    Raises:
        RgfError: it cannot be written (disk full, read-only folder).
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    name = f".rgf-{os.getpid()}-{threading.get_ident()}{target.suffix}"
    temporary = target.with_name(name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, target)
    except OSError as error:
        raise RgfError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


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
