"""Copies of training images: nearest pairs, densities of distances, samples by distance."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rgf_keras.figures.images import save, save_plot, tile
from rgf_keras.figures.style import styled
from rgf_keras.metrics import copies
from rgf_keras.metrics.copying import Copying

NUM_PAIRS = 12
PERCENTILES = (0, 25, 50, 75, 100)
NUM_PER_PERCENTILE = 8


def plot_pairs(path: Path, generated: np.ndarray, train: np.ndarray, copying: Copying) -> Path:
    """Save generated images above their nearest training images, the worst copies first.

    Args:
        path: PNG.
        generated: (m, H, W, C) uint8.
        train: (l, H, W, C) uint8.
        copying: of these images.
    """
    worst = np.argsort(copying.generated, kind="stable")[:NUM_PAIRS]
    title = f"nearest to a training image first, with their distance in {copying.space}"
    nearest = train[copying.nearest[worst]]
    return plot_rows_of_pairs(path, generated[worst], nearest, copying.generated[worst], title)


@styled
def plot_rows_of_pairs(
    path: Path, generated: np.ndarray, train: np.ndarray, distances: np.ndarray, title: str
) -> Path:
    """Save generated images above the training images that they are nearest to.

    Args:
        path: PNG.
        generated, train: (p, H, W, C) uint8.
        distances: (p,) what is written below each pair.
        title: of the picture.
    """
    axis = Figure((0.8 * len(generated), 2.2)).subplots()
    _plot_rows(axis, np.concatenate([generated, train]), ["generated", "training"], title)
    places = (np.arange(len(generated)) + 0.5) * (generated.shape[2] + 2)
    axis.set_xticks(places, [f"{each:.3f}" for each in distances], fontsize=7)
    return save(axis, path)


def plot_distances(path: Path, copying: Copying) -> Path:
    """Save densities of nearest-neighbour distances (arXiv 2210.12231, Figures 1 and 5)."""
    return save_plot(path, partial(plot_densities, copying=copying), (6, 3))


def plot_densities(axis: Axes, copying: Copying, test_name: str = "test images") -> None:
    """Plot densities of nearest-neighbour distances, see :func:`plot_distances`."""
    edges, densities = copies.histogram(copying.generated, copying.test, num_bins=60)
    for density, label in zip(densities, ("generated images", test_name), strict=True):
        axis.stairs(density, edges, fill=True, alpha=0.5, label=label)
    x_label = f"cosine distance in {copying.space} to the nearest training image"
    axis.set(xlabel=x_label, yticks=[])
    axis.legend()


@styled
def plot_spectrum(path: Path, generated: Mapping[str, np.ndarray], test: np.ndarray) -> Path:
    """Save densities of nearest-neighbour distances over τ (arXiv 2210.12231, Figures 1 and 5).

    Args:
        path: PNG.
        generated: (m,) distances to the nearest training image, by threshold.
        test: (n,) those of test images.
    """
    edges, densities = copies.histogram(test, *generated.values(), num_bins=60)
    axis = Figure((6, 3.5)).subplots()
    axis.stairs(densities[0], edges, fill=True, color="0.85", label="test images")
    for density, label in zip(densities[1:], generated, strict=True):
        axis.stairs(density, edges, label=f"τ = {label}")
    axis.set(xlabel="cosine distance to the nearest training image", yticks=[])
    axis.legend(fontsize=7)
    return save(axis, path)


@styled
def plot_percentiles(
    path: Path,
    generated: np.ndarray,
    copying: Copying,
    percentiles: Sequence[float] = PERCENTILES,
    rows: np.ndarray | None = None,
) -> Path:
    """Save samples around each percentile of distance (arXiv 2210.12231, Figures 2 and 3).

    Args:
        path: PNG.
        generated: (m, H, W, C) uint8.
        copying: of these images.
        percentiles: in [0, 100], a row each.
        rows: positions of the samples that are meant, e.g. of one class; all if None.
    """
    rows = np.arange(len(generated)) if rows is None else rows
    order = rows[np.argsort(copying.generated[rows], kind="stable")]
    num = min(NUM_PER_PERCENTILE, len(order))
    starts = [round(p / 100 * (len(order) - num)) for p in percentiles]
    chosen = np.concatenate([order[start : start + num] for start in starts])
    axis = Figure((0.6 * num + 1, 0.6 * len(percentiles) + 0.6)).subplots()
    title = "samples by percentile of distance to the training set"
    _plot_rows(axis, generated[chosen], [f"{p} %" for p in percentiles], title)
    return save(axis, path)


def _plot_rows(axis: Axes, images: np.ndarray, names: list[str], title: str) -> None:
    """Named rows of images (n, H, W, C), equally many each."""
    axis.imshow(tile(images, len(images) // len(names)))
    axis.set_yticks((np.arange(len(names)) + 0.5) * (images.shape[1] + 2), names)
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.set_title(title, fontsize=9)
