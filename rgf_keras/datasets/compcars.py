"""CompCars, the surveillance images: cars by make, each with the colour it has.

On disk, as the archive unpacks::

    sv_data/image/{model}/{name}.jpg                     model: 1 to 281
    sv_data/{train,test}_surveillance.txt                one model/name.jpg per line
    sv_data/sv_make_model_name.mat                       row model − 1: its make, name, number
    sv_data/color_list.mat                               rows: model/name.jpg, the colour's number
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from scipy.io import loadmat

from rgf_keras.datasets import files
from rgf_keras.datasets.dataset import Dataset
from rgf_keras.errors import ArgumentError, RgfError, did_you_mean, unknown_name

MAKES = "sv_make_model_name.mat"
COLOURS = "color_list.mat"
LISTS = ("train_surveillance.txt", "test_surveillance.txt")

# A colour's number is its position here; −1 is an unknown colour.
COLOUR_NAMES = (
    *("black", "white", "red", "yellow", "blue"),
    *("green", "purple", "brown", "champagne", "silver"),
)
AGAIN = "extract the archive again"


class Car(NamedTuple):
    """A line of a list, counted from 0: its image, class and position of the colour."""

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
        raise ArgumentError(f"size must be at least 1, received {size}")
    name, root, source = f"compcars/{split}", _root(Path(folder)), f"{split}_surveillance.txt"
    labels_of, values_of = _read_makes(root / MAKES, makes), _read_colours(root / COLOURS, colours)
    cars = _read_list(root, source, labels_of, values_of)

    def resize(image: Image.Image, _: Path) -> Image.Image:
        return image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)

    paths = [car.path for car in cars]
    images, is_readable = files.read_images(name, paths, size, resize, f"{AGAIN} to have them")
    columns = np.array([(car.line, car.label, car.value) for car in cars], np.int64)
    lines, labels, values = columns.reshape(-1, 3)[is_readable].T
    for names, present in ((makes, labels), (colours, values)):
        for position, wanted in enumerate(names):
            if position not in present:
                raise RgfError(
                    f"{root / source} lists no readable '{wanted}' among {', '.join(makes)} in "
                    f"{', '.join(colours)}; leave '{wanted}' out or {AGAIN}"
                )
    return Dataset(
        name=name,
        images=images,
        labels=labels,
        indices=lines,
        class_names=tuple(makes),
        factor=values,
        factor_name="colour",
        factor_values=tuple(colours),
    )


def _root(folder: Path) -> Path:
    return folder / "sv_data" if (folder / "sv_data").is_dir() else folder


def _read_makes(path: Path, makes: Sequence[str]) -> list[int | None]:
    """The class of every model, None if its make is not among ``makes``."""
    names = [str(make) for (make,) in _read_cells(path, num_columns=1)]
    classes = {make.casefold().strip(): label for label, make in enumerate(makes)}
    for make in makes:
        if make.casefold().strip() not in {name.casefold() for name in names}:
            known = sorted(set(names))
            raise ArgumentError(
                f"{path} has no make '{make}'; known: {', '.join(known)}{did_you_mean(make, known)}"
            )
    return [classes.get(name.casefold()) for name in names]


def _read_colours(path: Path, colours: Sequence[str]) -> dict[str, int]:
    """Position in ``colours`` of every image that has one of them, by model/name.jpg."""
    for colour in colours:
        if colour not in COLOUR_NAMES:
            raise unknown_name("colour", colour, COLOUR_NAMES)
    positions = {COLOUR_NAMES.index(colour): value for value, colour in enumerate(colours)}
    cells = _read_cells(path, num_columns=2)
    return {file: positions[number] for file, number in cells if number in positions}


def _read_list(
    root: Path, source: str, labels: list[int | None], values: dict[str, int]
) -> list[Car]:
    """The cars of a list that have a class and a value."""
    cars = []
    lines = files.read_lines(root / source, _missing(root), f"is corrupt ({{error}}); {AGAIN}")
    for line, file in enumerate(map(str.strip, lines)):
        # Nothing else may pass, so that no line points outside the image folder.
        match = re.fullmatch(r"([0-9]{1,9})/[^/\\:\0]+\.jpe?g", file, re.IGNORECASE)
        if match is None or not 0 < int(match[1]) <= len(labels):
            raise RgfError(
                f"{root / source} is corrupt: line {line + 1}, {file!r}, is no model/name.jpg "
                f"with a model of 1 to {len(labels)}; {AGAIN}"
            )
        label = labels[int(match[1]) - 1]
        if label is not None and file in values:
            cars.append(Car(line, root / "image" / file, label, values[file]))
    return cars


def _read_cells(path: Path, num_columns: int) -> list[list[Any]]:
    """The first columns of a .mat file's table, which is called as the file."""
    lacks = f"is corrupt: it has no table '{path.stem}' of {num_columns} columns or more; {AGAIN}"
    # SciPy raises nearly anything for a damaged file.
    with files.reading(path, _missing(path.parent), lacks, (Exception,)), open(path, "rb") as file:
        table = loadmat(file, variable_names=[path.stem])[path.stem]
        return [[_open_cell(row[column]) for column in range(num_columns)] for row in table]


def _open_cell(cell: Any) -> str | int:
    """What is inside the arrays of one element in which MATLAB's cells arrive."""
    while isinstance(cell, np.ndarray):
        cell = cell.item() if cell.size else ""
    return cell.strip() if isinstance(cell, str) else int(cell)


def _missing(root: Path) -> str:
    return f"put CompCars' whole sv_data at {root}"
