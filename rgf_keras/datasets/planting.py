"""Planting a factor: the balanced set D_u and the skewed set D_r of the RGF framework.

Which images receive which value is decided by one uniform number per source index and seed: in each
class the images with the smallest numbers receive the rare value, the next ones the value before
it, and so on. The assignment therefore depends neither on call order nor on global state, and sets
of different rarity are nested.

Images that come with a factor of their own (the colour of a car) are not changed but chosen, by the
same rule: of each class and value those with the smallest numbers, so that all classes are equally
large and have the same shares as planted ones would.
"""

import warnings
from dataclasses import replace

import numpy as np

from rgf_keras.cache import Cache
from rgf_keras.datasets.dataset import Dataset, uniform
from rgf_keras.datasets.factors import Factor
from rgf_keras.errors import ArgumentError
from rgf_keras.runtime.progress import SILENT, Progress


def balanced(
    dataset: Dataset,
    factor: Factor | None,
    seed: int,
    cache: Cache | None = None,
    progress: Progress | None = SILENT,
) -> Dataset:
    """D_u: in every class each value of the factor is equally frequent (Frontiers in AI 2025).

    With two values, floor(n/2 + 1/2) of a class of n images have f = 1.

    Args:
        dataset: images, with a factor only if ``factor`` is None.
        factor: what to plant, or None for the images' own factor.
        seed: which images receive which value.
        cache: where images that are costly to make are kept; None to keep nothing.
        progress: called as progress(done, total), in images.

    Raises:
        ArgumentError: too few images of a class or value, or the data set has a factor already (or
            has none of its own).
    """
    progress = _not_none(progress)
    num_values = _count_values(dataset, factor)
    shares = np.full((dataset.num_classes, num_values), 1 / num_values)
    return _arrange(dataset, factor, seed, shares, cache, progress)


def skewed(
    dataset: Dataset,
    factor: Factor | None,
    rare_class: int,
    seed: int,
    rarity: float = 1.0,
    cache: Cache | None = None,
    progress: Progress | None = SILENT,
) -> Dataset:
    """D_r: the rare value belongs to one class (Frontiers in AI 2025, framework and Appendix E).

    With rarity ρ and q values a share ρ of the rare class has the rare value, and of every other
    class the leak (1 − ρ)/(q − 1); what is left of a class is divided evenly among the other
    values. ρ = 1 is the extreme case (the rare class always, the others never), ρ = 1/q the
    balanced set. Shares become counts by rounding halves up: with two values,
    floor(share · n + 1/2) of a class of n images have f = 1. Where there is no factor
    (:class:`~rgf_keras.datasets.Plain`) there is nothing to skew.

    Args:
        dataset, factor, seed, cache, progress: see :func:`balanced`.
        rare_class: the class k that has the rare value, the last one of the factor.
        rarity: ρ in [1/q, 1].

    Raises:
        ArgumentError: unknown class, rarity out of range, or as for :func:`balanced`.
    """
    if rare_class not in range(dataset.num_classes):
        raise ArgumentError(
            f"rare_class {rare_class} is not a class of {dataset.name}; "
            f"classes are 0 to {dataset.num_classes - 1}"
        )
    progress = _not_none(progress)
    num_values = _count_values(dataset, factor)
    if num_values == 1:
        return balanced(dataset, factor, seed, cache, progress)
    if not 1 / num_values <= rarity <= 1:
        raise ArgumentError(f"rarity must lie in [{1 / num_values:.3g}, 1], received {rarity}")
    rare = np.full(dataset.num_classes, (1 - rarity) / (num_values - 1))
    rare[rare_class] = rarity
    others = np.repeat((1 - rare)[:, None] / (num_values - 1), num_values - 1, axis=1)
    shares = np.column_stack([others, rare])
    return _arrange(dataset, factor, seed, shares, cache, progress)


def _not_none(progress: Progress | None) -> Progress:
    if progress is None:
        message = "progress=None will go with the next release; leave progress out"
        warnings.warn(message, DeprecationWarning, stacklevel=3)
    return progress or SILENT


def counts(dataset: Dataset) -> np.ndarray:
    """Images per class and value of the factor, (C, V) integers.

    Raises:
        RgfError: the data set has no factor.
    """
    table = np.zeros((dataset.num_classes, len(dataset.factor_values)), np.int64)
    np.add.at(table, (dataset.labels, dataset.planted), 1)
    return table


def _count_values(dataset: Dataset, factor: Factor | None) -> int:
    if factor is not None and dataset.factor is not None:
        raise ArgumentError(f"{dataset.name} already has the factor '{dataset.factor_name}'")
    if factor is None and dataset.factor is None:
        raise ArgumentError(f"{dataset.name} has no factor of its own; name one to plant")
    values = dataset.factor_values if factor is None else factor.values
    if factor is None and len(values) < 2:
        raise ArgumentError(f"a factor needs two values or more, {dataset.name} has {list(values)}")
    return len(values)


def _arrange(
    dataset: Dataset,
    factor: Factor | None,
    seed: int,
    shares: np.ndarray,
    cache: Cache | None,
    progress: Progress,
) -> Dataset:
    """Images whose classes have these shares (C, V) of the factor's values."""
    if factor is None:
        return _choose(dataset, seed, shares)
    assignment = _assign(dataset, uniform(dataset.indices, seed, factor.name), shares)
    return replace(
        dataset,
        images=factor.apply(dataset.images, assignment, dataset.indices, seed, cache, progress),
        factor=assignment,
        factor_name=factor.name,
        factor_values=factor.values,
    )


def _assign(dataset: Dataset, draw: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(N,) positions in the factor's values."""
    assignment = np.empty(len(dataset), np.int64)
    for label, class_shares in enumerate(shares):
        members = np.flatnonzero(dataset.labels == label)
        if len(members) < shares.shape[1]:
            raise ArgumentError(
                f"class '{dataset.class_names[label]}' has {len(members)} images in "
                f"{dataset.name}; a factor needs at least {shares.shape[1]} in every class"
            )
        values = np.arange(shares.shape[1])[::-1]
        assignment[members[np.argsort(draw[members])]] = np.repeat(
            values, _sizes(class_shares[::-1], len(members))
        )
    return assignment


def _choose(dataset: Dataset, seed: int, shares: np.ndarray) -> Dataset:
    """As many images as the rarest class and value allow, no more than in the balanced set."""
    available = counts(dataset)
    for label, value in np.argwhere((available == 0) & (shares > 0)):
        raise ArgumentError(
            f"{dataset.name} has no {dataset.factor_values[value]} images of class "
            f"'{dataset.class_names[label]}'; leave that class or value out"
        )
    allowed = np.divide(available, shares, out=np.full(shares.shape, np.inf), where=shares > 0)
    even = available.min() * shares.shape[1] or np.inf
    class_size = int(min(allowed.min(), even) + 1e-9)
    draw = uniform(dataset.indices, seed, str(dataset.factor_name))
    positions = []
    for label, class_shares in enumerate(shares):
        for value, size in enumerate(_sizes(class_shares[::-1], class_size)[::-1]):
            cell = np.flatnonzero((dataset.labels == label) & (dataset.planted == value))
            positions.append(cell[np.argsort(draw[cell])[:size]])
    return dataset.take(np.sort(np.concatenate(positions)))


def _sizes(shares: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers that sum to ``total``, in proportion to the shares; halves are rounded up."""
    # 1 − 0.9 is a little less than 0.1 in floating point, and must not be rounded as such.
    ends = np.floor(np.cumsum(shares) * total + 0.5 + 1e-9).astype(np.int64)
    ends[-1] = total
    return np.diff(ends, prepend=0)
