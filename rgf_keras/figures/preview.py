"""What planted data looks like: pictures, measurements, counts."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from rich.table import Table

from rgf_keras.datasets import Dataset, counts, morphology
from rgf_keras.experiments.assessment.data import Sets
from rgf_keras.figures.images import save, tile

IMAGES_PER_CELL = 4
MEASURED_IMAGES = 1000
MEASURES = ("thickness", "length")


def draw(path: Path, dataset: Dataset) -> Path:
    """Save a picture like Figure D.2: a row per class, a block per value of the factor.

    Below, for digits, the distributions of thickness and length by value.

    Args:
        path: PNG.
        dataset: with a factor; a balanced one shows every class with every value.
    """
    num_values = len(dataset.factor_values)
    is_digits = dataset.image_shape[:2] == (28, 28)
    heights = (0.55 * dataset.num_classes, 2.4) if is_digits else (0.55 * dataset.num_classes,)
    figure = plt.figure(figsize=(max(2.4 * num_values, 5.0), sum(heights) + 0.4))
    rows = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    top = rows[0].subgridspec(1, num_values)
    for value in range(num_values):
        _pictures(figure.add_subplot(top[value]), dataset, value)
    if is_digits:
        bottom = rows[1].subgridspec(1, len(MEASURES))
        for column, name in enumerate(MEASURES):
            _histogram(figure.add_subplot(bottom[column]), dataset, name)
    return save(figure, path)


def count_records(sets: Sets) -> list[dict[str, Any]]:
    """Images per set, class and value (as Table 3), JSON-able."""
    return [
        {"set": name, "class": label, **dict(zip(dataset.factor_values, row, strict=True))}
        for name, dataset in _named(sets).items()
        for label, row in zip(dataset.class_names, counts(dataset).tolist(), strict=True)
    ]


def count_table(sets: Sets) -> Table:
    """Images per class and value in each set (as Table 3)."""
    tables = {name: counts(dataset) for name, dataset in _named(sets).items()}
    values = " / ".join(sets.balanced.factor_values)
    view = Table("class", title=f"images per class, {values}")
    for name in tables:
        view.add_column(name, justify="right")
    for label, name in enumerate(sets.balanced.class_names):
        view.add_row(name, *(_joined(table[label]) for table in tables.values()))
    view.add_section()
    view.add_row("all", *(_joined(table.sum(axis=0)) for table in tables.values()))
    return view


def _joined(numbers: np.ndarray) -> str:
    return " / ".join(map(str, numbers.tolist()))


def _named(sets: Sets) -> dict[str, Dataset]:
    return {"balanced": sets.balanced, "skewed": sets.skewed, "held out": sets.held_out}


def _pictures(axis: plt.Axes, dataset: Dataset, value: int) -> None:
    side = dataset.image_shape[0] + 2
    axis.imshow(tile(_cells(dataset, value), IMAGES_PER_CELL))
    axis.set_title(dataset.factor_values[value])
    axis.set_xticks([])
    axis.set_yticks(np.arange(dataset.num_classes) * side + side / 2, dataset.class_names)
    axis.tick_params(length=0)


def _cells(dataset: Dataset, value: int) -> np.ndarray:
    """The first images of every class with this value, black where there are too few."""
    images = np.zeros((dataset.num_classes, IMAGES_PER_CELL, *dataset.image_shape), np.uint8)
    for label in range(dataset.num_classes):
        found = np.flatnonzero((dataset.labels == label) & (dataset.planted == value))
        found = found[:IMAGES_PER_CELL]
        images[label, : len(found)] = dataset.images[found]
    return images.reshape(-1, *dataset.image_shape)


def _histogram(axis: plt.Axes, dataset: Dataset, name: str) -> None:
    few = dataset.split(MEASURED_IMAGES)[0] if len(dataset) > MEASURED_IMAGES else dataset
    measured = getattr(morphology.measure(few.images.max(axis=-1)), name)
    bins = np.linspace(measured.min(), measured.max(), 30).tolist()
    for value, label in enumerate(few.factor_values):
        axis.hist(measured[few.planted == value], bins, alpha=0.6, label=label, density=True)
    axis.set(xlabel=f"{name} (pixels)", yticks=[])
    axis.legend(fontsize=7)
