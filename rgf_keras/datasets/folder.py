"""A folder of images: one folder per class, and a table of factors if there is one.

Either with a split of its own, or without::

    train/{class}/*.png   test/{class}/*.png             {class}/*.png

``factors.csv`` beside them has the header ``file,NAME`` or ``file,NAME,NAME...`` and a row for
every image, whose file is written relative to the folder.
"""

import csv
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from rgf_keras.datasets.dataset import Dataset
from rgf_keras.datasets.files import UNREADABLE, decode, reading
from rgf_keras.errors import RgfError

PARTS = ("train", "test")
EXTENSIONS = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
TABLE = "factors.csv"
TRAIN_SHARE = 0.8
SMALLEST_CLASS = 5  # from here on a stratified split of 80 to 20 leaves no class out


def read(folder: str | Path, factor: str | None = None) -> tuple[Dataset, Dataset]:
    """The training and the test images of a folder.

    Without ``train`` and ``test`` folders 80 % of the images, with the same mix of classes, are for
    training, always the same ones.

    Args:
        folder: holds the class folders, or ``train`` and ``test`` folders that hold them.
        factor: which column of ``factors.csv`` is the images' factor: the first if None; none if
            there is no such column.

    Returns:
        Images (N, H, W, 1) uint8 if all are grey, else (N, H, W, 3) without transparency. Classes
        are in alphabetical order; values of the factor are too, or in numerical order if all are
        numbers; the last is the rare one. An image's index is its position among all the folder's
        files.

    Raises:
        RgfError: no images, unreadable ones or ones of different sizes; classes without images;
            images without a row in ``factors.csv`` or rows without an image.
    """
    folder = Path(folder)
    has_parts = all((folder / part).is_dir() for part in PARTS)
    roots = [folder / part for part in PARTS] if has_parts else [folder]
    class_names, paths = _list_classes(roots)
    files = [path.relative_to(folder).as_posix() for path in paths]
    labels = [class_names.index(path.parent.name) for path in paths]
    columns = _read_table(folder / TABLE, files)
    name, images = f"folder:{folder}", _read_images(paths)
    indices = np.arange(len(paths))
    dataset = Dataset(name, images, np.array(labels, np.int64), indices, class_names)
    factor = next(iter(columns), None) if factor is None else factor
    if factor in columns:
        dataset = _with_factor(dataset, factor, columns[factor])
    if has_parts:
        in_train = np.array([file.startswith("train/") for file in files])
        train, test = (dataset.take(np.flatnonzero(part)) for part in (in_train, ~in_train))
    else:
        train, test = _split(dataset)
    return replace(train, name=f"{name}/train"), replace(test, name=f"{name}/test")


def _list_classes(roots: Sequence[Path]) -> tuple[tuple[str, ...], list[Path]]:
    """Names of the classes, the same in every root, and the sorted paths of all images."""
    names: list[list[str]] = []
    paths: list[Path] = []
    for root in roots:
        if not root.is_dir():
            raise RgfError(f"folder {root} does not exist")
        classes = [entry for entry in _list_visible(root) if entry.is_dir()]
        if not classes:
            raise RgfError(f"{root} holds no class folders; put the images of each class in one")
        for folder in classes:
            images = [path for path in _list_visible(folder) if path.suffix.lower() in EXTENSIONS]
            if not images:
                known = ", ".join(sorted(EXTENSIONS))
                raise RgfError(
                    f"class folder {folder} holds no images ({known}); delete or fill it"
                )
            paths += images
        names.append([folder.name for folder in classes])
    for root, other, own, others in zip(roots, roots[::-1], names, names[::-1], strict=True):
        for name in own:
            if name not in others:
                raise RgfError(
                    f"class '{name}' is in {root} but not in {other}; it must be in both"
                )
    return tuple(names[0]), sorted(paths, key=Path.as_posix)


def _list_visible(folder: Path) -> list[Path]:
    """What is in a folder, sorted by name, without hidden files and folders."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _read_images(paths: Sequence[Path]) -> np.ndarray:
    """(N, H, W, 1) uint8 if all images are grey, else (N, H, W, 3)."""
    headers = [_read_header(path) for path in paths]
    (width, height), _ = headers[0]
    for path, (size, _) in zip(paths, headers, strict=True):
        if size != (width, height):
            raise RgfError(
                f"{paths[0]} has {width}x{height} pixels but {path} {size[0]}x{size[1]}; "
                "resize them to one size"
            )
    mode, channels = ("L", 1) if all(grey for _, grey in headers) else ("RGB", 3)
    images = np.empty((len(paths), height, width, channels), np.uint8)
    decoded = decode(paths, partial(Image.Image.convert, mode=mode))
    for path, image, pixels in zip(paths, images, decoded, strict=True):
        if pixels is None:
            raise _unreadable(path)
        image[...] = pixels.reshape(image.shape)
    return images


def _read_header(path: Path) -> tuple[tuple[int, int], bool]:
    """Width and height, and whether the image is grey."""
    try:
        with Image.open(path) as image:
            size, mode = image.size, image.mode
    except UNREADABLE as error:
        raise _unreadable(path) from error
    if mode in ("I", "F") or mode.startswith("I;"):
        raise RgfError(f"image {path} has more than 8 bits per channel; save it with 8")
    return size, mode in ("1", "L", "LA", "La")


def _unreadable(path: Path) -> RgfError:
    return RgfError(f"image {path} cannot be read; replace or delete it")


def _read_table(path: Path, files: Sequence[str]) -> dict[str, list[str]]:
    """The values of every factor, one per file; nothing if there is no table."""
    if not path.exists():
        return {}
    errors = (OSError, UnicodeDecodeError, csv.Error)
    with (
        reading(path, "write it", "is no table in UTF-8 ({error}); write it again", errors),
        open(path, newline="", encoding="utf-8-sig") as file,
    ):
        rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
    header = rows[0] if rows else []
    if header[:1] != ["file"] or len(header) < 2 or len({*header, ""}) <= len(header):
        raise RgfError(f"{path} has the header {header}; it must be file,NAME with distinct names")
    values: dict[str, list[str]] = {}
    known = set(files)
    for row in rows[1:]:
        if len(row) != len(header) or "" in row:
            raise RgfError(f"{path}: row {row} must have one value for each of {header}")
        if row[0] not in known:
            raise RgfError(f"{path}: {row[0]!r} is no image of {path.parent}; delete its row")
        if row[0] in values:
            raise RgfError(f"{path}: {row[0]!r} has two rows; delete one")
        values[row[0]] = row[1:]
    for name in files:
        if name not in values:
            raise RgfError(f"{path} has no row for {name!r}; every image needs one")
    return {
        name: [values[file][column] for file in files] for column, name in enumerate(header[1:])
    }


def _with_factor(dataset: Dataset, name: str, column: Sequence[str]) -> Dataset:
    values = _sort(set(column))
    factor = np.array([values.index(value) for value in column], np.int64)
    return replace(dataset, factor=factor, factor_name=name, factor_values=values)


def _sort(values: set[str]) -> tuple[str, ...]:
    """In numerical order if all are numbers, else in alphabetical order."""
    try:
        return tuple(sorted(sorted(values), key=float))
    except ValueError:
        return tuple(sorted(values))


def _split(dataset: Dataset) -> tuple[Dataset, Dataset]:
    sizes = np.bincount(dataset.labels)
    if sizes.min() < SMALLEST_CLASS:
        raise RgfError(
            f"class '{dataset.class_names[sizes.argmin()]}' of {dataset.name} has "
            f"{sizes.min()} images; splitting needs {SMALLEST_CLASS} or more in every class, or "
            "folders train and test"
        )
    return dataset.split(int(TRAIN_SHARE * len(dataset)), seed=0)
