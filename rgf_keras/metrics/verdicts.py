"""What a test says of a row: its words, and the adjustment for several rows."""

import numpy as np

from rgf_keras.errors import ArgumentError
from rgf_keras.metrics.checks import broadcast, check_numbers, check_share

TOO_FEW = "too few samples"
TOO_FEW_TRAININGS = "too few trainings"
# Trainings of the reference below which nothing is said.
MIN_REFERENCES = 3


def decide(p: np.ndarray, z: np.ndarray, rare: np.ndarray, alpha: float = 0.05) -> np.ndarray:
    """What a p-value and the sign of a difference say.

    Args:
        p: any shape.
        z: a statistic or difference, of which only the sign matters; NaN means that there were too
            few samples.
        rare: True where the class is the rare one, broadcast.
        alpha: two-sided level.

    Returns:
        ``"learned"`` (p > alpha), ``"memorized"`` (significant, with the expected sign: positive
        for the rare class, negative for the others), ``"deviates"`` (significant, the other sign;
        the paper prints these as memorized) or ``"too few samples"``.

    >>> decide([0.2, 0.01, 0.01, np.nan], [1.0, 3.0, -3.0, np.nan], rare=True).tolist()
    ['learned', 'memorized', 'deviates', 'too few samples']
    """
    check_share(alpha=alpha)
    (p,) = check_numbers(0, 1, missing=True, p=p)
    (z,) = check_numbers(missing=True, z=z)
    p, z, rare = broadcast(p=p, z=z, rare=np.asarray(rare, bool))
    expected = np.where(rare, z > 0, z < 0)
    return np.select(
        [np.isnan(z), p > alpha, expected], [TOO_FEW, "learned", "memorized"], "deviates"
    )


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down adjustment of (n,) p-values; NaNs are no tests and stay NaN.

    Raises:
        ArgumentError: other shapes, or a p outside [0, 1].

    >>> holm([0.01, 0.04, np.nan, 0.03]).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    (p,) = check_numbers(0, 1, missing=True, p=p)
    if p.ndim != 1:
        raise ArgumentError(f"p must be (n,) p-values, received {p.shape}")
    adjusted = np.full(p.shape, np.nan)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p[tests])]
    steps = (len(order) - np.arange(len(order))) * p[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
