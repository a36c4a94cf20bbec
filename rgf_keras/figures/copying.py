"""Copies of training images: nearest pairs, densities of distances."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from rgf_keras.figures.images import save, tile
from rgf_keras.metrics import copies
from rgf_keras.metrics.copying import Copying

NUM_PAIRS = 12
PERCENTILES = (0, 25, 50, 75, 100)


def plot_pairs(path: Path, generated: np.ndarray, train: np.ndarray, copying: Copying) -> Path:
    """Save generated images above their nearest training images, the worst copies first.

    Args:
        path: PNG.
        generated: (m, H, W, C) uint8.
        train: (l, H, W, C) uint8.
        copying: of these images.
    """
    worst = np.argsort(copying.generated, kind="stable")[:NUM_PAIRS]
    pairs = np.concatenate([generated[worst], train[copying.nearest[worst]]])
    figure, axis = plt.subplots(figsize=(0.8 * len(worst), 2.2))
    axis.imshow(tile(pairs, len(worst)))
    side = generated.shape[1] + 2
    axis.set_yticks([side / 2, 1.5 * side], ["generated", "training"])
    width = generated.shape[2] + 2
    labels = [f"{copying.generated[i]:.3f}" for i in worst]
    axis.set_xticks((np.arange(len(worst)) + 0.5) * width, labels, fontsize=7)
    axis.tick_params(length=0)
    axis.set_title("nearest to a training image first, with their distance", fontsize=9)
    return save(figure, path)


def plot_distances(path: Path, copying: Copying, test_name: str = "test images") -> Path:
    """Save densities of nearest-neighbour distances (arXiv 2210.12231, Figures 1 and 5)."""
    edges, densities = copies.histogram(copying.generated, copying.test, num_bins=60)
    figure, axis = plt.subplots(figsize=(6, 3))
    for density, label in zip(densities, ("generated images", test_name), strict=True):
        axis.stairs(density, edges, fill=True, alpha=0.5, label=label)
    axis.set(xlabel="cosine distance to the nearest training image", yticks=[])
    axis.legend()
    return save(figure, path)


def percentile_rows(copying: Copying, num: int = 8) -> Sequence[np.ndarray]:
    """Positions of samples around each percentile of distance (Figures 2 and 3)."""
    order = np.argsort(copying.generated, kind="stable")
    starts = [round(p / 100 * (len(order) - num)) for p in PERCENTILES]
    return [order[start : start + num] for start in starts]
