"""Planting a factor: the balanced set D_u and the skewed set D_r of the RGF framework.

Which images receive the factor is decided by one uniform number per source index and seed: in each
class the images with the smallest numbers receive it. The assignment therefore depends neither on
call order nor on global state, and sets of different rarity are nested.
"""

from dataclasses import replace

import numpy as np

from rgf_keras.datasets.dataset import Dataset, uniform
from rgf_keras.datasets.factors import Factor
from rgf_keras.errors import RgfError


def balanced(dataset: Dataset, factor: Factor, seed: int) -> Dataset:
    """D_u: half of the images of every class have the factor (Frontiers in AI 2025, framework).

    Of a class of n images, floor(n/2 + 1/2) have f = 1.

    Args:
        dataset: images without a factor.
        factor: what to plant.
        seed: which images receive it.

    Raises:
        RgfError: a class has fewer than two images, or the data set has a factor already.
    """
    return _plant(dataset, factor, seed, dict.fromkeys(range(dataset.num_classes), 0.5))


def skewed(
    dataset: Dataset, factor: Factor, rare_class: int, seed: int, rarity: float = 1.0
) -> Dataset:
    """D_r: the factor belongs to one class (Frontiers in AI 2025, framework and Appendix E).

    With rarity ρ a share ρ of the rare class has f = 1 and the same leak, a share 1 − ρ, of every
    other class has it. ρ = 1 is the extreme case (the rare class always, the others never); ρ = 0.5
    is the balanced set. Of a class of n images, floor(share · n + 1/2) have f = 1.

    Args:
        dataset: images without a factor.
        factor: what to plant.
        rare_class: the class k that has the factor.
        seed: which images receive it.
        rarity: ρ in [0.5, 1].

    Raises:
        RgfError: unknown class, rarity out of range, a class with fewer than two images, or the
            data set has a factor already.
    """
    if not 0 <= rare_class < dataset.num_classes:
        raise RgfError(
            f"rare_class {rare_class} is not a class of {dataset.name}; "
            f"classes are 0 to {dataset.num_classes - 1}"
        )
    if not 0.5 <= rarity <= 1:
        raise RgfError(f"rarity must lie in [0.5, 1], received {rarity}")
    share = {c: rarity if c == rare_class else 1 - rarity for c in range(dataset.num_classes)}
    return _plant(dataset, factor, seed, share)


def _plant(dataset: Dataset, factor: Factor, seed: int, share: dict[int, float]) -> Dataset:
    if dataset.factor is not None:
        raise RgfError(f"{dataset.name} already has the factor '{dataset.factor_name}'")
    draw = uniform(dataset.indices, seed, factor.name)
    assignment = np.zeros(len(dataset), np.int64)
    for label, class_share in share.items():
        members = np.flatnonzero(dataset.labels == label)
        if len(members) < 2:
            raise RgfError(
                f"class '{dataset.class_names[label]}' has {len(members)} images in "
                f"{dataset.name}; a factor needs at least 2 in every class"
            )
        num_rare = int(np.floor(class_share * len(members) + 0.5))
        assignment[members[np.argsort(draw[members])[:num_rare]]] = 1
    return replace(
        dataset,
        images=factor.apply(dataset.images, assignment, dataset.indices, seed),
        factor=assignment,
        factor_name=factor.name,
        factor_values=factor.values,
    )
