"""Morpho-MNIST's perturbations of a batch whose shared stages are at hand."""

import numpy as np
from numpy.typing import NDArray

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

# A fracture is a line drawn with a disk that makes it 1.5 pixels of the digit wide.
_BRUSH_RADIUS = 3
# It crosses the stroke and half a pixel of the digit more at either end.
_EXTENSION = SCALE // 2
# Fractures keep 2 pixels of the digit away from tips and forks.
_PRUNING_RADIUS = 2 * SCALE


def plain(shapes: Morphology) -> NDArray[np.uint8]:
    """Binarised and reduced, unperturbed."""
    return downscale(shapes.ink)


def thin(shapes: Morphology, amount: float) -> NDArray[np.uint8]:
    """Eroded by a disk: kept is what is further than the radius from all paper."""
    limit = np.minimum(_disk_radius(shapes, amount) ** 2, FAR).astype(np.uint16)
    return downscale(shapes.squared_distance > limit[:, np.newaxis, np.newaxis])


def thicken(shapes: Morphology, amount: float) -> NDArray[np.uint8]:
    """Dilated by a disk."""
    return downscale(dilate(shapes.ink, _disk_radius(shapes, amount)))


def _disk_radius(shapes: Morphology, amount: float) -> NDArray[np.intp]:
    """(N,) whole pixels at 112x112: the share `amount` of half the thickness."""
    return (amount * SCALE * shapes.thickness / 2).astype(np.intp)


def swell(
    shapes: Morphology,
    strength: float,
    radius: float,
    seed: int,
    centres: NDArray[np.integer] | None = None,
) -> NDArray[np.uint8]:
    """Magnified around one point of the skeleton."""
    if centres is None:
        centres = sample_points(shapes.skeleton, 1, seed, shapes.indices)[:, 0]
    reach = radius * np.sqrt(shapes.thickness) / 2 * SCALE
    ink = shapes.ink.copy()
    for image, centre, limit in zip(ink, centres, reach, strict=True):
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
    shapes: Morphology, num_fractures: int, seed: int, centres: NDArray[np.integer] | None = None
) -> NDArray[np.uint8]:
    """Cut across the stroke at points of the skeleton."""
    if centres is None:
        centres = _fracture_centres(shapes, num_fractures, seed)
    # An image without ink has no point to draw, and nothing to erase at the one that stands in.
    starts, ends = _across_stroke(shapes, np.maximum(centres, 0))
    points = line_points(starts, ends)
    # The reference data have every cut one brush radius above and to the left of its line.
    points[:, 1:] -= _BRUSH_RADIUS
    return downscale(erase(shapes.ink, points, _BRUSH_RADIUS))


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
