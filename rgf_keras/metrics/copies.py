"""How near generated samples come to training samples: copies, authenticity, MiFID, densities.

(Whether they come nearer than test samples do is what :mod:`rgf_keras.metrics.data_copying` tests.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from rgf_keras.errors import ArgumentError
from rgf_keras.metrics import neighbours
from rgf_keras.metrics.checks import check_at_least, check_features, check_numbers

# (train, train, metric, leave_one_out=True) → distances and indices of the nearest, (l,) each.
SearchOwn = Callable[..., tuple[np.ndarray, np.ndarray]]

SMALLEST_SPREAD = 1e-9  # of distances, relative to the largest


@dataclass(frozen=True)
class Copies:
    """Shares in [0, 1] of generated samples.

    Attributes:
        exact: those that are training samples.
        near: those that nearly are, exact ones included.
    """

    exact: float
    near: float


def share_of_copies(distances: np.ndarray, threshold: float, rounding: float = 1e-6) -> Copies:
    """Shares of samples that are copies of training samples.

    Args:
        distances: (m,) of generated samples to their nearest training samples.
        threshold: a sample at this distance or less is a near copy.
        rounding: at this distance or less it is an exact one: features of the same image differ
            by rounding.

    Raises:
        ArgumentError: no or bad distances, or ``threshold`` below ``rounding``.

    >>> share_of_copies(np.array([0, 0.1, 0.5, 0.7]), threshold=0.2)
    Copies(exact=0.25, near=0.5)
    """
    distances = _check_distances(distances)
    check_numbers(0, rounding=rounding)
    check_numbers(rounding, threshold=threshold)
    return Copies(float(np.mean(distances <= rounding)), float(np.mean(distances <= threshold)))


def authenticity(
    train: np.ndarray,
    generated: np.ndarray,
    metric: neighbours.Metric = "euclidean",
    search_own: SearchOwn = neighbours.nearest,
) -> float:
    """Share of generated samples that are no noisy copies (Alaa et al. 2022).

    A sample is authentic if it lies farther from its nearest training sample than that one does
    from its own nearest. Copies bring the share from about a half, for fresh samples, towards 0.
    The training set is a *set*: its duplicates count once, else every near copy of a sample that is
    there twice would be authentic, being farther from it than its duplicate is.

    Args:
        train: (l, d) features, two of them different.
        generated: (m, d).
        metric: as for :func:`neighbours.nearest`.
        search_own: finds the training samples' neighbours among themselves, as
            :func:`neighbours.nearest` does with ``leave_one_out``.

    Returns:
        In [0, 1].

    Raises:
        ArgumentError: bad features, or training samples that are all one.

    >>> train = np.array([[0.0], [0.0], [1.0], [1.0]])
    >>> authenticity(train, np.array([[0.1], [3.0]]))
    0.5
    """
    train, generated = check_features(train=train, generated=generated)
    check_at_least(2, train=len(train))
    own, other = search_own(train, train, metric, leave_one_out=True)
    first = (own > 0) | (other > np.arange(len(train)))  # of several that are one
    if not first.all():
        train = train[first]
        if len(train) < 2:
            raise ArgumentError("train holds one sample again and again; give two different ones")
        own, _ = search_own(train, train, metric, leave_one_out=True)
    distances, indices = neighbours.nearest(generated, train, metric)
    return float(np.mean(distances > own[indices]))


def memorization_distance(train: np.ndarray, generated: np.ndarray) -> float:
    """Mean over generated samples of min 1 − |cos| to the training samples (Bai et al. 2021).

    Args:
        train: (l, d) features.
        generated: (m, d).

    Returns:
        In [0, 1].
    """
    train, generated = check_features(train=train, generated=generated)
    distances, _ = neighbours.nearest(generated, train, "cosine")
    if min(train.min(), generated.min()) < 0:  # some cosines may be negative
        opposite, _ = neighbours.nearest(-generated.astype(np.float64), train, "cosine")
        distances = np.minimum(distances, opposite)
    return float(distances.mean())


def mifid(fid: float, distance: float, threshold: float = 0.1) -> float:
    """Memorization-informed Fréchet distance of the Kaggle competition (Bai et al. 2021).

    Args:
        fid: Fréchet distance of generated to training samples, ≥ 0.
        distance: :func:`memorization_distance`, in [0, 1].
        threshold: a distance below it divides ``fid``; 0.1 in the competition.

    Returns:
        At least ``fid``; infinite if all samples are copies.

    Raises:
        ArgumentError: a number out of range.

    >>> mifid(12.0, 0.05), mifid(12.0, 0.3)
    (240.0, 12.0)
    """
    check_numbers(missing=True, fid=fid, distance=distance)
    if not (fid >= 0 and 0 <= distance <= 1):
        raise ArgumentError(
            f"fid must be ≥ 0 and distance in [0, 1], received {fid} and {distance}"
        )
    check_numbers(0, fid=fid, threshold=threshold)
    if distance >= threshold:
        return fid
    return fid / distance if distance else float("inf")


def histogram(*distances: np.ndarray, num_bins: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Densities of nearest-neighbour distances, in common bins.

    Args:
        distances: s arrays, e.g. of the generated and of the test set.
        num_bins: from the smallest to the largest distance of all.

    Returns:
        Edges (num_bins + 1,) and densities (s, num_bins), each of integral 1.

    Raises:
        ArgumentError: no or bad distances.
    """
    arrays = _check_sets(distances, num_bins=num_bins)
    edges = np.histogram_bin_edges(np.concatenate(arrays), num_bins)
    return edges, np.array([np.histogram(values, edges, density=True)[0] for values in arrays])


def kernel_density(*distances: np.ndarray, num_points: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Smooth densities of nearest-neighbour distances, on a common grid.

    Gaussian kernels with Scott's bandwidth, reflected at 0, below which there are no distances.

    Args:
        distances: s arrays, e.g. of the generated and of the test set.
        num_points: of the grid, from 0 to beyond the largest distance.

    Returns:
        Grid (num_points,) and densities (s, num_points).

    Raises:
        ArgumentError: no or bad distances, or all of a set are (almost) equal, which leaves no
            bandwidth.
    """
    arrays = _check_sets(distances, num_points=num_points)
    if not all(values.std() > SMALLEST_SPREAD * values.max() for values in arrays):
        raise ArgumentError("all distances of a set are equal; draw them with histogram")
    kernels = [scipy.stats.gaussian_kde(values) for values in arrays]
    widest = max(float(np.sqrt(kernel.covariance[0, 0])) for kernel in kernels)
    grid = np.linspace(0, max(values.max() for values in arrays) + 3 * widest, num_points)
    return grid, np.array([kernel(grid) + kernel(-grid) for kernel in kernels])


def _check_distances(distances: np.ndarray) -> np.ndarray:
    (checked,) = check_numbers(missing=True, distances=distances)
    if checked.ndim != 1 or not len(checked) or not (checked >= 0).all():
        raise ArgumentError(f"distances must be (m,) numbers ≥ 0, m ≥ 1, received {checked.shape}")
    check_numbers(0, neighbours.LARGEST, distances=checked)
    return checked


def _check_sets(sets: Sequence[np.ndarray], **counts: int) -> list[np.ndarray]:
    check_at_least(1, sets=len(sets), **counts)
    return [_check_distances(distances) for distances in sets]
