"""How two sets of features agree: fidelity and diversity by neighbours, and the kernel distance."""

from dataclasses import dataclass

import numpy as np

from rgf_keras.errors import ArgumentError
from rgf_keras.metrics import neighbours
from rgf_keras.metrics.checks import check_features, check_integers, random

LARGEST = 1e45  # feature, so that sums of sixth powers stay finite


@dataclass(frozen=True)
class PrecisionRecall:
    """Shares in [0, 1].

    Attributes:
        precision: of generated samples that look real.
        recall: of real samples that can be generated.
    """

    precision: float
    recall: float


@dataclass(frozen=True)
class DensityCoverage:
    """How generated samples fill the neighbourhoods of real ones.

    Attributes:
        density: ≥ 0, 1 for equal distributions.
        coverage: in [0, 1], near 1 − 2⁻ᵏ for equal distributions.
    """

    density: float
    coverage: float


@dataclass(frozen=True)
class KernelDistance:
    """MMD² over subsets.

    Attributes:
        mean: can be below 0.
        std: standard deviation (ddof 0).
    """

    mean: float
    std: float


def precision_recall(real: np.ndarray, generated: np.ndarray, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall (Kynkäänniemi et al. 2019, eq. 1 and 2).

    A set's manifold is the union of the closed balls around its samples that reach to their k-th
    nearest neighbours in the set.

    Args:
        real: (n, d) features.
        generated: (m, d).
        k: in [1, min(n, m) − 1].

    Raises:
        ArgumentError: bad features, or too few of them for k.

    >>> real = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> precision_recall(real, real[:3] + 0.1, k=1)
    PrecisionRecall(precision=1.0, recall=1.0)
    """
    real, generated = check_features(real=real, generated=generated)
    precision = neighbours.within(generated, real, _radii(real, k)) > 0
    recall = neighbours.within(real, generated, _radii(generated, k)) > 0
    return PrecisionRecall(float(precision.mean()), float(recall.mean()))


def density_coverage(real: np.ndarray, generated: np.ndarray, k: int = 5) -> DensityCoverage:
    """Density and coverage (Naeem et al. 2020), with closed balls.

    Density counts how many real samples' balls hold a generated one, over k; coverage is the share
    of real samples whose ball holds one.

    Args:
        real: (n, d) features.
        generated: (m, d).
        k: in [1, n − 1].

    Raises:
        ArgumentError: bad features, or too few of them for k.
    """
    real, generated = check_features(real=real, generated=generated)
    radii = _radii(real, k)
    density = neighbours.within(generated, real, radii).mean() / k
    closest, _ = neighbours.nearest(real, generated, "euclidean")
    return DensityCoverage(float(density), float(np.mean(closest <= radii)))


def kid(
    real: np.ndarray,
    generated: np.ndarray,
    seed: int,
    num_subsets: int = 100,
    subset_size: int = 1000,
) -> KernelDistance:
    """Kernel Inception distance (Bińkowski et al. 2018): unbiased MMD² with (x·y/d + 1)³.

    It is called KID only when the features are Inception's. The deviation is that of one subset,
    not the mean's error, which is smaller.

    Args:
        real: (n, d) features, n ≥ 2.
        generated: (m, d), m ≥ 2.
        seed: of the subsets, drawn without replacement.
        num_subsets: at least 1.
        subset_size: at least 2; all of a set that is smaller.

    Raises:
        ArgumentError: bad features, or too few.

    >>> kid(np.zeros((2, 1)), np.ones((2, 1)), seed=0)
    KernelDistance(mean=7.0, std=0.0)
    """
    real, generated = check_features(largest=LARGEST, real=real, generated=generated)
    check_integers(num_subsets=num_subsets, subset_size=subset_size)
    size = min(subset_size, len(real), len(generated))
    if size < 2 or num_subsets < 1:
        raise ArgumentError(
            f"kid needs one subset of two samples, received {num_subsets} of {size}; "
            "give more samples"
        )
    rng = random(seed)

    def subset(features: np.ndarray) -> np.ndarray:
        return features[rng.choice(len(features), size, replace=False)].astype(np.float64)

    draws = [_mmd2(subset(real), subset(generated)) for _ in range(num_subsets)]
    return KernelDistance(float(np.mean(draws)), float(np.std(draws)))


def _mmd2(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased MMD² of two sets of the same size (Gretton et al. 2012, eq. 3)."""
    within = sum(_mean_off_diagonal(_kernel(rows, rows)) for rows in (x, y))
    return float(within - 2 * _kernel(x, y).mean())


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    products = x @ y.T
    products /= x.shape[1]
    products += 1
    return products * products * products


def _mean_off_diagonal(kernel: np.ndarray) -> float:
    n = len(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))


def _radii(features: np.ndarray, k: int) -> np.ndarray:
    """Distance of each sample to its k-th nearest neighbour, (n,)."""
    distances, _ = neighbours.nearest(features, features, "euclidean", k, leave_one_out=True)
    return distances.reshape(len(features), k)[:, -1]
