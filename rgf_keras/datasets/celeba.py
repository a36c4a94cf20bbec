"""CelebA: aligned faces, cut and reduced to 32 × 32, with any one of their 40 attributes.

On disk, in one folder (the release has the two lists in its folders ``Eval`` and ``Anno``)::

    img_align_celeba/{000001..202599}.jpg                178 wide, 218 high
    list_eval_partition.txt                              000001.jpg 0: train, 1: validation, 2: test
    list_attr_celeba.txt                                 only for a factor: the number of images;
                                                         the attributes' names; then on every line
                                                         000001.jpg -1 1 ..., 1 for yes
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from rgf_keras.datasets import files
from rgf_keras.datasets.dataset import Dataset
from rgf_keras.errors import RgfError

IMAGES = "img_align_celeba"
PARTITIONS = "list_eval_partition.txt"
ATTRIBUTES = "list_attr_celeba.txt"
PARTITION_OF = {"train": "0", "validation": "1", "test": "2"}

ALIGNED = (178, 218)  # width, height
BOX = (15, 40, 163, 188)  # left, upper, right, lower: 148 × 148 around the face
SIZE = 32
VALUES = ("no", "yes")
UNPACK_AGAIN = "unpack img_align_celeba.zip again"
REPLACE = "replace it by CelebA's"


def holds(folder: Path) -> bool:
    """Whether a folder holds the images or the list of their partitions."""
    return (folder / IMAGES).exists() or (folder / PARTITIONS).exists()


def read(folder: str | Path, split: str, factor: str | None = None) -> Dataset:
    """Faces as in "On Memorization in Probabilistic Deep Generative Models".

    The box (15, 40, 163, 188) of every image is resized to 32 × 32 by Pillow's bilinear filter,
    which averages over all pixels it reduces (antialiasing).

    Args:
        folder: holds ``img_align_celeba`` and ``list_eval_partition.txt``.
        split: ``"train"``, ``"validation"`` or ``"test"``.
        factor: the attribute that is the images' factor, spelled as in ``list_attr_celeba.txt``,
            e.g. ``"Eyeglasses"``. No factor if None, since none of 40 attributes is the first, if
            there is no such attribute, or if there is no such file.

    Returns:
        Images (N, 32, 32, 3) uint8 of the one class ``"face"``; a factor has the values ``"no"``
        and ``"yes"``. An image's index is its position in the list of partitions. Images that
        cannot be read are left out, with one warning.

    Raises:
        RgfError: a list or the images are missing or corrupt, or images are not 178 × 218.
    """
    folder = Path(folder)
    lines, names = _read_partition(folder / PARTITIONS, PARTITION_OF[split])
    values = _read_values(folder / ATTRIBUTES, factor, names) if factor else None
    place = folder / IMAGES
    if not place.is_dir():
        raise RgfError(f"{place} does not exist; unpack img_align_celeba.zip there")
    name, paths = f"celeba/{split}", [place / file for file in names]
    images, is_readable = files.read_images(name, paths, SIZE, _cut_face, UNPACK_AGAIN)
    if not len(images):
        raise RgfError(f"{place} has no readable image for {split}; {UNPACK_AGAIN}")
    return Dataset(
        name=name,
        images=images,
        labels=np.zeros(len(images), np.int64),
        indices=lines[is_readable],
        class_names=("face",),
        factor=None if values is None else values[is_readable],
        factor_name=None if values is None else factor,
        factor_values=() if values is None else VALUES,
    )


def _read_partition(path: Path, partition: str) -> tuple[np.ndarray, list[str]]:
    """Lines (N,) of a partition, counted from 0, and the files they name."""
    lines, names = [], []
    for number, line in enumerate(_read_lines(path)):
        # Nothing else may pass, so that no line points outside the image folder.
        match = re.fullmatch(r"([0-9]{6}\.jpg)\s+([012])\s*", line)
        if match is None:
            raise RgfError(
                f"{path} is corrupt: line {number + 1}, {line[:40]!r}, is no 000001.jpg with a "
                f"partition of 0 to 2; {REPLACE}"
            )
        if match[2] == partition:
            lines.append(number)
            names.append(match[1])
    if not names:
        raise RgfError(f"{path} lists no images of partition {partition}; {REPLACE}")
    return np.array(lines, np.int64), names


def _read_values(path: Path, attribute: str, names: Sequence[str]) -> np.ndarray | None:
    """(N,) integers, 1 for yes; None if there is no such file or no such attribute."""
    if not path.exists():
        return None
    lines = _read_lines(path)
    if len(lines) < 2 or not lines[0].strip().isdecimal():
        raise RgfError(
            f"{path} is corrupt: it must begin with the number of images, then the names of the "
            f"attributes; {REPLACE}"
        )
    attributes = lines[1].split()
    if attribute not in attributes:
        return None
    column = 1 + attributes.index(attribute)
    values = {}
    for number, line in enumerate(lines[2:]):
        row = line.split()
        if len(row) != 1 + len(attributes) or row[column] not in ("-1", "1"):
            raise RgfError(
                f"{path} is corrupt: line {number + 3}, {line[:40]!r}, is no file with -1 or 1 "
                f"for each of {len(attributes)} attributes; {REPLACE}"
            )
        values[row[0]] = int(row[column] == "1")
    for name in names:
        if name not in values:
            raise RgfError(f"{path} has no line for {name}; {REPLACE}")
    return np.array([values[name] for name in names], np.int64)


def _read_lines(path: Path) -> list[str]:
    return files.read_lines(path, "put CelebA's there", f"is corrupt ({{error}}); {REPLACE}")


def _cut_face(image: Image.Image, path: Path) -> Image.Image:
    """The box of an aligned image, 32 × 32 pixels."""
    face = image.convert("RGB").crop(BOX)
    if image.size != ALIGNED:  # the box would lie elsewhere in the face
        size, expected = ("x".join(map(str, size)) for size in (image.size, ALIGNED))
        raise RgfError(f"{path} has {size} pixels, not {expected}; {UNPACK_AGAIN}")
    return face.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
