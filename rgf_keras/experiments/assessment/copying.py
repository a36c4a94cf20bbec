"""Does a trained generator copy? C_T and nearest training images, for one set of samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from rgf_keras.experiments.figures import save, tile
from rgf_keras.metrics import copies, data_copying, neighbours

IMAGES_PER_CELL = 200  # of the smaller of test and training set, as arXiv 2210.12231 has it
MIN_SAMPLES_PER_CELL = 20
NUM_DRAWS = 200
NUM_PAIRS = 12
PERCENTILES = (0, 25, 50, 75, 100)


@dataclass(frozen=True)
class Copying:
    """What was found.

    Args:
        metrics: ``copying/c_t`` with its interval (``_low``, ``_high``) and permutation p-value of
            copying (``_p``); ``copying/deficit``, max(0, −C_T); mean cosine distances of generated
            and of test images to the nearest training image; ``copying/authenticity``.
        generated: (m,) cosine distances of generated images to their nearest training image.
        nearest: (m,) positions of these.
        test: (n,) the same distances of test images.
    """

    metrics: dict[str, float]
    generated: np.ndarray
    nearest: np.ndarray
    test: np.ndarray


def measure(train: np.ndarray, test: np.ndarray, generated: np.ndarray, seed: int) -> Copying:
    """Compare features of generated images with those of the training set.

    Args:
        train: (l, d) features of the training images.
        test: (n, d) of held-out images of the same distribution.
        generated: (m, d).
        seed: of k-means, permutations and resampling.
    """
    num_cells = max(1, min(len(train), len(test)) // IMAGES_PER_CELL)
    train_cells, test_cells, generated_cells = data_copying.cells(
        train, test, generated, num_cells=num_cells, seed=seed
    )
    test_of_copying = data_copying.c_t(
        *(train, test, generated),
        *(train_cells, test_cells, generated_cells),
        min_cell_fraction=min(MIN_SAMPLES_PER_CELL / len(generated), 0.5),
    )
    interval = data_copying.bootstrap(test_of_copying, seed, NUM_DRAWS)
    null = data_copying.permutation_null(test_of_copying, seed, NUM_DRAWS)
    distances, nearest = neighbours.nearest(generated, train)
    test_distances, _ = neighbours.nearest(test, train)
    metrics = {
        "copying/c_t": test_of_copying.c_t,
        "copying/c_t_low": interval.low,
        "copying/c_t_high": interval.high,
        "copying/c_t_p": null.p_copying,
        "copying/deficit": max(0.0, -test_of_copying.c_t),
        "copying/distance": float(distances.mean()),
        "copying/distance_test": float(test_distances.mean()),
        "copying/authenticity": copies.authenticity(train, generated, "cosine"),
    }
    return Copying(metrics, distances, nearest, test_distances)


def draw_pairs(path: Path, generated: np.ndarray, train: np.ndarray, found: Copying) -> Path:
    """Save generated images above their nearest training images, the worst copies first.

    Args:
        path: PNG.
        generated: (m, H, W, C) uint8.
        train: (l, H, W, C) uint8.
        found: of these images.
    """
    worst = np.argsort(found.generated, kind="stable")[:NUM_PAIRS]
    pairs = np.concatenate([generated[worst], train[found.nearest[worst]]])
    figure, axis = plt.subplots(figsize=(0.8 * len(worst), 2.2))
    axis.imshow(tile(pairs, len(worst)))
    side = generated.shape[1] + 2
    axis.set_yticks([side / 2, 1.5 * side], ["generated", "training"])
    width = generated.shape[2] + 2
    labels = [f"{found.generated[i]:.3f}" for i in worst]
    axis.set_xticks((np.arange(len(worst)) + 0.5) * width, labels, fontsize=7)
    axis.tick_params(length=0)
    axis.set_title("nearest to a training image first, with their distance", fontsize=9)
    return save(figure, path)


def draw_distances(path: Path, found: Copying, test_name: str = "test images") -> Path:
    """Save densities of nearest-neighbour distances (arXiv 2210.12231, Figures 1 and 5)."""
    edges, densities = copies.histogram(found.generated, found.test, num_bins=60)
    figure, axis = plt.subplots(figsize=(6, 3))
    for density, label in zip(densities, ("generated images", test_name), strict=True):
        axis.stairs(density, edges, fill=True, alpha=0.5, label=label)
    axis.set(xlabel="cosine distance to the nearest training image", yticks=[])
    axis.legend()
    return save(figure, path)


def percentile_rows(found: Copying, num: int = 8) -> Sequence[np.ndarray]:
    """Positions of samples around each percentile of distance (Figures 2 and 3)."""
    order = np.argsort(found.generated, kind="stable")
    starts = [round(p / 100 * (len(order) - num)) for p in PERCENTILES]
    return [order[start : start + num] for start in starts]
