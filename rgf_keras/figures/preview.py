"""What planted data looks like: images of every class with every value, and measurements."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rgf_keras.figures.images import save, tile
from rgf_keras.figures.style import styled

IMAGES_PER_CELL = 4


@styled
def plot_preview(
    path: Path,
    images: np.ndarray,
    labels: np.ndarray,
    factor: np.ndarray,
    class_names: Sequence[str],
    factor_values: Sequence[str],
    measurements: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> Path:
    """Save a picture like Figure D.2: a row per class, a block per value of the factor.

    Args:
        path: PNG.
        images: (n, H, W, C) uint8.
        labels, factor: (n,) positions in ``class_names`` and ``factor_values``.
        class_names, factor_values: of the rows and blocks.
        measurements: by name, numbers (m,) in pixels and the factor (m,) of the images that they
            belong to; their distributions are shown below.
    """
    num_classes, num_values = len(class_names), len(factor_values)
    heights = [0.55 * num_classes, *([2.4] if measurements else [])]
    figure = Figure((max(2.4 * num_values, 5.0), sum(heights) + 0.4))
    rows = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    blocks = rows[0].subgridspec(1, num_values)
    side = images.shape[1] + 2
    for value, name in enumerate(factor_values):
        axis = figure.add_subplot(blocks[value])
        cells = [_cell(images[(labels == k) & (factor == value)]) for k in range(num_classes)]
        axis.imshow(tile(np.concatenate(cells), IMAGES_PER_CELL))
        axis.set_title(name)
        axis.set_xticks([])
        axis.set_yticks(np.arange(num_classes) * side + side / 2, class_names)
        axis.tick_params(length=0)
    for i, (name, (numbers, values)) in enumerate(measurements.items()):
        axis = figure.add_subplot(rows[1].subgridspec(1, len(measurements))[i])
        bins = np.linspace(numbers.min(), numbers.max(), 30).tolist()
        for value, label in enumerate(factor_values):
            axis.hist(numbers[values == value], bins, alpha=0.6, label=label, density=True)
        axis.set(xlabel=f"{name} (pixels)", yticks=[])
        axis.legend(fontsize=7)
    return save(axis, path)


def _cell(images: np.ndarray) -> np.ndarray:
    """The first images, black where there are too few."""
    cell = np.zeros((IMAGES_PER_CELL, *images.shape[1:]), np.uint8)
    cell[: len(images)] = images[:IMAGES_PER_CELL]
    return cell
