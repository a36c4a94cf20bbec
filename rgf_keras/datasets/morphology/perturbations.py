"""Morpho-MNIST's perturbations of digits.

Each is written for a `Morphology`, whose shared stages are at hand; of images it makes those in
batches.
"""

from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgf_keras.datasets.morphology.batches import Digits, apply_in_batches
from rgf_keras.datasets.morphology.checks import (
    check_centres,
    check_count,
    check_no_indices,
    check_number,
)
from rgf_keras.datasets.morphology.resampling import SCALE, downscale
from rgf_keras.datasets.morphology.shapes import Morphology
from rgf_keras.datasets.morphology.skeleton import FAR
from rgf_keras.datasets.morphology.strokes import (
    dilate,
    drop_tips_and_forks,
    erase,
    line_points,
    local_angle,
    sample_points,
)
from rgf_keras.runtime.progress import SILENT, Progress

Images = NDArray[np.uint8]

# A fracture is a line drawn with a disk that makes it 1.5 pixels of the digit wide.
_BRUSH_RADIUS = 3
# It crosses the stroke and half a pixel of the digit more at either end.
_EXTENSION = SCALE // 2
# Fractures keep 2 pixels of the digit away from tips and forks.
_PRUNING_RADIUS = 2 * SCALE


def plain(images: Digits, *, num_jobs: int = 1, progress: Progress = SILENT) -> Images:
    """Binarise digits and reduce them again, as all perturbations do, without a perturbation.

    Args:
        images: (N, 28, 28) uint8, or a `Morphology` of them.
        num_jobs, progress: see :mod:`rgf_keras.datasets.morphology`.

    Returns:
        (N, 28, 28) uint8.
    """
    if not isinstance(images, Morphology):
        return apply_in_batches(images, plain, None, num_jobs, progress)
    return downscale(images.ink)


def thin(
    images: Digits, amount: float = 0.7, *, num_jobs: int = 1, progress: Progress = SILENT
) -> Images:
    """Thin digits: erosion by a disk whose radius is a share of half the digit's thickness.

    Args:
        images, num_jobs, progress: as for `plain`, as is what is returned.
        amount: the share, from 0 (`plain`); 0.7 leaves about 54 % of the thickness, and from 1 on
            parts of the digit vanish.
    """
    amount = check_number("amount", amount, least=0)
    if not isinstance(images, Morphology):
        return apply_in_batches(images, partial(thin, amount=amount), None, num_jobs, progress)
    # What is further than the radius from all paper is kept.
    limit = np.minimum(_disk_radius(images, amount) ** 2, FAR).astype(np.uint16)
    return downscale(images.squared_distance > limit[:, np.newaxis, np.newaxis])


def thicken(
    images: Digits, amount: float = 1.0, *, num_jobs: int = 1, progress: Progress = SILENT
) -> Images:
    """Thicken digits: dilation by a disk whose radius is a share of half the digit's thickness.

    Args:
        images, num_jobs, progress: as for `plain`, as is what is returned.
        amount: the share, from 0 (`plain`); 1 gives about 189 % of the thickness.
    """
    amount = check_number("amount", amount, least=0)
    if not isinstance(images, Morphology):
        return apply_in_batches(images, partial(thicken, amount=amount), None, num_jobs, progress)
    return downscale(dilate(images.ink, _disk_radius(images, amount)))


def _disk_radius(shapes: Morphology, amount: float) -> NDArray[np.intp]:
    """(N,) whole pixels at 112x112: the share `amount` of half the thickness."""
    return (amount * SCALE * shapes.thickness / 2).astype(np.intp)


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
        seed, indices: see :mod:`rgf_keras.datasets.morphology`.
    """
    strength = check_number("strength", strength, above=0)
    radius = check_number("radius", radius, above=0)
    seed = check_count("seed", seed, least=0)
    places = check_centres(centres, images, (2,))
    if not isinstance(images, Morphology):
        function = partial(swell, strength=strength, radius=radius, seed=seed)
        return apply_in_batches(images, function, indices, num_jobs, progress, centres=places)
    check_no_indices(indices)
    if places is None:
        places = sample_points(images.skeleton, 1, seed, images.indices)[:, 0]
    reach = radius * np.sqrt(images.thickness) / 2 * SCALE
    ink = images.ink.copy()
    for image, centre, limit in zip(ink, places, reach, strict=True):
        if limit > 0:
            _swell_one(image, centre, limit, strength)
    return downscale(ink)


def _swell_one(
    ink: NDArray[np.bool_], centre: NDArray[np.integer], radius: float, strength: float
) -> None:
    """Warp one binary image in place, within `radius` of the centre.

    The pixel at distance d takes the value nearest to distance d * (d / radius)**(strength - 1).
    """
    low = np.maximum(np.ceil(centre - radius), 0).astype(int)
    high = np.minimum(np.floor(centre + radius), np.array(ink.shape) - 1).astype(int)
    down = np.arange(low[0], high[0] + 1)[:, np.newaxis] - centre[0]
    right = np.arange(low[1], high[1] + 1) - centre[1]
    distance = np.hypot(right, down)
    with np.errstate(divide="ignore"):  # 0 to a negative power, if the strength is below 1
        weight = (distance / radius) ** (strength - 1)
    weight[(distance > radius) | (distance == 0)] = 1
    rows = np.floor(centre[0] + weight * down + 0.5).astype(int)
    columns = np.floor(centre[1] + weight * right + 0.5).astype(int)
    inside = (rows >= 0) & (rows < ink.shape[0]) & (columns >= 0) & (columns < ink.shape[1])
    value = ink[np.where(inside, rows, 0), np.where(inside, columns, 0)] & inside
    ink[low[0] : high[0] + 1, low[1] : high[1] + 1] = value


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
        seed, indices: see :mod:`rgf_keras.datasets.morphology`.
    """
    num_fractures = check_count("num_fractures", num_fractures, least=1)
    seed = check_count("seed", seed, least=0)
    places = check_centres(centres, images, (None, 2))
    if not isinstance(images, Morphology):
        function = partial(fracture, num_fractures=num_fractures, seed=seed)
        return apply_in_batches(images, function, indices, num_jobs, progress, centres=places)
    check_no_indices(indices)
    if places is None:
        places = _fracture_centres(images, num_fractures, seed)
    # An image without ink has no point to draw, and nothing to erase at the one that stands in.
    starts, ends = _across_stroke(images, np.maximum(places, 0))
    points = line_points(starts, ends)
    # The reference data have every cut one brush radius above and to the left of its line.
    points[:, 1:] -= _BRUSH_RADIUS
    return downscale(erase(images.ink, points, _BRUSH_RADIUS))


def _fracture_centres(shapes: Morphology, num: int, seed: int) -> NDArray[np.intp]:
    """Random points (N, num, 2) away from tips and forks, or anywhere if nothing else is left."""
    candidates = drop_tips_and_forks(shapes.skeleton, _PRUNING_RADIUS)
    vanished = ~candidates.any(axis=(1, 2))
    candidates[vanished] = shapes.skeleton[vanished]
    return sample_points(candidates, num, seed, shapes.indices)


def _across_stroke(
    shapes: Morphology, centres: NDArray[np.integer]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Ends (N, K, 2) of the lines through (N, K, 2) centres at right angles to the skeleton."""
    angle = local_angle(shapes.skeleton, centres) + np.pi / 2
    images = np.arange(len(shapes))[:, np.newaxis]
    squared = shapes.squared_distance[images, centres[..., 0], centres[..., 1]]
    length = np.sqrt(squared.astype(np.float64)) + _EXTENSION
    offset = np.stack((length * np.sin(angle), length * np.cos(angle)), axis=-1)
    return (centres + offset).astype(np.intp), (centres - offset).astype(np.intp)
