"""A folder of images: one folder per class, and a table of factors if there is one.

Either with a split of its own, or without::

    train/{class}/*.png   test/{class}/*.png             {class}/*.png

``factors.csv`` beside them has the header ``file,NAME`` or ``file,NAME,NAME...`` and a row for
every image, whose file is written relative to the folder.
"""

import contextlib
import math
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rgf_keras.datasets.dataset import Dataset
from rgf_keras.datasets.decoding import (
    SUFFIXES,
    Header,
    Unreadable,
    open_regular,
    printable,
    read_header,
)
from rgf_keras.datasets.files import decode
from rgf_keras.datasets.image_files import FRAMES, HIDDEN, PARTS_OF_DATA, SYSTEM, sort_out
from rgf_keras.datasets.tables import fold, read_table
from rgf_keras.errors import RgfError

PARTS = ("train", "test")
TABLE = "factors.csv"
TRAIN_SHARE = 0.8
SMALLEST_CLASS = 5  # from here on a stratified split of 80 to 20 leaves no class out


def read(
    folder: str | Path, factor: str | None = None, values: Sequence[str] = ()
) -> tuple[Dataset, Dataset]:
    """The training and the test images of a folder.

    Without ``train`` and ``test`` folders 80 % of the images, with the same mix of classes, are for
    training, always the same ones.

    Args:
        folder: holds the class folders, or ``train`` and ``test`` folders that hold them.
        factor: which column of ``factors.csv`` is the images' factor: the first if None; none if
            there is no such column.
        values: of the factor, meant as they are written: words for what is missing, e.g.
            ``none``, and several spellings of one word are refused unless they are among these.

    Returns:
        Images (N, H, W, 1) uint8 if all are grey, else (N, H, W, 3); upright as their EXIF
        orientation says, and on white where they are transparent. Classes are in alphabetical
        order; values of the factor are too, or in numerical order if all are numbers; the last is
        the rare one. An image's index is its position among all the folder's files. One warning
        counts what is there but not read: hidden files, those of other suffixes, in other folders.

    Raises:
        RgfError: no images, unreadable ones or ones of different sizes; classes without images;
            images without a row in ``factors.csv`` or rows without an image.
    """
    folder = Path(folder)
    has_parts = all((folder / part).is_dir() for part in PARTS)
    roots = [folder / part for part in PARTS] if has_parts else [folder]
    class_names, paths = _list_classes(roots)
    files = [path.relative_to(folder).as_posix() for path in paths]
    labels = [class_names.index(_class_name(path.parent)) for path in paths]
    columns = read_table(folder / TABLE, files) if (folder / TABLE).exists() else {}
    name, (images, more_frames) = f"folder:{folder}", _read_images(paths)
    _warn_of_rest(folder, set(paths), more_frames)
    indices = np.arange(len(paths))
    dataset = Dataset(name, images, np.array(labels, np.int64), indices, class_names)
    factor = next(iter(columns), None) if factor is None else factor
    if factor in columns:
        dataset = _with_factor(dataset, factor, columns[factor].checked([str(x) for x in values]))
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
            images = [path for path in _list_visible(folder) if _is_image(path)]
            if not images:
                raise _no_images(folder, [folder.name for folder in classes])
            paths += images
        names.append([_class_name(folder) for folder in classes])
        _check_spellings(root, [folder.name for folder in classes])
    for root, other, own, others in zip(roots, roots[::-1], names, names[::-1], strict=True):
        for name in own:
            if name not in others:
                raise RgfError(
                    f"class '{name}' is in {root} but not in {other}; it must be in both"
                )
    return tuple(names[0]), sorted(paths, key=Path.as_posix)


def _class_name(folder: Path) -> str:
    """In one Unicode form, so that a class is the same in ``train`` and ``test``."""
    return unicodedata.normalize("NFC", folder.name)


def _check_spellings(root: Path, names: Sequence[str]) -> None:
    written: dict[str, str] = {}
    for name in names:
        if fold(name) in written:
            raise RgfError(
                f"{root} holds {written[fold(name)]!r} and {name!r}, one class in two spellings; "
                "rename one, or put the images of both into one"
            )
        written[fold(name)] = name


def _no_images(folder: Path, classes: Sequence[str]) -> RgfError:
    parts = [name for name in classes if name.casefold() in PARTS_OF_DATA]
    inner = [entry for entry in _list_visible(folder) if entry.is_dir()]
    if parts and inner:
        return RgfError(
            f"{folder.parent} holds {' and '.join(parts)}, which look like parts of a data set; "
            f"call two of them train and test, or name one, e.g. folder:{folder.parent}/{parts[0]}"
        )
    known = ", ".join(sorted(SUFFIXES))
    deeper = f", but the folder {inner[0].name}" if inner else ""
    return RgfError(
        f"class folder {folder} holds no images ({known}){deeper}; put images "
        "directly into it, or move it elsewhere"
    )


def _list_visible(folder: Path) -> list[Path]:
    """What is in a folder, sorted by name, without hidden files and folders."""
    return sorted(path for path in folder.iterdir() if sort_out(path.name) != HIDDEN)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def _warn_of_rest(folder: Path, read: set[Path], more_frames: Sequence[Path]) -> None:
    """One warning of what is in the folder and was not read."""
    rest: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or path in read or path.name in SYSTEM or path == folder / TABLE:
            continue
        reason = sort_out(path.relative_to(folder).as_posix())
        rest[reason or "images not directly in a class folder"].append(path)
    if more_frames:
        rest[FRAMES].extend(more_frames)
    if rest:
        parts = [
            f"{len(paths)} {reason} (first {printable(paths[0].relative_to(folder).as_posix())})"
            for reason, paths in sorted(rest.items())
        ]
        warnings.warn(f"folder:{folder}: left out {', '.join(parts)}", stacklevel=4)


def _read_images(paths: Sequence[Path]) -> tuple[np.ndarray, list[Path]]:
    """(N, H, W, 1) uint8 if all images are grey, else (N, H, W, 3); those with further frames."""
    headers = [_read_header(path) for path in paths]
    (width, height), channels = headers[0].size, 1 if all(x.is_grey for x in headers) else 3
    for path, header in zip(paths, headers, strict=True):
        _check_size(paths[0], (width, height), path, header.size)
    images = np.empty((len(paths), height, width, channels), np.uint8)
    blank = []
    mode = "L" if channels == 1 else "RGB"
    decoded = decode(paths, lambda image, _: image.convert(mode))
    for path, header, image, pixels in zip(paths, headers, images, decoded, strict=True):
        if isinstance(pixels, Unreadable):
            raise _unreadable(path, pixels)
        _check_size(paths[0], (width, height), path, pixels.shape[1::-1])
        image[...] = pixels.reshape(image.shape)
        if header.has_alpha and image.min() == 255:
            blank.append(path)
    if blank:
        warnings.warn(
            f"{len(blank)} of {len(paths)} images are transparent and blank on white, the first "
            f"{printable(str(blank[0]))}; put them on another ground",
            stacklevel=4,
        )
    return images, [path for path, x in zip(paths, headers, strict=True) if x.has_more_frames]


def _check_size(first: Path, size: tuple[int, int], path: Path, other: tuple[int, ...]) -> None:
    if other != size:
        raise RgfError(
            f"{first} has {size[0]}x{size[1]} pixels but {path} {other[0]}x{other[1]}; "
            "resize them to one size"
        )


def _read_header(path: Path) -> Header:
    try:
        with open_regular(path) as file:
            header = read_header(file)
    except Unreadable as error:
        raise _unreadable(path, error) from error
    if header.is_deep:
        raise RgfError(f"image {path} has more than 8 bits per channel; save it with 8")
    return header


def _unreadable(path: Path, error: Unreadable) -> RgfError:
    return RgfError(f"image {printable(str(path))} {error}")


def _with_factor(dataset: Dataset, name: str, column: Sequence[str]) -> Dataset:
    values = _sort(set(column))
    factor = np.array([values.index(value) for value in column], np.int64)
    return replace(dataset, factor=factor, factor_name=name, factor_values=values)


def _sort(values: set[str]) -> tuple[str, ...]:
    """In numerical order if all are numbers, else in alphabetical order."""
    with contextlib.suppress(ValueError):
        if not any(math.isnan(float(value)) for value in values):
            return tuple(sorted(sorted(values), key=float))
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
