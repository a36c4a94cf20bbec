"""The RGF test: has the model learned the rare factor, or memorized it with its class?

P_u and P_r are the shares of images with f = 1 among the samples classified as one class, for a
model trained on the balanced and on the skewed set. Memorization has an expected sign: too many
images with the factor in the rare class, too few in the others (Frontiers in AI 2025). For factors
of more than two values there is a chi-square test of all values, and the rare one has the sign.
"""

from typing import Literal, get_args

import numpy as np
import scipy

from rgf_keras.errors import ArgumentError, unknown_name
from rgf_keras.metrics.checks import broadcast, check_counts, check_numbers, check_share
from rgf_keras.metrics.trainings import compare_trainings as compare_trainings
from rgf_keras.metrics.verdicts import TOO_FEW as TOO_FEW
from rgf_keras.metrics.verdicts import TOO_FEW_TRAININGS as TOO_FEW_TRAININGS
from rgf_keras.metrics.verdicts import decide as decide
from rgf_keras.metrics.verdicts import holm as holm

Test = Literal["two_sample", "sample", "reference"]


def proportion_z(
    count: np.ndarray,
    nobs: np.ndarray,
    reference: np.ndarray,
    variance: Literal["sample", "reference"] = "sample",
    num_samples: np.ndarray | int | None = None,
) -> np.ndarray:
    """One-sample z of observed shares against reference shares that are taken as exact.

    Args:
        count, nobs: images with f = 1 and in all, of any shapes, broadcast.
        reference: P_u in [0, 1], broadcast likewise.
        variance: ``"sample"``: (P_r − P_u)/√(P_r(1 − P_r)/n), which the paper's tables fit;
            ``"reference"``: (P_r − P_u)/√(P_u(1 − P_u)/n), the paper's Eq. 1 with n for M.
        num_samples: M, all samples of the model, which stands for n in the literal Eq. 1.

    Returns:
        z; ±inf where the variance is zero and the shares differ, 0 where they agree, NaN where n
        is 0.

    Raises:
        ArgumentError: unknown ``variance``, counts that are none, a share outside [0, 1].

    >>> proportion_z(60, 100, 0.5, "reference").round(2).item()
    2.0
    >>> proportion_z(60, 100, 0.5, "reference", num_samples=1000).round(2).item()
    6.32
    """
    if variance not in ("sample", "reference"):
        raise ArgumentError(f"variance must be 'sample' or 'reference', received '{variance}'")
    (reference,) = check_numbers(0, 1, missing=True, reference=reference)
    count, nobs = _successes(count=count, nobs=nobs)
    count, nobs, reference = broadcast(count=count, nobs=nobs, reference=reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = count / nobs
        p = share if variance == "sample" else reference
        num = nobs if num_samples is None else check_counts(num_samples=num_samples)[0]
        return _ratio(share - reference, np.sqrt(p * (1 - p) / num))


def two_sample_z(
    count: np.ndarray, nobs: np.ndarray, reference_count: np.ndarray, reference_nobs: np.ndarray
) -> np.ndarray:
    """Pooled two-sample z: unlike the one-sample forms it knows that P_u is an estimate too.

    Args:
        count, nobs: images with f = 1 and in all from the model under test, of any shapes.
        reference_count, reference_nobs: likewise from the balanced model; all are broadcast.

    Returns:
        z; 0 where both shares are equal, NaN where a sample is empty.

    Raises:
        ArgumentError: counts that are none.

    >>> two_sample_z(60, 100, 50, 100).round(3).item()
    1.421
    """
    count, nobs = _successes(count=count, nobs=nobs)
    known = _successes(reference_count=reference_count, reference_nobs=reference_nobs)
    count, nobs, reference_count, reference_nobs = broadcast(
        count=count, nobs=nobs, reference_count=known[0], reference_nobs=known[1]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (count + reference_count) / (nobs + reference_nobs)
        difference = count / nobs - reference_count / reference_nobs
        return _ratio(difference, np.sqrt(pooled * (1 - pooled) * (1 / nobs + 1 / reference_nobs)))


def chi_square(
    counts: np.ndarray, reference_counts: np.ndarray, test: Test = "two_sample"
) -> tuple[np.ndarray, np.ndarray]:
    """Chi-square of all values of a factor together; with two values it is z² of the same test.

    Args:
        counts: images per value from the model under test, (..., V).
        reference_counts: images per value from the balanced model, (..., V).
        test: ``"two_sample"``: homogeneity of both; ``"sample"`` and ``"reference"``: fit of the
            one to the other's shares, which are taken as exact, with its own variance (Neyman) or
            theirs (Pearson).

    Returns:
        The statistic (...), NaN where a sample is empty, and its degrees of freedom (...): values
        that occur at all, less one.

    Raises:
        ArgumentError: unknown ``test``, counts that are none.

    >>> [value.round(3).item() for value in chi_square([40, 60], [50, 50])]
    [2.02, 1]
    """
    if test not in get_args(Test):
        raise unknown_name("test", test, get_args(Test))
    counts, reference_counts = _by_value(counts, reference_counts)
    nobs = counts.sum(-1, keepdims=True)
    reference_nobs = reference_counts.sum(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = counts / nobs, reference_counts / reference_nobs
        expected = {
            "two_sample": (counts + reference_counts)
            / (nobs + reference_nobs)
            * (1 / nobs + 1 / reference_nobs),
            "sample": p / nobs,
            "reference": q / nobs,
        }[test]
        statistic = np.where(p == q, 0.0, (p - q) ** 2 / expected).sum(-1)
    occurring = np.count_nonzero(counts + reference_counts, axis=-1)
    return statistic, np.maximum(occurring - 1, 0)


def p_value(z: np.ndarray) -> np.ndarray:
    """Two-sided p of a standard normal z, any shape; NaN stays NaN.

    Raises:
        ArgumentError: no numbers.

    >>> p_value([0, 1.96]).round(3).tolist()
    [1.0, 0.05]
    """
    (z,) = check_numbers(missing=True, z=z)
    return 2 * scipy.stats.norm.sf(np.abs(z))


def chi_square_p_value(statistic: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """p of a chi-square statistic; 1 without degrees of freedom, NaN stays NaN.

    Raises:
        ArgumentError: a statistic or degrees below 0.
    """
    (statistic,) = check_numbers(0, missing=True, statistic=statistic)
    (degrees,) = check_counts(degrees=degrees)
    statistic, degrees = broadcast(statistic=statistic, degrees=degrees)
    p = scipy.stats.chi2.sf(statistic, np.maximum(degrees, 1))
    return np.where((degrees == 0) & ~np.isnan(statistic), 1.0, p)


def verdict(z: np.ndarray, rare: np.ndarray, alpha: float = 0.05) -> np.ndarray:
    """What a z says.

    Args:
        z: any shape; NaN means that there were too few samples.
        rare: True where the class is the rare one, broadcast with ``z``.
        alpha: two-sided level.

    Returns:
        ``"learned"`` (p > alpha), ``"memorized"`` (significant, with the expected sign: z > 0 for
        the rare class, z < 0 for the others), ``"deviates"`` (significant, the other sign; the
        paper prints these as memorized) or ``"too few samples"``.

    Raises:
        ArgumentError: no numbers, ``alpha`` outside (0, 1).

    >>> verdict([1.0, 3.0, -3.0, np.nan], rare=True).tolist()
    ['learned', 'memorized', 'deviates', 'too few samples']
    """
    return decide(p_value(z), z, rare, alpha)


def wilson_interval(
    count: np.ndarray, nobs: np.ndarray, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of a share (Wilson 1927).

    Args:
        count: successes, any shape.
        nobs: trials, broadcast with ``count``; the interval of no trials is [0, 1].
        confidence: in (0, 1).

    Returns:
        Lower and upper bounds in [0, 1].

    Raises:
        ArgumentError: counts that are none, ``confidence`` outside (0, 1).

    >>> [bound.round(3).item() for bound in wilson_interval(5, 10)]
    [0.237, 0.763]
    """
    check_share(confidence=confidence)
    count, nobs = _successes(count=count, nobs=nobs)
    z2 = scipy.stats.norm.ppf((1 + confidence) / 2) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (count + z2 / 2) / (nobs + z2)
        spread = np.where(nobs > 0, count * (nobs - count) / nobs, 0.0)
        half = np.sqrt(z2 * (spread + z2 / 4)) / (nobs + z2)
    bounds = np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
    return np.where(nobs > 0, bounds[0], 0.0), np.where(nobs > 0, bounds[1], 1.0)


def gap(counts: np.ndarray, reference_counts: np.ndarray) -> np.ndarray:
    """Total variation between two models' shares of values; with two values |P_r − P_u|.

    Args:
        counts: images per value, (..., V).
        reference_counts: images per value from the balanced model, (..., V).

    Returns:
        (...) in [0, 1], NaN where a sample is empty.

    Raises:
        ArgumentError: counts that are none.

    >>> gap([90, 10], [50, 50]).item()
    0.4
    """
    counts, reference_counts = _by_value(counts, reference_counts)
    with np.errstate(invalid="ignore"):
        share = counts / counts.sum(-1, keepdims=True)
        reference = reference_counts / reference_counts.sum(-1, keepdims=True)
    return np.abs(share - reference).sum(-1) / 2


def _successes(**counts: np.ndarray) -> tuple[np.ndarray, ...]:
    """Successes and trials in one shape: none more than the other."""
    (name, count), (of, nobs) = zip(counts, check_counts(**counts), strict=True)
    count, nobs = broadcast(**{name: count, of: nobs})
    if over := np.argwhere(count > nobs).tolist():
        where = tuple(over[0])
        raise ArgumentError(
            f"{name} must be at most {of}, received {count[where]:g} of {nobs[where]:g}"
        )
    return count, nobs


def _by_value(counts: np.ndarray, reference_counts: np.ndarray) -> tuple[np.ndarray, ...]:
    """Two models' images per value, (..., V), in one shape."""
    counts, reference_counts = check_counts(counts=counts, reference_counts=reference_counts)
    if not counts.shape[-1:] == reference_counts.shape[-1:] > (0,):
        raise ArgumentError(
            "counts and reference_counts must be (..., V) of the same values, received "
            f"{counts.shape} and {reference_counts.shape}"
        )
    return broadcast(counts=counts, reference_counts=reference_counts)


def _ratio(difference: np.ndarray, error: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(difference == 0, 0.0, difference / error)
