"""What is drawn on binary images: disks, and the points and directions of a skeleton."""

import itertools
from math import isqrt

import numpy as np
from numpy.typing import NDArray
from skimage.draw import line
from skimage.morphology import disk

from rgf_keras.datasets.morphology.resampling import SCALE
from rgf_keras.datasets.morphology.skeleton import column_distance

# Images per dilation, so that their pixels stay in a core's cache.
_BLOCK = 32
# Half the side of the square in which a skeleton's direction is measured: 2 pixels of the digit.
_ANGLE_WINDOW = 2 * SCALE


def dilate(ink: NDArray[np.bool_], radius: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Dilation of (N, H, W) binary images, each by a disk of its own radius (N,) in pixels.

    Equals scikit-image's ``dilation(image, disk(radius))`` per image.
    """
    out = np.empty_like(ink)
    for value in np.unique(radius):
        images = np.flatnonzero(radius == value)
        for start in range(0, len(images), _BLOCK):
            block = images[start : start + _BLOCK]
            out[block] = _dilate_alike(ink[block], int(value))
    return out


def _dilate_alike(ink: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Dilation of all images by one disk: by each of the disk's columns in turn."""
    distance = column_distance(~ink)
    out = distance == 0
    for shift in range(min(radius, ink.shape[2] - 1) + 1):
        within = distance <= min(isqrt(radius**2 - shift**2), ink.shape[1])
        stay = ink.shape[2] - shift
        out[:, :, :stay] |= within[:, :, shift:]
        out[:, :, shift:] |= within[:, :, :stay]
    return out


def erase(images: NDArray[np.bool_], points: NDArray[np.intp], radius: int) -> NDArray[np.bool_]:
    """Binary images (N, H, W) without the pixels within `radius` of any point.

    points is (P, 3): image, row and column; they may lie outside the image.
    """
    count, height, width = images.shape
    # Points up to one radius outside matter, and their disks reach one radius further.
    margin = 2 * radius
    canvas = np.zeros((count, height + 2 * margin, width + 2 * margin), bool)
    inner = canvas[:, margin : margin + height, margin : margin + width]
    inner[:] = images
    image, row, column = points.T
    near = (row >= -radius) & (row < height + radius)
    near &= (column >= -radius) & (column < width + radius)
    centre = (image[near], row[near] + margin, column[near] + margin)
    flat = np.ravel_multi_index(centre, canvas.shape)
    pixels = canvas.reshape(-1)
    for down, right in np.argwhere(disk(radius)) - radius:
        pixels[flat + (down * canvas.shape[2] + right)] = False
    return inner.copy()


def ink_points(images: NDArray[np.bool_]) -> NDArray[np.intp]:
    """All pixels (P, 3) with ink in (N, H, W) images: image, row and column, in that order."""
    # Several times faster than numpy.argwhere in three dimensions.
    return np.stack(np.unravel_index(np.flatnonzero(images), images.shape), axis=1)


def drop_tips_and_forks(skeleton: NDArray[np.bool_], radius: int) -> NDArray[np.bool_]:
    """Skeletons (N, H, W) without what is within `radius` of a tip, then of a remaining fork.

    A tip has one neighbour, a fork three or more.
    """
    for least, most in ((1, 1), (3, 8)):
        neighbours = _num_neighbours(skeleton)
        marked = skeleton & (neighbours >= least) & (neighbours <= most)
        skeleton = erase(skeleton, ink_points(marked), radius)
    return skeleton


def _num_neighbours(skeleton: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """How many of its eight neighbours each pixel has, (N, H, W)."""
    framed = np.pad(skeleton.view(np.uint8), ((0, 0), (1, 1), (1, 1)))
    rows = framed[:, :-2] + framed[:, 1:-1] + framed[:, 2:]
    return rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:] - framed[:, 1:-1, 1:-1]


def sample_points(
    candidates: NDArray[np.bool_], num: int, seed: int, indices: NDArray[np.integer]
) -> NDArray[np.intp]:
    """Draw `num` points of each image with replacement, as (N, num, 2) rows and columns.

    candidates is (N, H, W). Image k is drawn from with a generator of its own, seeded by (seed,
    indices[k]), so its points depend on nothing else. An image without candidates gives -1.
    """
    out = np.full((len(candidates), num, 2), -1, np.intp)
    image, row, column = ink_points(candidates).T
    starts = np.searchsorted(image, np.arange(len(candidates) + 1))
    for k, (start, stop) in enumerate(itertools.pairwise(starts)):
        if start < stop:
            generator = np.random.default_rng((seed, int(indices[k])))
            chosen = start + generator.integers(stop - start, size=num)
            out[k] = np.stack((row[chosen], column[chosen]), axis=1)
    return out


def local_angle(skeleton: NDArray[np.bool_], centres: NDArray[np.integer]) -> NDArray[np.float64]:
    """Direction (N, K), in radians from the row axis to the column axis, around (N, K, 2) points.

    It is the principal axis of the skeleton (N, H, W) in a square of 17 pixels; 0 where the square
    is empty.
    """
    reach = np.arange(-_ANGLE_WINDOW, _ANGLE_WINDOW + 1)
    framed = np.pad(skeleton, ((0, 0), (_ANGLE_WINDOW,) * 2, (_ANGLE_WINDOW,) * 2))
    windows = np.lib.stride_tricks.sliding_window_view(framed, (len(reach),) * 2, axis=(1, 2))
    images = np.arange(len(skeleton))[:, np.newaxis]
    window = windows[images, centres[..., 0], centres[..., 1]].astype(np.float64)
    rows, columns = window.sum(axis=-1), window.sum(axis=-2)
    count, sum_y, sum_x = rows.sum(axis=-1), rows @ reach, columns @ reach
    # Moments times the squared count: whole numbers, so that a straight stroke is exactly straight.
    variance_y = count * (rows @ reach**2) - sum_y**2
    variance_x = count * (columns @ reach**2) - sum_x**2
    covariance = count * (window @ reach @ reach) - sum_y * sum_x
    return np.arctan2(2 * covariance, variance_x - variance_y) / 2


def line_points(starts: NDArray[np.integer], ends: NDArray[np.integer]) -> NDArray[np.intp]:
    """All pixels (P, 3) of lines: image, row and column. starts and ends are (N, K, 2)."""
    parts = [np.empty((0, 3), np.intp)]
    for image, pairs in enumerate(np.concatenate((starts, ends), axis=2).tolist()):
        for pair in pairs:
            rows, columns = line(*pair)
            parts.append(np.stack((np.full(len(rows), image), rows, columns), axis=1))
    return np.concatenate(parts)
