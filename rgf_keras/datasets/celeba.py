"""CelebA: aligned faces, cut and reduced to 32 × 32, with any one of their 40 attributes.

On disk, in one folder (the release has the two lists in its folders ``Eval`` and ``Anno``)::

    img_align_celeba/{000001..202599}.jpg                178 wide, 218 high
    list_eval_partition.txt                              000001.jpg 0: train, 1: validation, 2: test
    list_attr_celeba.txt                                 only for a factor: the number of images;
                                                         the attributes' names; then on every line
                                                         000001.jpg -1 1 ..., 1 for yes
"""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import joblib
import numpy as np
from PIL import Image

from rgf_keras.datasets.dataset import Dataset
from rgf_keras.datasets.folder import UNREADABLE
from rgf_keras.errors import RgfError

IMAGES = "img_align_celeba"
PARTITIONS = "list_eval_partition.txt"
ATTRIBUTES = "list_attr_celeba.txt"
PARTITION_OF = {"train": "0", "test": "2"}  # validation images belong to neither

ALIGNED = (178, 218)  # width, height
BOX = (15, 40, 163, 188)  # left, upper, right, lower: 148 × 148 around the face
SIZE = 32
VALUES = ("no", "yes")
UNPACK_AGAIN = "unpack img_align_celeba.zip again"


def holds(folder: Path) -> bool:
    """Whether a folder holds the images or the list of their partitions."""
    return (folder / IMAGES).exists() or (folder / PARTITIONS).exists()


def read(folder: str | Path, split: str, factor: str | None = None) -> Dataset:
    """Faces as in "On Memorization in Probabilistic Deep Generative Models".

    The box (15, 40, 163, 188) of every image is resized to 32 × 32 by Pillow's bilinear filter,
    which averages over all pixels it reduces (antialiasing).

    Args:
        folder: holds ``img_align_celeba`` and ``list_eval_partition.txt``.
        split: ``"train"`` or ``"test"``.
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
    lines, files = _listed(folder / PARTITIONS, PARTITION_OF[split])
    values = _values(folder / ATTRIBUTES, factor, files) if factor else None
    images, is_readable = _images(folder / IMAGES, files)
    if not is_readable.all():
        unreadable = np.flatnonzero(~is_readable)
        warnings.warn(
            f"celeba/{split}: left out {len(unreadable)} of {len(files)} images that cannot be "
            f"read, the first {folder / IMAGES / files[unreadable[0]]}; {UNPACK_AGAIN}",
            stacklevel=2,
        )
        if len(unreadable) == len(files):
            raise RgfError(f"{folder / IMAGES} has no readable image for {split}; {UNPACK_AGAIN}")
        images = images[is_readable]
    return Dataset(
        name=f"celeba/{split}",
        images=images,
        labels=np.zeros(len(images), np.int64),
        indices=lines[is_readable],
        class_names=("face",),
        factor=None if values is None else values[is_readable],
        factor_name=None if values is None else factor,
        factor_values=() if values is None else VALUES,
    )


def _listed(path: Path, partition: str) -> tuple[np.ndarray, list[str]]:
    """Lines (N,) of a partition, counted from 0, and the files they name."""
    lines, files = [], []
    for number, line in enumerate(_lines(path)):
        # Nothing else may pass, so that no line points outside the image folder.
        match = re.fullmatch(r"([0-9]{6}\.jpg)\s+([012])\s*", line)
        if match is None:
            raise RgfError(
                f"{path} is corrupt: line {number + 1}, {line[:40]!r}, is no 000001.jpg with a "
                "partition of 0 to 2; replace it by CelebA's"
            )
        if match[2] == partition:
            lines.append(number)
            files.append(match[1])
    if not files:
        raise RgfError(f"{path} lists no images of partition {partition}; replace it by CelebA's")
    return np.array(lines, np.int64), files


def _values(path: Path, attribute: str, files: Sequence[str]) -> np.ndarray | None:
    """(N,) integers, 1 for yes; None if there is no such file or no such attribute."""
    if not path.exists():
        return None
    lines = _lines(path)
    if len(lines) < 2 or not lines[0].strip().isdecimal():
        raise RgfError(
            f"{path} is corrupt: it must begin with the number of images, then the names of the "
            "attributes; replace it by CelebA's"
        )
    names = lines[1].split()
    if attribute not in names:
        return None
    column = 1 + names.index(attribute)
    values = {}
    for number, line in enumerate(lines[2:]):
        row = line.split()
        if len(row) != 1 + len(names) or row[column] not in ("-1", "1"):
            raise RgfError(
                f"{path} is corrupt: line {number + 3}, {line[:40]!r}, is no file with -1 or 1 "
                f"for each of {len(names)} attributes; replace it by CelebA's"
            )
        values[row[0]] = int(row[column] == "1")
    for file in files:
        if file not in values:
            raise RgfError(f"{path} has no line for {file}; replace it by CelebA's")
    return np.array([values[file] for file in files], np.int64)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").rstrip().splitlines()
    except FileNotFoundError:
        raise RgfError(f"{path} does not exist; put CelebA's there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RgfError(f"{path} is corrupt ({error}); replace it by CelebA's") from error


def _images(folder: Path, files: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """(N, 32, 32, 3) uint8, and which of them (N,) can be read."""
    if not folder.is_dir():
        raise RgfError(f"{folder} does not exist; unpack img_align_celeba.zip there")
    images = np.zeros((len(files), SIZE, SIZE, 3), np.uint8)
    is_readable = np.ones(len(files), bool)
    decoded = joblib.Parallel(n_jobs=-1, prefer="threads", return_as="generator")(
        joblib.delayed(_image)(folder / file) for file in files
    )
    for position, image in enumerate(decoded):
        if image is None:
            is_readable[position] = False
        else:
            images[position] = image
    return images, is_readable


def _image(path: Path) -> np.ndarray | None:
    """(32, 32, 3) uint8, or None if it cannot be read."""
    try:
        with Image.open(path) as image:
            size, face = image.size, image.convert("RGB").crop(BOX)
            reduced = np.asarray(face.resize((SIZE, SIZE), Image.Resampling.BILINEAR))
    except UNREADABLE:
        return None
    if size != ALIGNED:  # the box would lie elsewhere in the face
        raise RgfError(
            f"{path} has {size[0]}x{size[1]} pixels, not {ALIGNED[0]}x{ALIGNED[1]}; {UNPACK_AGAIN}"
        )
    return reduced
