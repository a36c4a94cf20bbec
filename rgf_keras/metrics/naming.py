"""Which samples are copies, one by one: distances too small for any fresh sample of so many.

That *some* samples lie too near is the matter of :func:`rgf_keras.metrics.copying.tail`. To name
them takes a distance that no fresh sample would reach, which is smaller than what a thousand
held-out images show: it is extrapolated from the tail of their distances.
"""

import numpy as np

from rgf_keras.errors import ArgumentError
from rgf_keras.metrics.checks import check_numbers, check_share

TAIL_SHARE, MIN_TAIL = 0.025, 20  # of the reference distances
SMALLEST = 1e-9  # distance, below which two images are one


def threshold(reference: np.ndarray, distances: np.ndarray, level: float) -> float:
    """The distance below which samples are named copies.

    The probability that a fresh sample lies below a distance is Weissman's (1978): the smallest
    2.5 % of the reference distances are taken for a power law, whose exponent is Hill's (1975).
    Tails that end faster, as those of distances do, make it hold its level with something to spare.
    Of many samples, those are named whose probabilities Benjamini and Hochberg's (1995) procedure
    finds too small: if all are fresh, any is named with a probability of ``level`` at most; where
    there are copies, so is at most that share of those named, on average. The more copies there
    are, the farther ones are named.

    Args:
        reference: (n,) distances of fresh samples to their nearest training samples, n ≥ 40.
        distances: (m,) of the samples, m ≥ 1.
        level: in (0, 1).

    Returns:
        At most the largest of these smallest distances.

    Raises:
        ArgumentError: fewer than 40 reference distances, no samples, or bad distances.

    >>> reference = np.arange(1, 1001) / 1000
    >>> round(threshold(reference, np.full(100, 0.5), level=0.1), 4)  # exact: 0.001
    0.0013
    >>> round(threshold(reference, np.repeat([0.0, 0.5], 50), level=0.1), 4)  # 0.025 is the largest
    0.026
    """
    reference, distances = check_numbers(0, reference=reference, distances=distances)
    check_share(level=level)
    if reference.ndim != 1 or len(reference) < 2 * MIN_TAIL:
        raise ArgumentError(
            f"naming copies takes at least {2 * MIN_TAIL} distances ≥ 0, received {reference.shape}"
        )
    if distances.ndim != 1 or not len(distances):
        raise ArgumentError(f"distances must be (m,) numbers, m ≥ 1, received {distances.shape}")
    k = max(MIN_TAIL, int(TAIL_SHARE * len(reference)))
    smallest = np.maximum(np.partition(reference, k)[: k + 1], SMALLEST)
    largest = smallest.max()
    exponent = np.log(largest / np.delete(smallest, smallest.argmax())).mean()
    probabilities = level * np.arange(1, len(distances) + 1) / len(distances)
    limits = largest * np.minimum(1.0, probabilities * len(reference) / k) ** exponent
    is_below = np.sort(distances) < limits
    return float(limits[np.flatnonzero(is_below)[-1] if is_below.any() else 0])
