"""How many trainings and samples it takes to find a difference of a given size."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
import scipy

from rgf_keras.errors import ArgumentError
from rgf_keras.metrics.checks import check_at_least, check_counts, check_numbers, check_share
from rgf_keras.metrics.verdicts import MIN_REFERENCES

MOST_TRAININGS = 100
SMALLEST = 1e-6  # number of samples


@dataclass(frozen=True)
class Scatter:
    """How a typical class of one model scatters.

    Attributes:
        share: of the rare value, in [0, 1].
        spread: standard deviation of the arcsine root of the share over trainings, that of sampling
            taken away.
        num_samples: samples of the class in a training.
    """

    share: float
    spread: float
    num_samples: float


def scatter(counts: np.ndarray, min_class_samples: int = 10) -> Scatter:
    """The scatter over equal trainings: medians over classes.

    Args:
        counts: (R, rows, V), R ≥ 2; the last row, of all classes, is left out.
        min_class_samples: a class with fewer samples in a training is left out of that training.

    Raises:
        ArgumentError: counts of another shape or that are none, fewer than two trainings, or no
            class has enough samples in two of them.
    """
    (counts,) = check_counts(counts=counts)
    if counts.ndim != 3 or counts.shape[1] < 2 or not counts.size:
        raise ArgumentError(
            f"counts must be (trainings, classes and one for all, values), received {counts.shape}"
        )
    check_at_least(2, trainings=len(counts))
    check_at_least(0, min_class_samples=min_class_samples)
    counts = counts[:, :-1]
    num = counts.sum(-1)
    shares, spreads, sizes = [], [], []
    for ones, n in zip(counts[..., -1].T, num.T, strict=True):
        enough = n >= max(min_class_samples, 1)
        if enough.sum() < 2:
            continue
        roots = np.arcsin(np.sqrt(ones[enough] / n[enough]))
        shares.append(np.sin(roots.mean()) ** 2)
        spreads.append(max(roots.var(ddof=1) - np.mean(1 / (4 * n[enough])), 0.0))
        sizes.append(n[enough].mean())
    if not shares:
        raise ArgumentError(
            f"no class has {min_class_samples} samples in two trainings; draw more samples "
            "(evaluation.num_samples)"
        )
    return Scatter(*(float(np.median(x)) for x in (shares, np.sqrt(spreads), sizes)))


def power(
    difference: float,
    known: Scatter,
    trainings: int,
    references: int,
    samples: float = 1.0,
    alpha: float = 0.05,
) -> float:
    """How often a difference is found, by the t test of arcsine roots.

    Welch's test of three against three finds it somewhat less often (32 % where this says 41 %).

    Args:
        difference: of the shares, in (0, 1); away from the nearer of 0 and 1.
        known: scatter of the reference, which the model under test is taken to share.
        trainings, references: R_r and R_u.
        samples: how many times as many samples as ``known`` has; infinity for all there are.
        alpha: two-sided level.

    Returns:
        In [0, 1].

    Raises:
        ArgumentError: ``difference`` or ``alpha`` outside (0, 1), no or fewer than three trainings
            in all, no samples, a scatter that is none.

    >>> known = Scatter(0.5, 0.1, 100)
    >>> [round(power(0.2, known, n, n), 2) for n in (2, 4, 8)]
    [0.19, 0.59, 0.93]
    """
    check_share(difference=difference, alpha=alpha)
    check_at_least(1, trainings=trainings, references=references)
    _check_scatter(known, samples)
    degrees = trainings + references - 2
    if degrees < 1:
        raise ArgumentError(f"power needs three trainings in all, received {degrees + 2}")
    towards = -difference if known.share >= 0.5 else difference
    moved = np.clip(known.share + towards, 0, 1)
    effect = abs(np.arcsin(np.sqrt(moved)) - np.arcsin(np.sqrt(known.share)))
    variance = known.spread**2 + 1 / (4 * known.num_samples * samples)
    error = np.sqrt(variance * (1 / trainings + 1 / references))
    if error == 0:
        return 1.0
    critical, shift = scipy.stats.t.ppf(1 - alpha / 2, degrees), effect / error
    if shift > 30:  # where the non-central t is not computed any more
        return 1.0
    t = scipy.stats.nct(degrees, shift)
    return float(t.sf(critical) + t.cdf(-critical))


def trainings_needed(
    difference: float,
    known: Scatter,
    samples: float = 1.0,
    wanted: float = 0.8,
    alpha: float = 0.05,
) -> int | None:
    """Trainings of each model with which a difference is found as often as wanted.

    Args:
        difference, known, samples, alpha: see :func:`power`.
        wanted: power, in (0, 1).

    Returns:
        At least three; None if it takes more than a hundred.

    Raises:
        ArgumentError: see :func:`power`; ``wanted`` outside (0, 1).

    >>> trainings_needed(0.2, Scatter(0.5, 0.1, 100))
    6
    """
    check_share(wanted=wanted)
    for num in range(MIN_REFERENCES, MOST_TRAININGS + 1):
        if power(difference, known, num, num, samples, alpha) >= wanted:
            return num
    return None


def _check_scatter(known: Scatter, samples: float) -> None:
    check_numbers(0, 1, share=known.share)
    check_numbers(0, np.pi / 2, spread=known.spread)
    for name, number in (("num_samples", known.num_samples), ("samples", samples)):
        if not (isinstance(number, Real) and number >= SMALLEST):
            raise ArgumentError(f"{name} must be at least {SMALLEST:g}, received {number!r}")
