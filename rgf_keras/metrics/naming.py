"""Which samples are copies, one by one: distances too small for any fresh sample of so many.

That *some* samples lie too near is the matter of :func:`rgf_keras.metrics.copying.tail`. To name
them takes a distance that no fresh sample would reach, which is smaller than what a thousand
held-out images show: it is extrapolated from the tail of their distances.
"""

import numpy as np

from rgf_keras.errors import ArgumentError
from rgf_keras.metrics.checks import check_at_least, check_numbers, check_share

TAIL_SHARE, MIN_TAIL = 0.025, 20  # of the reference distances
SMALLEST = 1e-9  # distance, below which two images are one


def threshold(reference: np.ndarray, num: int, level: float) -> float:
    """The distance that any of so many fresh samples falls below with a probability of ``level``.

    Weissman's extreme quantile (1978): the smallest 2.5 % of the reference distances are taken for
    a power law, whose exponent is Hill's (1975). Tails that end faster, as those of distances do,
    make it hold its level with something to spare.

    Args:
        reference: (n,) distances of fresh samples to their nearest training samples, n ≥ 40.
        num: samples that are tested, at least 1.
        level: in (0, 1).

    Returns:
        At most the largest of these smallest distances.

    Raises:
        ArgumentError: fewer than 40 distances, or bad ones.

    >>> round(threshold(np.arange(1, 1001) / 1000, num=100, level=0.1), 4)  # exact: 0.001
    0.0013
    """
    (distances,) = check_numbers(0, reference=reference)
    check_at_least(1, num=num)
    check_share(level=level)
    if distances.ndim != 1 or len(distances) < 2 * MIN_TAIL:
        raise ArgumentError(
            f"naming copies takes at least {2 * MIN_TAIL} distances ≥ 0, received {distances.shape}"
        )
    k = max(MIN_TAIL, int(TAIL_SHARE * len(distances)))
    ordered = np.maximum(np.partition(distances, k)[: k + 1], SMALLEST)
    largest = ordered.max()
    exponent = np.log(largest / np.delete(ordered, ordered.argmax())).mean()
    return float(largest * min(1.0, level / num * len(distances) / k) ** exponent)
