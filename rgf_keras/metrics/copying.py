"""Does a trained generator copy? C_T and nearest training images, for one set of samples."""

from dataclasses import dataclass

import numpy as np

from rgf_keras.metrics import copies, data_copying, neighbours
from rgf_keras.metrics.frechet import Estimate

IMAGES_PER_CELL = 200  # of the smaller of test and training set, as arXiv 2210.12231 has it
MIN_SAMPLES_PER_CELL = 20
NUM_DRAWS = 200


@dataclass(frozen=True)
class Copying:
    """How near generated images lie to training images, in one space of features.

    Attributes:
        c_t: C_T with its interval; below 0 generated images are copies.
        p_value: of copying, by permutation.
        distance: mean cosine distance of generated images to their nearest training image.
        distance_test: the mean of test images.
        authenticity: share of generated images that are no copies, in [0, 1].
        generated: (m,) cosine distances of generated images to their nearest training image.
        nearest: (m,) positions of these.
        test: (n,) distances of test images likewise.
    """

    c_t: Estimate
    p_value: float
    distance: float
    distance_test: float
    authenticity: float
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
    sets = train, test, generated
    cells = data_copying.cells(*sets, num_cells=num_cells, seed=seed)
    train_cells, test_cells, generated_cells = cells
    smallest = min(MIN_SAMPLES_PER_CELL / len(generated), 0.5)
    test_of_copying = data_copying.c_t(*sets, train_cells, test_cells, generated_cells, smallest)
    distances, nearest = neighbours.nearest(generated, train)
    test_distances, _ = neighbours.nearest(test, train)
    return Copying(
        c_t=data_copying.bootstrap(test_of_copying, seed, NUM_DRAWS),
        p_value=data_copying.permutation_null(test_of_copying, seed, NUM_DRAWS).p_copying,
        distance=float(distances.mean()),
        distance_test=float(test_distances.mean()),
        authenticity=copies.authenticity(train, generated, "cosine"),
        generated=distances,
        nearest=nearest,
        test=test_distances,
    )
