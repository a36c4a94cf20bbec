"""Verdicts over trainings: does the model under test differ by more than two trainings do?

Two trainings of one configuration, with other seeds, differ by far more than two samples of one
training: of eight GANs trained on the *same* balanced data, compared in pairs, a test of samples
calls half the rows different. So the training is the unit here. Both models are trained several
times, a training says one share for each class, and shares are compared as numbers that scatter
(Bouthillier et al. 2021, Agarwal et al. 2021).
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from rgf_keras.errors import ArgumentError
from rgf_keras.metrics.checks import (
    check_at_least,
    check_counts,
    check_integers,
    check_numbers,
    check_share,
    random,
)
from rgf_keras.metrics.verdicts import MIN_REFERENCES, TOO_FEW, TOO_FEW_TRAININGS, decide

# Ways to divide the trainings into tested ones and references; if there are more, some are drawn.
MAX_DIVISIONS = 2000
ROUNDING = 1e-9  # of arcsine roots
P_VALUES = ("rgf/gap_p", "rgf/gap_p_prediction", "copying/c_t_p", "copying/tail_p")


@dataclass(frozen=True)
class Comparison:
    """R_r trainings of a model against R_u of its reference.

    Shares are of the rare value, averaged as arcsine roots, and transformed back; of a single
    training it is the share itself. NaN stands where there are too few samples or trainings.

    Attributes:
        share_u, share_r: (rows,) of the reference and of the model under test, in [0, 1].
        difference: (rows,) ``share_r − share_u``.
        low, high: (rows,) bounds of its interval.
        p_value: (rows,) two-sided.
        verdict: (rows,) strings, see :func:`rgf_keras.metrics.rgf.verdict`, or
            ``"too few trainings"`` with fewer than three references.
        gaps: (R_r,) mean gap of the classes of each tested training to the references' mean.
        row_gap: (rows,) mean gap over tested trainings.
        gap: mean of ``gaps``, in [0, 1]; 1 without a class of enough samples.
        gap_low, gap_high: bounds of its t interval over the tested trainings, the references taken
            as they are; NaN of a single one.
        gap_p: of a permutation test that divides all trainings anew; its smallest possible value
            is one over the number of divisions.
        gap_p_prediction: of a single tested training: one-sided, of its gap among the gaps between
            each reference and the others (t prediction); NaN with more.
    """

    share_u: np.ndarray
    share_r: np.ndarray
    difference: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_value: np.ndarray
    verdict: np.ndarray
    gaps: np.ndarray
    row_gap: np.ndarray
    gap: float
    gap_low: float
    gap_high: float
    gap_p: float
    gap_p_prediction: float


def compare_trainings(
    counts: np.ndarray,
    reference: np.ndarray,
    rare_class: int | None = None,
    alpha: float = 0.05,
    min_class_samples: int = 10,
    seed: int = 0,
) -> Comparison:
    """Compare trainings of a model with trainings of its reference.

    Every row is tested by the arcsine roots of its shares: by Welch's test if three or more
    trainings of each side have enough samples, else by Student's, to which all trainings lend their
    spread; of a single tested training this is the t prediction interval. With several values every
    value is tested, and the smallest p counts so many times (Bonferroni).

    Args:
        counts: (R_r, rows, V) samples by training, row and value of the factor, the rare one last.
            The last row is of all classes together, and is no part of the gap.
        reference: (R_u, rows, V) likewise.
        rare_class: the row whose share memorization raises; that of all others it lowers. None: any
            difference is ``memorized``, as the paper prints it.
        alpha: two-sided level of verdicts; intervals cover 1 − alpha.
        min_class_samples: a row with fewer samples in a training is left out of that training.
        seed: of the divisions that are drawn where there are too many.

    Raises:
        ArgumentError: arrays of other shapes, counts that are none, no trainings, no such class,
            ``alpha`` outside (0, 1).

    >>> reference = np.array([[[50, 50]], [[45, 55]], [[54, 46]]])
    >>> compared = compare_trainings(np.array([[[95, 5]]]), reference)
    >>> compared.difference.round(2).tolist(), compared.p_value.round(3).tolist()
    ([-0.45], [0.008])
    """
    counts, reference = _check(counts=counts, reference=reference)
    check_share(alpha=alpha)
    check_at_least(0, min_class_samples=min_class_samples)
    check_integers(rare_class=0 if rare_class is None else rare_class)
    if rare_class is not None and not 0 <= rare_class < counts.shape[1]:
        raise ArgumentError(
            f"rare_class must lie in [0, {counts.shape[1] - 1}], received {rare_class}"
        )
    tested, known = _shares(counts, min_class_samples), _shares(reference, min_class_samples)
    rows, num_values = tested.shape[1:]
    roots_r, roots_u = np.arcsin(np.sqrt(tested)), np.arcsin(np.sqrt(known))
    n_r, n_u = (np.count_nonzero(~np.isnan(x[..., -1]), axis=0) for x in (tested, known))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_r, mean_u = _mean(roots_r), _mean(roots_u)
        error, degrees = _error(roots_r, roots_u, n_r[:, None], n_u[:, None])
        # Where all trainings agree exactly, as at shares of 0 and 1, the spread is sampling's.
        of_sampling = np.sqrt(sum(_sampling(x) for x in (counts, reference)))
        error = np.where(error > ROUNDING, error, of_sampling[:, None])
        difference = mean_r - mean_u
        p = 2 * scipy.stats.t.sf(np.abs(difference) / error, degrees)
        tests = num_values if num_values > 2 else 1
        p_value = np.minimum(tests * p.min(-1), 1.0)
        half = scipy.stats.t.ppf(1 - alpha / 2, degrees[:, -1]) * error[:, -1]
    share_u, share_r = _back(mean_u[:, -1]), _back(mean_r[:, -1])
    low, high = (_back(mean_u[:, -1] + difference[:, -1] + end) - share_u for end in (-half, half))
    enough = (n_r >= 1) & (n_u >= MIN_REFERENCES)
    p_value, low, high = (np.where(enough, values, np.nan) for values in (p_value, low, high))
    sign = np.where(enough, share_r - share_u, np.nan)
    is_rare = sign > 0 if rare_class is None else np.arange(rows) == rare_class
    verdict = decide(p_value, sign, is_rare, alpha)
    if len(reference) < MIN_REFERENCES:
        verdict = np.where((n_r >= 1) & (n_u >= 1), TOO_FEW_TRAININGS, TOO_FEW)
    gaps, row_gap = _gaps(tested, known)
    gap = float(gaps.mean())
    low_gap, high_gap = np.clip(t_interval(gaps, alpha), 0, 1)
    return Comparison(
        share_u, share_r, share_r - share_u, low, high, p_value, verdict,
        gaps, row_gap, gap, float(low_gap), float(high_gap),
        _permutation_p(tested, known, seed), _prediction_p(gaps, known),
    )  # fmt: skip


def mean_share(counts: np.ndarray, min_class_samples: int = 10, alpha: float = 0.05) -> np.ndarray:
    """The rare value's mean share over trainings, with its t interval.

    Args:
        counts: (R, rows, V), R ≥ 2.
        min_class_samples: a row with fewer samples in a training is left out of that training.
        alpha: the interval covers 1 − alpha.

    Returns:
        (3, rows): the mean of arcsine roots, transformed back, and the bounds; NaN where there are
        too few trainings.

    Raises:
        ArgumentError: arrays of other shapes, counts that are none, fewer than two trainings,
            ``alpha`` outside (0, 1).
    """
    (counts,) = _check(counts=counts)
    check_share(alpha=alpha)
    check_at_least(0, min_class_samples=min_class_samples)
    check_at_least(2, trainings=len(counts))
    roots = np.arcsin(np.sqrt(_shares(counts, min_class_samples)[..., -1]))
    num = np.count_nonzero(~np.isnan(roots), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = _mean(roots)
        error = np.sqrt(np.nansum((roots - mean) ** 2, axis=0) / (num - 1) / num)
        half = scipy.stats.t.ppf(1 - alpha / 2, num - 1) * error
    return np.stack([_back(mean), _back(mean - half), _back(mean + half)])


def t_interval(values: np.ndarray, alpha: float = 0.05) -> tuple[float, float]:
    """Bounds of the mean of several trainings' (R,) numbers; NaN of a single one.

    Raises:
        ArgumentError: numbers that are not finite, ``alpha`` outside (0, 1).

    >>> [round(bound, 2) for bound in t_interval(np.array([1.0, 2.0, 3.0]))]
    [-0.48, 4.48]
    """
    check_share(alpha=alpha)
    (values,) = check_numbers(values=values)
    num = values.size
    if values.ndim != 1 or not num:
        raise ArgumentError(f"values must be (R,) numbers, R at least 1, received {values.shape}")
    if num < 2:
        return math.nan, math.nan
    half = scipy.stats.t.ppf(1 - alpha / 2, num - 1) * values.std(ddof=1) / math.sqrt(num)
    return float(values.mean() - half), float(values.mean() + half)


def over_trainings(measured: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The means of several trainings' numbers; intervals become those of means over trainings.

    Args:
        measured: what :func:`rgf_keras.metrics.catalogue.measure` said of each. What it said only
            of the first stays as it is, as does a p-value, whose mean is none.

    >>> over_trainings([{"x": 1.0, "x_low": 0.9, "x_high": 1.1}, {"x": 3.0}])["x"]
    2.0
    """
    check_at_least(1, measured=len(measured))
    first, *others = measured
    values = dict(first)
    shared = [key for key in first if others and all(key in other for other in others)]
    for key in shared:
        value, _, end = key.rpartition("_")
        is_bound = end in ("low", "high") and value in first
        if is_bound or key.startswith(tuple(f"{each}/" for each in P_VALUES)) or key in P_VALUES:
            continue
        each = np.array([numbers[key] for numbers in measured])
        values[key] = float(each.mean())
        if f"{key}_low" in first:
            bounds = t_interval(each) if np.isfinite(each).all() else (math.nan, math.nan)
            values[f"{key}_low"], values[f"{key}_high"] = bounds
    return values


def _check(**given: np.ndarray) -> list[np.ndarray]:
    """Counts of several trainings, of the same rows and values."""
    arrays = check_counts(**given)
    for name, array in zip(given, arrays, strict=True):
        if array.ndim != 3 or not array.size:
            raise ArgumentError(
                f"{name} must be (trainings, rows, values) of at least one training, received "
                f"{array.shape}"
            )
        if array.shape[1:] != arrays[0].shape[1:]:
            raise ArgumentError(
                f"{' and '.join(given)} must have the same rows and values, received "
                f"{' and '.join(str(each.shape) for each in arrays)}"
            )
    return arrays


def _shares(counts: np.ndarray, min_class_samples: int) -> np.ndarray:
    """(R, rows, V), NaN where a training has too few samples of a row."""
    total = counts.sum(-1, keepdims=True)
    enough = total >= max(min_class_samples, 1)
    return np.where(enough, counts / np.maximum(total, 1), np.nan)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over trainings of what is not NaN, and NaN where all are."""
    known = ~np.isnan(values)
    return np.where(known, values, 0.0).sum(0) / known.sum(0)


def _sampling(counts: np.ndarray) -> np.ndarray:
    """(rows,) variance of a mean arcsine root that sampling alone gives it."""
    return 1 / (4 * counts.sum((0, -1)))


def _back(root: np.ndarray) -> np.ndarray:
    return np.sin(np.clip(root, 0, np.pi / 2)) ** 2


def _error(
    tested: np.ndarray, known: np.ndarray, n_r: np.ndarray, n_u: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Standard error of the difference of means, and its degrees of freedom, (rows, V) each.

    Of two trainings the spread is not known well enough for Welch: with two against eight equal
    ones his test calls 9 % of rows.
    """
    squares_r, squares_u = (np.nansum((x - _mean(x)) ** 2, axis=0) for x in (tested, known))
    r, u = squares_r / (n_r - 1) / n_r, squares_u / (n_u - 1) / n_u
    welch = (np.minimum(n_r, n_u) >= 3) & (r + u > ROUNDING**2)
    degrees = (r + u) ** 2 / (r**2 / (n_r - 1) + u**2 / (n_u - 1))
    pooled = (squares_r + squares_u) / (n_r + n_u - 2) * (1 / n_r + 1 / n_u)
    variance = np.where(welch, r + u, pooled)
    return np.sqrt(variance), np.where(welch, degrees, n_r + n_u - 2.0)


def _gaps(tested: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean gap over classes by training, (R_r,), and over trainings by row, (rows,)."""
    with np.errstate(invalid="ignore"):
        gaps = np.abs(tested - _mean(known)).sum(-1) / 2
        by_training = _mean(gaps[:, :-1].T) if gaps.shape[1] > 1 else gaps[:, 0]
        return np.nan_to_num(by_training, nan=1.0), _mean(gaps)


def _permutation_p(tested: np.ndarray, known: np.ndarray, seed: int) -> float:
    """How often a division of all trainings has a gap as large as the tested ones'."""
    everything = np.concatenate([tested, known])
    num, num_tested = len(everything), len(tested)
    is_exact = math.comb(num, num_tested) <= MAX_DIVISIONS
    if is_exact:
        chosen = np.array(list(itertools.combinations(range(num), num_tested)))
    else:
        rng = random(seed)
        drawn = [rng.permutation(num)[:num_tested] for _ in range(MAX_DIVISIONS - 1)]
        chosen = np.stack([np.arange(num_tested), *drawn])  # the one that was, and others
    own, *_ = gaps = np.array(
        [_gaps(everything[i], np.delete(everything, i, axis=0))[0].mean() for i in chosen]
    )
    return float(np.mean(gaps >= own - 1e-12))


def _prediction_p(gaps: np.ndarray, known: np.ndarray) -> float:
    num = len(known)
    if len(gaps) > 1 or num < MIN_REFERENCES:
        return math.nan
    others = [_gaps(known[[i]], np.delete(known, i, axis=0))[0].mean() for i in range(num)]
    error = np.std(others, ddof=1) * math.sqrt(1 + 1 / num)
    difference = gaps.mean() - np.mean(others)
    if error == 0:
        return float(difference <= 0)
    return float(scipy.stats.t.sf(difference / error, num - 1))
