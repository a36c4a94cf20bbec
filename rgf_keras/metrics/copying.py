"""Does a trained generator copy? C_T, few copies, and nearest training images, in one space."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy

from rgf_keras import outputs
from rgf_keras.errors import ArgumentError
from rgf_keras.metrics import copies, data_copying, neighbours
from rgf_keras.metrics.checks import check_features, check_numbers
from rgf_keras.metrics.frechet import Estimate

IMAGES_PER_CELL = 200  # of the smaller of test and training set, as arXiv 2210.12231 has it
MIN_SAMPLES_PER_CELL = 20  # what is more counts, as in data_copying.c_t
NUM_DRAWS = 200  # of the bootstrap
NUM_PERMUTATIONS = 1000  # p of several spaces, multiplied by their number, must be small still
NUM_NEIGHBOURS = 10  # by whose distance that of the nearest is judged
TAIL_SHARE, MIN_TAIL = 0.005, 5  # of test images


@dataclass(frozen=True)
class Tail:
    """Do more samples lie very near to training images than held-out images do?

    Attributes:
        radius: relative distance that so many test images are nearer than, or just at.
        count: generated images that lie nearer.
        excess: share in [0, 1] of generated images beyond those that would lie nearer by chance.
        p_value: of so many or more, if generated images lay no nearer than test images do.
    """

    radius: float
    count: int
    excess: float
    p_value: float


@dataclass(frozen=True)
class Copying:
    """How near generated images lie to training images, in one space of features.

    Attributes:
        space: name of the embedding.
        c_t: C_T with its interval; below 0 generated images are copies.
        p_value: of copying, by permutation.
        distance: mean cosine distance of generated images to their nearest training image.
        distance_test: the mean of test images.
        authenticity: share of generated images that are no copies, in [0, 1].
        generated: (m,) cosine distances of generated images to their nearest training image.
        nearest: (m,) positions of these.
        test: (n,) distances of test images likewise.
        relative: (m,) distances of generated images to their nearest training image, divided by
            the mean distance to their ten nearest; near 0 for copies, wherever training images
            lie close together anyway (as Carlini et al. 2023, arXiv 2301.13188, §4.2).
        relative_test: (n,) those of test images.
    """

    space: str
    c_t: Estimate
    p_value: float
    distance: float
    distance_test: float
    authenticity: float
    generated: np.ndarray
    nearest: np.ndarray
    test: np.ndarray
    relative: np.ndarray
    relative_test: np.ndarray

    @cached_property
    def tail(self) -> Tail:
        """The test for few copies, which a mean over all samples does not see."""
        return tail(self.relative, self.relative_test)

    @cached_property
    def copies(self) -> np.ndarray:
        """(c,) positions of generated images relatively nearer than any test image, nearest first.

        A test image that is a training image itself leaves none.
        """
        copies = np.flatnonzero(self.relative < self.relative_test.min())
        return copies[np.argsort(self.relative[copies], kind="stable")]


def measure(
    train: np.ndarray,
    test: np.ndarray,
    generated: np.ndarray,
    seed: int,
    space: str,
    search_own: copies.SearchOwn = neighbours.nearest,
) -> Copying:
    """Compare features of generated images with those of the training set.

    Args:
        train: (l, d) features of the training images.
        test: (n, d) of held-out images of the same distribution.
        generated: (m, d).
        seed: of k-means, permutations and resampling.
        space: name of the embedding.
        search_own: see :func:`rgf_keras.metrics.copies.authenticity`.

    Raises:
        ArgumentError: bad features, fewer than two different training images.
    """
    train, test, generated = check_features(train=train, test=test, generated=generated)
    num_cells = max(1, min(len(train), len(test)) // IMAGES_PER_CELL)
    sets = train, test, generated
    smallest = min(MIN_SAMPLES_PER_CELL / len(generated), 0.5)
    test_of_copying = data_copying.c_t_in(sets, (num_cells, 1), seed, smallest)
    k = min(NUM_NEIGHBOURS, len(train))
    distances, nearest = (each.reshape(-1, k) for each in neighbours.nearest(generated, train, k=k))
    test_distances = neighbours.nearest(test, train, k=k)[0].reshape(-1, k)
    return Copying(
        space=space,
        c_t=data_copying.bootstrap(test_of_copying, seed, NUM_DRAWS),
        p_value=data_copying.permutation_null(test_of_copying, seed, NUM_PERMUTATIONS).p_copying,
        distance=float(distances[:, 0].mean()),
        distance_test=float(test_distances[:, 0].mean()),
        authenticity=copies.authenticity(train, generated, "cosine", search_own),
        generated=distances[:, 0],
        nearest=nearest[:, 0],
        test=test_distances[:, 0],
        relative=_relative(distances),
        relative_test=_relative(test_distances),
    )


def copies_csv(copying: Iterable[Copying]) -> str:
    """The images that are relatively nearer to a training image than any test image, as CSV.

    Columns: the space; positions of the generated and of its nearest training image; their cosine
    distance, and its ratio to the mean of the ten nearest.
    """
    rows: list[list] = [["space", "generated", "nearest", "distance", "ratio"]]
    for each in copying:
        for i in each.copies:
            distances = f"{each.generated[i]:.6g}", f"{each.relative[i]:.6g}"
            rows.append([each.space, i, each.nearest[i], *distances])
    return outputs.csv_text(rows)


def tail(generated: np.ndarray, test: np.ndarray) -> Tail:
    """Test for few copies: a precedence test (Nelson 1963) of the smallest distances.

    The k-th smallest test distance is the radius, with k = ⌈n / 200⌉ and at least 5. If both kinds
    came from one distribution, every order of their distances would be equally likely: x or more
    generated images lie nearer just if fewer than k of the k + x − 1 smallest distances are test
    images', which is hypergeometric. So p holds its level exactly, and ties make it larger.

    Args:
        generated: (m,) distances to the nearest training image.
        test: (n,) distances of held-out images of the training images' kind.

    Raises:
        ArgumentError: no or bad distances.

    >>> few = tail(np.r_[np.zeros(20), np.arange(10, 990)], np.arange(10, 1010))
    >>> few.count, round(few.excess, 3), few.p_value < 1e-4
    (24, 0.019, True)
    """
    generated, test = check_numbers(0, generated=generated, test=test)
    m, n = generated.size, test.size
    if not (m and n and generated.ndim == test.ndim == 1):
        raise ArgumentError("there are no distances to compare; give generated and test images")
    k = min(n, max(MIN_TAIL, int(np.ceil(TAIL_SHARE * n))))
    radius = float(np.partition(test, k - 1)[k - 1])
    count = int(np.count_nonzero(generated < radius))
    p_value = scipy.stats.hypergeom.cdf(k - 1, m + n, n, k + count - 1)
    return Tail(radius, count, max(0.0, count / m - k / (n + 1)), float(p_value))


def _relative(distances: np.ndarray) -> np.ndarray:
    """(n,) of sorted distances (n, k): the first by the mean of all; 0 where all are 0."""
    mean = distances.mean(axis=1)
    return np.divide(distances[:, 0], mean, out=np.zeros_like(mean), where=mean > 0)
