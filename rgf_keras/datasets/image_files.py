"""Image files of a folder or an archive, in order, a few at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import PurePosixPath
from typing import BinaryIO

import joblib
import numpy as np

from rgf_keras.datasets.decoding import (
    SUFFIXES,
    Colour,
    Header,
    Unreadable,
    printable,
    read_header,
    read_image,
)
from rgf_keras.errors import RgfError

AT_ONCE = 64  # files that are decoded in parallel

# Why something is left out.
HIDDEN = "hidden files and folders"
OTHER = "files of other suffixes"
LINKS = "links to what is read anyway"
SPECIAL = "pipes, devices and links in archives"
BROKEN = "images that cannot be read"
FRAMES = "further frames and pages of images whose first is read"

# What systems put into folders without being asked.
SYSTEM = frozenset({".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX"})
PARTS_OF_DATA = frozenset(
    {"train", "training", "test", "testing", "val", "valid", "validation", "dev"}
)

Reader = Callable[[], BinaryIO]


@dataclass(frozen=True)
class ImageFiles:
    """What a folder or an archive holds, before any image is looked at.

    Attributes:
        place: as the user wrote it.
        names: of the files that should be images, relative to the place, with ``/``.
        left_out: by reason, what else is there.
        readers: given ascending positions in ``names``, yields functions that open the file at
            each, to be called before the next is asked for; they raise :class:`Unreadable`.
    """

    place: str
    names: tuple[str, ...]
    left_out: Mapping[str, tuple[str, ...]]
    readers: Callable[[Sequence[int]], Iterator[Reader]]

    def check(self, ground: Colour, skip_broken: bool) -> tuple["ImageFiles", Sequence[int], int]:
        """Look at every header; with ``skip_broken`` at all pixels, to know what cannot be read.

        Returns:
            These files with what is left out, positions of those that are read, and the channels
            of all: 3 if one has them.

        Raises:
            RgfError: an image cannot be read and must be, or none is left.
        """
        kept, broken, frames, channels = [], [], [], 1
        for position, reader in enumerate(self.readers(range(len(self.names)))):
            try:
                header = _look(reader, ground, skip_broken)
            except Unreadable as error:
                if not skip_broken:
                    raise self.error(position, error) from error
                broken.append(self.names[position])
                continue
            kept.append(position)
            if header.has_more_frames:
                frames.append(self.names[position])
            is_coloured = header.has_alpha and len(set(ground)) > 1
            channels = 1 if channels == 1 and header.is_grey and not is_coloured else 3
        left_out = {**self.left_out, BROKEN: tuple(broken), FRAMES: tuple(frames)}
        files = replace(self, left_out={why: names for why, names in left_out.items() if names})
        if not kept:
            raise RgfError(f"{self.place} holds no images ({files.describe_rest()}){_known()}")
        return files, kept, channels

    def images(
        self, positions: Sequence[int], channels: int, ground: Colour
    ) -> Iterator[np.ndarray]:
        """(H, W, channels) uint8, one after the other.

        Raises:
            RgfError: one cannot be read.
        """
        places, readers = iter(positions), self.readers(positions)
        parallel = joblib.Parallel(n_jobs=-1, prefer="threads")
        while chunk := list(islice(places, AT_ONCE)):
            files = [_try(reader) for reader in islice(readers, len(chunk))]
            decode = joblib.delayed(_decode)
            decoded = parallel(decode(file, channels, ground) for file in files)
            for position, image in zip(chunk, decoded, strict=True):
                if isinstance(image, Unreadable):
                    raise self.error(position, image) from image
                yield image

    def error(self, position: int, error: Unreadable) -> RgfError:
        name = printable(f"{self.place}/{self.names[position]}")
        return RgfError(f"image {name} {error}")

    def describe_rest(self) -> str:
        """What is left out, counted, with the first of each kind."""
        parts = [f"{len(names)} {why}: {names[0]}" for why, names in self.left_out.items()]
        return "left out: " + "; ".join(parts) if parts else "it is empty"


def sort_out(name: str) -> str | None:
    """Why a file of this relative name is left out, None if it should be an image."""
    path = PurePosixPath(name)
    if any(part.startswith(".") or part in SYSTEM for part in path.parts):
        return HIDDEN
    return None if path.suffix.lower() in SUFFIXES else OTHER


def class_of(names: Sequence[str], place: str) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Labels (n,) and names of the classes, if every image lies in a folder: its outermost.

    Raises:
        RgfError: the outermost folders are parts of a data set, such as ``train`` and ``test``.
    """
    folders = [PurePosixPath(name).parts[0] for name in names if "/" in name]
    class_names = tuple(sorted(set(folders)))
    parts = [name for name in class_names if name.casefold() in PARTS_OF_DATA]
    if parts and len(parts) == len(class_names):
        raise RgfError(
            f"{place} holds {' and '.join(parts)}, which look like parts of a data set; name one "
            f"of them, e.g. {place}/{parts[0]}"
        )
    if len(folders) < len(names):
        return None, ()
    return np.array([class_names.index(name) for name in folders], np.int64), class_names


def _look(reader: Reader, ground: Colour, decode: bool) -> Header:
    with reader() as file:
        header = read_header(file)
        if decode:
            file.seek(0)
            read_image(file, ground)
    return header


def _try(reader: Reader) -> BinaryIO | Unreadable:
    try:
        return reader()
    except Unreadable as error:
        return error


def _decode(file: BinaryIO | Unreadable, channels: int, ground: Colour) -> np.ndarray | Unreadable:
    if isinstance(file, Unreadable):
        return file
    try:
        with file:
            image = read_image(file, ground)
    except Unreadable as error:
        return error
    if channels == 3:
        return np.asarray(image.convert("RGB"))
    if image.mode != "L":
        return Unreadable("has become an image in colour while it was read; try again")
    return np.asarray(image)[..., None]


def _known() -> str:
    return f"; suffixes of images are {', '.join(sorted(SUFFIXES))}"
