"""CompCars, the surveillance images: cars by make, each with the colour it has.

On disk, as the archive unpacks::

    sv_data/image/{model}/{name}.jpg                     model: 1 to 281
    sv_data/{train,test}_surveillance.txt                one model/name.jpg per line
    sv_data/sv_make_model_name.mat                       row model − 1: its make, name, number
    sv_data/color_list.mat                               rows: model/name.jpg, the colour's number
"""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
from PIL import Image
from scipy.io import loadmat

from rgf_keras.datasets.dataset import Dataset
from rgf_keras.datasets.folder import UNREADABLE
from rgf_keras.errors import RgfError

MAKES = "sv_make_model_name.mat"
COLOURS = "color_list.mat"
LISTS = ("train_surveillance.txt", "test_surveillance.txt")

# A colour's number is its position here; −1 is an unknown colour.
COLOUR_NAMES = (
    *("black", "white", "red", "yellow", "blue"),
    *("green", "purple", "brown", "champagne", "silver"),
)


class Car(NamedTuple):
    """A line of a list (counted from 0): the image, its class and its colour's position."""

    line: int
    path: Path
    label: int
    value: int


def holds(folder: Path) -> bool:
    """Whether a folder holds ``sv_data``, or is it: any of its lists and tables is there."""
    return any((_root(folder) / name).exists() for name in (MAKES, COLOURS, *LISTS))


def read(
    folder: str | Path,
    split: str,
    makes: Sequence[str] = ("Volkswagen", "Toyota"),
    colours: Sequence[str] = ("black", "white"),
    size: int = 64,
) -> Dataset:
    """Cars of some makes and colours; the defaults are the subset of Frontiers in AI 2025.

    Args:
        folder: holds ``sv_data``, or is it.
        split: ``"train"`` or ``"test"``.
        makes: the classes; case does not matter.
        colours: the values of the factor, the rare one last; names in ``COLOUR_NAMES``.
        size: height and width that the images are resized to, whatever their shape.

    Returns:
        Images (N, size, size, 3) uint8 with the factor ``"colour"``. An image's index is its
        position in the list. Images that cannot be read are left out, with one warning.

    Raises:
        RgfError: a file is missing or corrupt, or there are no images of a make or colour.
    """
    if size < 1:
        raise RgfError(f"size must be at least 1, received {size}")
    root, source = _root(Path(folder)), f"{split}_surveillance.txt"
    cars = _listed(root, source, _labels(root / MAKES, makes), _values(root / COLOURS, colours))
    decoded = joblib.Parallel(n_jobs=-1, prefer="threads")(
        joblib.delayed(_image)(car.path, size) for car in cars
    )
    images = [image for image in decoded if image is not None]
    unreadable = [car.path for car, image in zip(cars, decoded, strict=True) if image is None]
    cars = [car for car, image in zip(cars, decoded, strict=True) if image is not None]
    if unreadable:
        warnings.warn(
            f"compcars/{split}: left out {len(unreadable)} of {len(decoded)} images that cannot "
            f"be read, the first {unreadable[0]}; extract the archive again to have them",
            stacklevel=2,
        )
    labels = np.array([car.label for car in cars], np.int64)
    values = np.array([car.value for car in cars], np.int64)
    for names, present in ((makes, labels), (colours, values)):
        for position, name in enumerate(names):
            if position not in present:
                raise RgfError(
                    f"{root / source} lists no readable '{name}' among {', '.join(makes)} in "
                    f"{', '.join(colours)}; leave '{name}' out or extract the archive again"
                )
    return Dataset(
        name=f"compcars/{split}",
        images=np.array(images, np.uint8).reshape(-1, size, size, 3),
        labels=labels,
        indices=np.array([car.line for car in cars], np.int64),
        class_names=tuple(makes),
        factor=values,
        factor_name="colour",
        factor_values=tuple(colours),
    )


def _root(folder: Path) -> Path:
    return folder / "sv_data" if (folder / "sv_data").is_dir() else folder


def _labels(path: Path, makes: Sequence[str]) -> list[int | None]:
    """The class of every model, None if its make is not among ``makes``."""
    found = [str(make) for (make,) in _cells(path, num_columns=1)]
    classes = {make.casefold().strip(): label for label, make in enumerate(makes)}
    for make in makes:
        if make.casefold().strip() not in {name.casefold() for name in found}:
            known = ", ".join(sorted(set(found)))
            raise RgfError(f"{path} has no make '{make}'; known: {known}")
    return [classes.get(name.casefold()) for name in found]


def _values(path: Path, colours: Sequence[str]) -> dict[str, int]:
    """Position in ``colours`` of every image that has one of them, by model/name.jpg."""
    for colour in colours:
        if colour not in COLOUR_NAMES:
            raise RgfError(f"unknown colour '{colour}'; known: {', '.join(COLOUR_NAMES)}")
    positions = {COLOUR_NAMES.index(colour): value for value, colour in enumerate(colours)}
    return {
        file: positions[number]
        for file, number in _cells(path, num_columns=2)
        if number in positions
    }


def _listed(root: Path, source: str, labels: list[int | None], values: dict[str, int]) -> list[Car]:
    """The cars of a list that have a class and a value."""
    cars = []
    for line, file in enumerate(map(str.strip, _lines(root / source))):
        # Nothing else may pass, so that no line points outside the image folder.
        match = re.fullmatch(r"([0-9]{1,9})/[^/\\:\0]+\.jpe?g", file, re.IGNORECASE)
        if match is None or not 0 < int(match[1]) <= len(labels):
            raise RgfError(
                f"{root / source} is corrupt: line {line + 1}, {file!r}, is no model/name.jpg "
                f"with a model of 1 to {len(labels)}; extract the archive again"
            )
        label = labels[int(match[1]) - 1]
        if label is not None and file in values:
            cars.append(Car(line, root / "image" / file, label, values[file]))
    return cars


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").rstrip().splitlines()
    except FileNotFoundError:
        raise _missing(path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RgfError(f"{path} is corrupt ({error}); extract the archive again") from error


def _cells(path: Path, num_columns: int) -> list[list[Any]]:
    """The first columns of a .mat file's table, which is called as the file."""
    try:
        with open(path, "rb") as file:
            table = loadmat(file, variable_names=[path.stem])[path.stem]
        return [[_opened(row[column]) for column in range(num_columns)] for row in table]
    except FileNotFoundError:
        raise _missing(path) from None
    except Exception as error:  # SciPy raises nearly anything for a damaged file
        raise RgfError(
            f"{path} is corrupt: it has no table '{path.stem}' of {num_columns} columns or more; "
            "extract the archive again"
        ) from error


def _opened(cell: Any) -> str | int:
    """What is inside the arrays of one element in which MATLAB's cells arrive."""
    while isinstance(cell, np.ndarray):
        cell = cell.item() if cell.size else ""
    return cell.strip() if isinstance(cell, str) else int(cell)


def _missing(path: Path) -> RgfError:
    return RgfError(f"{path} does not exist; put CompCars' whole sv_data at {path.parent}")


def _image(path: Path, size: int) -> np.ndarray | None:
    """(size, size, 3) uint8, or None if it cannot be read."""
    try:
        with Image.open(path) as image:
            resized = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
            return np.asarray(resized)
    except UNREADABLE:
        return None
