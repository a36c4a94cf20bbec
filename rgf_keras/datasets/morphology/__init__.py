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

All but `apply` also take a `Morphology` in place of images. All have the arguments ``num_jobs``,
processes (-1 for one per core), and ``progress``, called as progress(done, total), in images, after
each batch; a `Morphology` is one batch and needs neither. All raise an ArgumentError for arguments
of another type, shape or range.

`swell` and `fracture` draw points of the skeleton, unless ``centres`` are given, with a generator
seeded by ``seed`` (from 0) and the image's index: ``indices`` (N,) are whole numbers from 0, each
image's position in its source, 0 to N - 1 if None; a `Morphology` has its own.

Results do not depend on how many images are given together, on their order or on num_jobs.

Odd digits: an image without ink (black, or so faint that enlarging leaves no grey level of 1) comes
out black, whatever is done to it, and measures 0. An image of one other grey level is all ink, and
its outside counts as paper. Ink at the border goes on beyond it as far as distances are concerned,
and what is drawn over the border is cut off.

Source: Castro, Tan, Kainz, Konukoglu and Glocker 2019, "Morpho-MNIST: Quantitative Assessment and
Diagnostics for Representation Learning", JMLR 20(178). Where the paper leaves a choice open, what
gives the output of the authors' code is done, and said beside it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgf_keras.datasets.morphology import perturbations
from rgf_keras.datasets.morphology.batches import apply_in_batches
from rgf_keras.datasets.morphology.checks import (
    check_centres,
    check_count,
    check_images,
    check_number,
)
from rgf_keras.datasets.morphology.measurements import Measurements, measure_digits
from rgf_keras.datasets.morphology.shapes import Morphology
from rgf_keras.runtime.progress import SILENT, Progress

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

Images = NDArray[np.uint8]
Digits = Images | Morphology


def plain(images: Digits, *, num_jobs: int = 1, progress: Progress = SILENT) -> Images:
    """Binarise digits and reduce them again, as all perturbations do, without a perturbation.

    Args:
        images: (N, 28, 28) uint8, or a `Morphology` of them.
        num_jobs, progress: see the module.

    Returns:
        (N, 28, 28) uint8.
    """
    return apply_in_batches(images, perturbations.plain, {}, None, num_jobs, progress)


def thin(
    images: Digits, amount: float = 0.7, *, num_jobs: int = 1, progress: Progress = SILENT
) -> Images:
    """Thin digits: erosion by a disk whose radius is a share of half the digit's thickness.

    Args:
        images, num_jobs, progress: as for `plain`, as is what is returned.
        amount: the share, from 0 (`plain`); 0.7 leaves about 54 % of the thickness, and from 1 on
            parts of the digit vanish.
    """
    function = partial(perturbations.thin, amount=check_number("amount", amount, least=0))
    return apply_in_batches(images, function, {}, None, num_jobs, progress)


def thicken(
    images: Digits, amount: float = 1.0, *, num_jobs: int = 1, progress: Progress = SILENT
) -> Images:
    """Thicken digits: dilation by a disk whose radius is a share of half the digit's thickness.

    Args:
        images, num_jobs, progress: as for `plain`, as is what is returned.
        amount: the share, from 0 (`plain`); 1 gives about 189 % of the thickness.
    """
    function = partial(perturbations.thicken, amount=check_number("amount", amount, least=0))
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
    progress: Progress = SILENT,
) -> Images:
    """Swell digits: magnify them around a point of the skeleton, as a lens would.

    Within R = 4 * radius * sqrt(thickness) / 2 pixels of the centre, at four times the image's
    size, the pixel at distance d takes the value at distance d * (d / R)**(strength - 1).

    Args:
        images, num_jobs, progress: as for `plain`, as is what is returned.
        strength: above 0; 1 changes nothing, above 1 magnifies and below 1 shrinks.
        radius: above 0, in pixels of the 28x28 image for a digit of thickness 4.
        centres: (N, 2) whole numbers, row and column at four times the size (0 to 111); any point
            of the skeleton if None.
        seed, indices: see the module.
    """
    function = partial(
        perturbations.swell,
        strength=check_number("strength", strength, above=0),
        radius=check_number("radius", radius, above=0),
        seed=check_count("seed", seed, least=0),
    )
    rows = {"centres": check_centres(centres, (_count(images), 2))}
    return apply_in_batches(images, function, rows, indices, num_jobs, progress)


def fracture(
    images: Digits,
    num_fractures: int = 3,
    centres: ArrayLike | None = None,
    seed: int = 0,
    indices: ArrayLike | None = None,
    *,
    num_jobs: int = 1,
    progress: Progress = SILENT,
) -> Images:
    """Fracture digits: cut through the stroke at points of the skeleton.

    A cut is 1.5 pixels wide, at right angles to the skeleton around its centre, and reaches half a
    pixel beyond the stroke on either side.

    Args:
        images, num_jobs, progress: as for `plain`, as is what is returned.
        num_fractures: cuts per digit, from 1; they may coincide. Not used if centres are given.
        centres: (N, K, 2) whole numbers, rows and columns at four times the size (0 to 111). If
            None, points at least 2 pixels from tips and forks, or any if there are none.
        seed, indices: see the module.
    """
    function = partial(
        perturbations.fracture,
        num_fractures=check_count("num_fractures", num_fractures, least=1),
        seed=check_count("seed", seed, least=0),
    )
    rows = {"centres": check_centres(centres, (_count(images), None, 2))}
    return apply_in_batches(images, function, rows, indices, num_jobs, progress)


def measure(images: Digits, *, num_jobs: int = 1, progress: Progress = SILENT) -> Measurements:
    """Measure digits.

    Args:
        images, num_jobs, progress: as for `plain`.

    Returns:
        Measurements with area, length, thickness, slant, width and height, each (N,) float64.
    """
    return apply_in_batches(images, measure_digits, {}, None, num_jobs, progress)


def apply(
    images: Images,
    functions: Mapping[str, Callable[[Morphology], Any]],
    indices: ArrayLike | None = None,
    *,
    num_jobs: int = 1,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Apply several functions to digits, with the stages that they share done once.

    Args:
        images: (N, 28, 28) uint8.
        functions: by name, what is called with a `Morphology` of each batch and returns an array of
            N rows or `Measurements`: `thin`, `measure`, ``partial(swell, seed=1)`` and so on.
        indices, num_jobs, progress: see the module.

    Returns:
        What each function gives for all images, by name.
    """
    function = partial(_apply_each, functions=dict(functions))
    return apply_in_batches(images, function, {}, indices, num_jobs, progress)


def _apply_each(
    shapes: Morphology, functions: dict[str, Callable[[Morphology], Any]]
) -> dict[str, Any]:
    return {name: function(shapes) for name, function in functions.items()}


def _count(images: Digits) -> int:
    return len(images if isinstance(images, Morphology) else check_images(images))
