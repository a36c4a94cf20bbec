"""A folder of image files, of any depth."""

import os
import stat
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from rgf_keras.datasets.decoding import open_regular, printable
from rgf_keras.datasets.image_files import (
    HIDDEN,
    LINKS,
    OTHER,
    SPECIAL,
    SYSTEM,
    ImageFiles,
    Reader,
    sort_out,
)
from rgf_keras.errors import RgfError


def list_folder(folder: Path, used: frozenset[str] = frozenset()) -> ImageFiles:
    """The files in a folder and its folders, sorted by name.

    Args:
        folder: to look through.
        used: names of files that are neither images nor left out, such as a table of labels.

    Raises:
        RgfError: a folder cannot be read; a link leads out of it; what is named as an image is
            no file.
    """
    root = Path(os.path.realpath(folder))
    paths: list[Path] = []
    left_out: dict[str, list[str]] = defaultdict(list)
    for path, is_folder in _walk(folder):
        name = path.relative_to(folder).as_posix()
        reason = HIDDEN if is_folder and path.name.startswith(".") else sort_out(name)
        if is_folder and not path.is_symlink():
            if reason == HIDDEN:
                left_out[HIDDEN].append(f"{printable(name)}/")
        elif name not in used and path.name not in SYSTEM:
            reason = _check_link(path, root, reason) if path.is_symlink() else reason
            reason = _check_kind(path, reason)
            if reason:
                left_out[reason].append(printable(name))
            else:
                paths.append(path)
    own = {os.path.realpath(path) for path in paths if not path.is_symlink()}
    for path in [path for path in paths if path.is_symlink() and os.path.realpath(path) in own]:
        paths.remove(path)
        left_out[LINKS].append(printable(path.relative_to(folder).as_posix()))
    return ImageFiles(
        place=str(folder),
        names=tuple(path.relative_to(folder).as_posix() for path in paths),
        left_out={reason: tuple(names) for reason, names in left_out.items()},
        readers=partial(_readers, paths),
    )


def _walk(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Paths and whether each is a folder; links and hidden folders are not entered."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise RgfError(f"cannot read folder {folder}: {error.strerror or error}") from error
    for entry in entries:
        path = Path(folder, entry.name)
        yield path, entry.is_dir()
        if entry.is_dir(follow_symlinks=False) and sort_out(entry.name) != HIDDEN:
            yield from _walk(path)


def _check_link(path: Path, root: Path, reason: str | None) -> str | None:
    if reason == HIDDEN:
        return reason
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(root):
        raise RgfError(
            f"{printable(str(path))} is a link out of {root}; copy what it points to, or name that"
        )
    return LINKS if target.is_dir() else reason


def _check_kind(path: Path, reason: str | None) -> str | None:
    try:
        is_regular = stat.S_ISREG(path.stat().st_mode)
    except OSError:
        is_regular = True  # a link to nowhere cannot be read, which is told when it is opened
    if is_regular or reason in (HIDDEN, LINKS):
        return reason
    if reason == OTHER:
        return SPECIAL
    raise RgfError(f"{printable(str(path))} is a pipe or device; only files are read, move it away")


def _readers(paths: Sequence[Path], positions: Sequence[int]) -> Iterator[Reader]:
    return (partial(open_regular, paths[position]) for position in positions)
