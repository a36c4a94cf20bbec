"""Morpho-MNIST's perturbations and measurements of digits, batched.

    from rgf_keras.datasets import morphology

    thin = morphology.thin(images)
    every = morphology.apply(
        images, {"thin": morphology.thin, "thick": morphology.thicken}, num_jobs=2
    )

All take (N, 28, 28) uint8 images, ink bright on black, and go through three stages: the image is
enlarged four times and binarised; its skeleton, distances to the outline and thickness are found;
the perturbed ink is reduced to 28x28 uint8 again, 0 to 255. The middle stage costs most. `apply`
and `Morphology.of` go through it once for any number of perturbations.

Results do not depend on how many images are given together, on their order or on num_jobs.

Odd digits: an image without ink (black, or so faint that enlarging leaves no grey level of 1) comes
out black, whatever is done to it, and measures 0. An image of one other grey level is all ink, and
its outside counts as paper. Ink at the border goes on beyond it as far as distances are concerned,
and what is drawn over the border is cut off.

Source: Castro, Tan, Kainz, Konukoglu and Glocker 2019, "Morpho-MNIST: Quantitative Assessment and
Diagnostics for Representation Learning", JMLR 20(178). Where the paper leaves a choice open, what
gives the output of the authors' code is done, and said beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgf_keras.datasets.morphology import perturbations
from rgf_keras.datasets.morphology.batches import Progress, apply_in_batches
from rgf_keras.datasets.morphology.checks import (
    checked_centres,
    checked_count,
    checked_images,
    checked_number,
)
from rgf_keras.datasets.morphology.measurements import Measurements, measured
from rgf_keras.datasets.morphology.shapes import Morphology

__all__ = [
    "Measurements",
    "Morphology",
    "apply",
    "fracture",
    "measure",
    "plain",
    "swell",
    "thicken",
    "thin",
]

Digits = NDArray[np.uint8] | Morphology


def plain(
    images: Digits, *, num_jobs: int = 1, progress: Progress | None = None
) -> NDArray[np.uint8]:
    """Binarise digits and reduce them again, as all perturbations do, without a perturbation.

    Args:
        images: (N, 28, 28) uint8, or a `Morphology` of them.
        num_jobs: processes; -1 for one per core. Not used for a `Morphology`.
        progress: called as progress(done, total), in images, after each batch.

    Returns:
        (N, 28, 28) uint8.

    Raises:
        RgfError: images of another type or shape.

    Source: Castro et al. 2019, "plain" digits.
    """
    return apply_in_batches(images, perturbations.plain, {}, None, num_jobs, progress)


def thin(
    images: Digits, amount: float = 0.7, *, num_jobs: int = 1, progress: Progress | None = None
) -> NDArray[np.uint8]:
    """Thin digits: erosion by a disk whose radius is a share of half the digit's thickness.

    Args:
        images: (N, 28, 28) uint8, or a `Morphology` of them.
        amount: the share, from 0 (`plain`); 0.7 leaves about 54 % of the thickness, and from 1 on
            parts of the digit vanish.
        num_jobs: processes; -1 for one per core. Not used for a `Morphology`.
        progress: called as progress(done, total), in images, after each batch.

    Returns:
        (N, 28, 28) uint8.

    Raises:
        RgfError: images of another type or shape, or an amount below 0.

    Source: Castro et al. 2019, thinning.
    """
    function = partial(perturbations.thinned, amount=checked_number("amount", amount, least=0))
    return apply_in_batches(images, function, {}, None, num_jobs, progress)


def thicken(
    images: Digits, amount: float = 1.0, *, num_jobs: int = 1, progress: Progress | None = None
) -> NDArray[np.uint8]:
    """Thicken digits: dilation by a disk whose radius is a share of half the digit's thickness.

    Args:
        images: (N, 28, 28) uint8, or a `Morphology` of them.
        amount: the share, from 0 (`plain`); 1 gives about 189 % of the thickness.
        num_jobs: processes; -1 for one per core. Not used for a `Morphology`.
        progress: called as progress(done, total), in images, after each batch.

    Returns:
        (N, 28, 28) uint8.

    Raises:
        RgfError: images of another type or shape, or an amount below 0.

    Source: Castro et al. 2019, thickening.
    """
    function = partial(perturbations.thickened, amount=checked_number("amount", amount, least=0))
    return apply_in_batches(images, function, {}, None, num_jobs, progress)


def swell(
    images: Digits,
    strength: float = 3.0,
    radius: float = 7.0,
    centres: ArrayLike | None = None,
    seed: int = 0,
    indices: ArrayLike | None = None,
    *,
    num_jobs: int = 1,
    progress: Progress | None = None,
) -> NDArray[np.uint8]:
    """Swell digits: magnify them around a point of the skeleton, as a lens would.

    Within R = 4 * radius * sqrt(thickness) / 2 pixels of the centre, at four times the image's
    size, the pixel at distance d takes the value at distance d * (d / R)**(strength - 1).

    Args:
        images: (N, 28, 28) uint8, or a `Morphology` of them.
        strength: above 0; 1 changes nothing, above 1 magnifies and below 1 shrinks.
        radius: above 0, in pixels of the 28x28 image for a digit of thickness 4.
        centres: (N, 2) whole numbers, row and column at four times the size (0 to 111). If None, a
            point of the skeleton is drawn by a generator seeded with (seed, index) of the image.
        seed: from 0; not used if centres are given.
        indices: (N,) whole numbers from 0, each image's index in its source; 0 to N - 1 if None.
            A `Morphology` has its own.
        num_jobs: processes; -1 for one per core. Not used for a `Morphology`.
        progress: called as progress(done, total), in images, after each batch.

    Returns:
        (N, 28, 28) uint8.

    Raises:
        RgfError: an argument of another type, shape or range.

    Source: Castro et al. 2019, swelling.
    """
    function = partial(
        perturbations.swollen,
        strength=checked_number("strength", strength, above=0),
        radius=checked_number("radius", radius, above=0),
        seed=checked_count("seed", seed, least=0),
    )
    rows = {"centres": checked_centres(centres, (_count(images), 2))}
    return apply_in_batches(images, function, rows, indices, num_jobs, progress)


def fracture(
    images: Digits,
    num_fractures: int = 3,
    centres: ArrayLike | None = None,
    seed: int = 0,
    indices: ArrayLike | None = None,
    *,
    num_jobs: int = 1,
    progress: Progress | None = None,
) -> NDArray[np.uint8]:
    """Fracture digits: cut through the stroke at points of the skeleton.

    A cut is 1.5 pixels wide, at right angles to the skeleton around its centre, and reaches half a
    pixel beyond the stroke on either side.

    Args:
        images: (N, 28, 28) uint8, or a `Morphology` of them.
        num_fractures: cuts per digit, from 1; they may coincide. Not used if centres are given.
        centres: (N, K, 2) whole numbers, rows and columns at four times the size (0 to 111). If
            None, points of the skeleton at least 2 pixels from tips and forks, or any if there are
            none, are drawn by a generator seeded with (seed, index) of the image.
        seed: from 0; not used if centres are given.
        indices: (N,) whole numbers from 0, each image's index in its source; 0 to N - 1 if None.
            A `Morphology` has its own.
        num_jobs: processes; -1 for one per core. Not used for a `Morphology`.
        progress: called as progress(done, total), in images, after each batch.

    Returns:
        (N, 28, 28) uint8.

    Raises:
        RgfError: an argument of another type, shape or range.

    Source: Castro et al. 2019, fractures.
    """
    function = partial(
        perturbations.fractured,
        num_fractures=checked_count("num_fractures", num_fractures, least=1),
        seed=checked_count("seed", seed, least=0),
    )
    rows = {"centres": checked_centres(centres, (_count(images), None, 2))}
    return apply_in_batches(images, function, rows, indices, num_jobs, progress)


def measure(images: Digits, *, num_jobs: int = 1, progress: Progress | None = None) -> Measurements:
    """Measure digits.

    Args:
        images: (N, 28, 28) uint8, or a `Morphology` of them.
        num_jobs: processes; -1 for one per core. Not used for a `Morphology`.
        progress: called as progress(done, total), in images, after each batch.

    Returns:
        Measurements with area, length, thickness, slant, width and height, each (N,) float64.

    Raises:
        RgfError: images of another type or shape.

    Source: Castro et al. 2019, morphometry.
    """
    return apply_in_batches(images, measured, {}, None, num_jobs, progress)


def apply(
    images: NDArray[np.uint8],
    functions: Mapping[str, Callable[[Morphology], Any]],
    indices: ArrayLike | None = None,
    *,
    num_jobs: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Apply several functions to digits, with the stages that they share done once.

    Args:
        images: (N, 28, 28) uint8.
        functions: by name, what is called with a `Morphology` of each batch and returns an array of
            N rows or `Measurements`: `thin`, `measure`, ``partial(swell, seed=1)`` and so on.
        indices: (N,) whole numbers from 0, each image's index in its source; 0 to N - 1 if None.
        num_jobs: processes; -1 for one per core.
        progress: called as progress(done, total), in images, after each batch.

    Returns:
        What each function gives for all images, by name.

    Raises:
        RgfError: images, indices or num_jobs of another type, shape or range.
    """
    return apply_in_batches(
        images, partial(_every, functions=dict(functions)), {}, indices, num_jobs, progress
    )


def _every(shapes: Morphology, functions: dict[str, Callable[[Morphology], Any]]) -> dict[str, Any]:
    return {name: function(shapes) for name, function in functions.items()}


def _count(images: Digits) -> int:
    return len(images if isinstance(images, Morphology) else checked_images(images))
