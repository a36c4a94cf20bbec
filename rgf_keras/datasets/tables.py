"""A table in CSV that says something of every image: ``file,NAME`` or ``file,NAME,NAME...``."""

import csv
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rgf_keras.datasets.files import reading
from rgf_keras.errors import RgfError, did_you_mean

# What tables write where they know nothing.
MISSING = frozenset(
    {"", "-", "--", "?", ".", "#n/a", "<na>", "n/a", "na", "nan", "nil", "none", "null", "missing"}
)


@dataclass(frozen=True)
class Column:
    """What a table says of every image, as text.

    Attributes:
        place: the table and the column, for errors.
        files: one per image, as the table writes them.
        values: one per image.
    """

    place: str
    files: tuple[str, ...]
    values: tuple[str, ...]

    def checked(self, named: Sequence[str] = (), how: str = "") -> list[str]:
        """The values.

        Args:
            named: values that are meant as they are written, whatever they look like; if there are
                any, words for what is missing are no error, for images without one of them are
                not used.
            how: they are named, as the end of a sentence.

        Raises:
            RgfError: a value is a word for what is missing, or is written in two ways.
        """
        for file, value in zip(self.files, self.values, strict=True):
            if not named and value.casefold() in MISSING:
                raise RgfError(
                    f"{self.place} of {file!r} is {value!r}, which tables write for what is "
                    f"missing; write what it is{how}"
                )
        spellings: dict[str, set[str]] = defaultdict(set)
        for value in self.values:
            spellings[fold(value)].add(value)
        for written in spellings.values():
            if len(written) > 1 and not written <= set(named):
                first, second, *_ = sorted(written)
                raise RgfError(
                    f"{self.place} is written {first!r} and {second!r}; write it in one way{how}"
                )
        return list(self.values)


def fold(text: str) -> str:
    """What spellings of one word have in common: case, spaces and Unicode form do not matter.

    >>> fold(" Dark  Red") == fold("dark red")
    True
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def read_table(path: Path, files: Sequence[str]) -> dict[str, Column]:
    """The columns of a table, with one value for each of the files.

    A file may be written with ``\\`` for ``/``, with ``./`` before it, and in any Unicode form.

    Args:
        path: the table; in UTF-8, with the header ``file,NAME...``.
        files: the images, relative to the table's folder, with ``/``.

    Raises:
        RgfError: it is no such table, a row has no image or an image no row.
    """
    header, rows = _read_rows(path)
    keys: dict[str, list[str]] = defaultdict(list)
    for name in files:
        keys[_key(name)].append(name)
    known, rows_of = set(files), {}
    for row in rows:
        if len(row) != len(header) or "" in row:
            raise RgfError(f"{path}: row {row} must have one value for each of {header}")
        name = row[0] if row[0] in known else _match(path, row[0], keys)
        if name in rows_of:
            raise RgfError(f"{path}: {name!r} has two rows; keep one")
        rows_of[name] = row
    for name in files:
        if name not in rows_of:
            raise RgfError(f"{path} has no row for {name!r}; every image needs one")
    return {
        name: Column(
            f"{path}: {name}",
            tuple(rows_of[file][0] for file in files),
            tuple(rows_of[file][position] for file in files),
        )
        for position, name in enumerate(header)
        if position
    }


def _read_rows(path: Path) -> tuple[list[str], list[list[str]]]:
    errors = (OSError, UnicodeDecodeError, csv.Error)
    with (
        reading(path, "write it", "is no table in UTF-8 ({error}); write it again", errors),
        open(path, newline="", encoding="utf-8-sig") as file,
    ):
        rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
    header = rows[0] if rows else []
    if header[:1] != ["file"] or len(header) < 2 or len({*header, ""}) <= len(header):
        raise RgfError(f"{path} has the header {header}; it must be file,NAME with distinct names")
    return header, rows[1:]


def _key(name: str) -> str:
    """What ways to write one relative path have in common."""
    return PurePosixPath(unicodedata.normalize("NFC", name.strip()).replace("\\", "/")).as_posix()


def _match(path: Path, written: str, keys: Mapping[str, Sequence[str]]) -> str:
    names = keys.get(_key(written), ())
    if len(names) > 1:
        raise RgfError(
            f"{path}: {written!r} may be {' or '.join(map(ascii, names))}; write it as one of them"
        )
    if not names:
        nearest = did_you_mean(written, [name for every in keys.values() for name in every])
        raise RgfError(
            f"{path}: {written!r} is no image of {path.parent}; leave its row out or correct it"
            f"{nearest}"
        )
    return names[0]
