"""The Fréchet distance between two clouds of features, as Gaussians (Heusel et al. 2017)."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from rgf_keras import archive
from rgf_keras.errors import ArgumentError, RgfError, first_line
from rgf_keras.metrics.checks import (
    check_at_least,
    check_counts,
    check_features,
    check_numbers,
    check_share,
    random,
)

LARGEST = 1e70  # feature, so that products of covariances stay finite


@dataclass(frozen=True)
class Moments:
    """What of features makes a Gaussian, float64.

    Attributes:
        mean: (d,).
        covariance: (d, d).
        count: of how many features; None if that is not known.
    """

    mean: np.ndarray
    covariance: np.ndarray
    count: int | None = None


@dataclass(frozen=True)
class Estimate:
    """A statistic with its interval.

    Attributes:
        value: the statistic.
        low: lower bound.
        high: upper bound.
    """

    value: float
    low: float
    high: float


def moments(features: np.ndarray, weights: np.ndarray | None = None) -> Moments:
    """Mean and unbiased covariance, accumulated in float64 whatever the features' dtype.

    Args:
        features: (n, d), n ≥ 2.
        weights: (n,) how often each row counts; all once if None.

    Raises:
        ArgumentError: not two-dimensional, fewer than 2 rows, not finite or above 1e70; weights
            that are no counts, or fewer than 2 in all.
    """
    features = check_features(largest=LARGEST, features=features)[0].astype(np.float64, copy=False)
    if len(features) < 2:
        raise ArgumentError(f"features must be (n, d) with n ≥ 2, received {features.shape}")
    if weights is not None:
        (counts,) = check_counts(weights=weights)
        weights = counts.astype(np.int64)
        if weights.shape != (len(features),) or (weights != counts).any() or weights.sum() < 2:
            raise ArgumentError(
                f"weights must be ({len(features)},) whole numbers, 2 or more in all, received "
                f"{counts.shape} of sum {counts.sum():g}"
            )
    mean = np.average(features, axis=0, weights=weights)
    return Moments(mean, np.atleast_2d(np.cov(features.T, fweights=weights)), len(features))


def distance(first: Moments, second: Moments) -> float:
    """|μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½).

    The trace of the root is Σ√λ of the symmetric LᵀΣ₂L with Σ₁ = LLᵀ, which is several times faster
    than a matrix root and stays real.

    Raises:
        ArgumentError: moments of other shapes, not finite, or too large for their product.

    >>> distance(Moments(np.zeros(1), np.eye(1)), Moments(np.ones(1), 4 * np.eye(1)))
    2.0
    """
    for name, each in (("first", first), ("second", second)):
        _check_moments(name, each, np.size(first.mean))
    try:
        root = scipy.linalg.cholesky(first.covariance, lower=True)
    except scipy.linalg.LinAlgError:  # singular: fewer rows than columns, or a constant feature
        values, vectors = scipy.linalg.eigh(first.covariance)
        root = vectors * np.sqrt(np.clip(values, 0, None))
    eigenvalues = scipy.linalg.eigvalsh(root.T @ second.covariance @ root)
    trace_root = np.sqrt(np.clip(eigenvalues, 0, None)).sum()
    shift = np.sum((first.mean - second.mean) ** 2)
    total = np.trace(first.covariance) + np.trace(second.covariance)
    return float(max(shift + total - 2 * trace_root, 0.0))


def _check_moments(name: str, known: Moments, width: int) -> None:
    shapes = np.shape(known.mean), np.shape(known.covariance)
    if shapes != ((width,), (width, width)) or not width:
        raise ArgumentError(
            f"the mean and covariance of {name} must be ({width},) and ({width}, {width}), "
            f"received {shapes[0]} and {shapes[1]}"
        )
    squared = 2 * LARGEST**2
    mean: dict[str, Any] = {f"the mean of {name}": known.mean}
    covariance: dict[str, Any] = {f"the covariance of {name}": known.covariance}
    check_numbers(-LARGEST, LARGEST, **mean)
    check_numbers(-squared, squared, **covariance)


def read_moments(path: str | Path) -> Moments:
    """Statistics as they are published for FID: an ``.npz`` with ``mu`` (d,) and ``sigma`` (d, d).

    Raises:
        RgfError: the file is missing or holds something else, such as pickles.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found = Moments(file["mu"].astype(np.float64), file["sigma"].astype(np.float64))
    except FileNotFoundError:
        raise RgfError(f"there are no statistics {path}") from None
    except archive.DAMAGED as error:
        raise RgfError(
            f"{path} holds no statistics ({first_line(error)}); give an .npz with mu and sigma"
        ) from error
    width = found.mean.size
    if found.mean.shape != (width,) or found.covariance.shape != (width, width):
        shapes = f"{found.mean.shape} and {found.covariance.shape}"
        raise RgfError(f"{path}: mu and sigma must be (d,) and (d, d), received {shapes}")
    if not (np.isfinite(found.mean).all() and np.isfinite(found.covariance).all()):
        raise RgfError(f"{path}: mu and sigma must be finite, received NaN or infinity")
    return found


def frechet_distance(real: np.ndarray | Moments, generated: np.ndarray | Moments) -> float:
    """Fréchet distance of two sets of features.

    It is called FID only when the features are those of the Inception network of 2015, see
    :class:`rgf_keras.metrics.features.FIDFeatures`.

    Args:
        real: (n, d), or their statistics.
        generated: (m, d), or their statistics.

    Returns:
        The distance, ≥ 0. With n or m ≤ d it is finite but biased upward, and a warning says so.

    Raises:
        ArgumentError: features of different width, fewer than 2 rows, or not finite.

    >>> frechet_distance(np.array([[-1.0], [1.0]]), np.array([[1.0], [5.0]]))  # 3² + (√8 − √2)²
    11.0
    """
    first, second = (x if isinstance(x, Moments) else moments(x) for x in (real, generated))
    width = len(first.mean)
    if len(second.mean) != width:
        sets = real, generated
        received = [x.mean.shape if isinstance(x, Moments) else np.shape(x) for x in sets]
        raise ArgumentError(
            f"features differ in width: {received[0]} and {received[1]}; use one extractor for both"
        )
    smallest = min(each.count or width + 1 for each in (first, second))
    if smallest <= width:
        warnings.warn(
            f"Fréchet distance of {smallest} samples in {width} dimensions: "
            "the covariance is singular and the distance biased upward; use more samples",
            stacklevel=2,
        )
    return distance(first, second)


def bootstrap(
    real: np.ndarray,
    generated: np.ndarray,
    seed: int,
    num_resamples: int = 100,
    confidence: float = 0.95,
) -> Estimate:
    """Fréchet distance with a bootstrap interval over both sets.

    Resampling with replacement moves the distance upward, so the interval's width is taken from the
    resamples and its centre from the estimate: value ± z · (standard deviation of the resamples).
    The estimate's own upward bias for finite n is not corrected.

    Args:
        real: (n, d).
        generated: (m, d).
        seed: of the resampling.
        num_resamples: at least 2.
        confidence: in (0, 1).

    Raises:
        ArgumentError: as :func:`frechet_distance`, or bad numbers.
    """
    check_at_least(2, num_resamples=num_resamples)
    check_share(confidence=confidence)
    value = frechet_distance(real, generated)
    rng = random(seed)

    def resample(features: np.ndarray) -> Moments:
        draw = rng.integers(len(features), size=len(features))
        return moments(features, np.bincount(draw, minlength=len(features)))

    draws = [distance(resample(real), resample(generated)) for _ in range(num_resamples)]
    half = scipy.stats.norm.ppf((1 + confidence) / 2) * np.std(draws, ddof=1)
    return Estimate(value, float(max(value - half, 0.0)), float(value + half))
