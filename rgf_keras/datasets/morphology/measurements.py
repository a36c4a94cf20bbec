"""What Morpho-MNIST measures on a digit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rgf_keras.datasets.morphology.batches import Digits, apply_in_batches
from rgf_keras.datasets.morphology.resampling import SCALE, UPSCALED_SIDE
from rgf_keras.datasets.morphology.shapes import Morphology
from rgf_keras.runtime.progress import SILENT, Progress

# Share of a digit's grey levels left outside its box, half of it at either side.
_OUTSIDE_BOX = 0.02


@dataclass(frozen=True, eq=False)
class Measurements:
    """Measurements of N digits, each (N,) float64; lengths in pixels of the 28x28 image.

    Attributes:
        area: square pixels of ink.
        length: length of the skeleton, diagonal steps counted as the root of 2.
        thickness: twice the mean distance from the skeleton to the outline.
        slant: radians, -pi/2 to pi/2, positive where the digit leans to the right.
        width: of the upright digit, that is, after its rows are shifted to undo the slant; the
            outermost 1 % of its grey at either side is left out.
        height: likewise, between the uppermost and lowermost 1 %.

    All are 0 for an image without ink. Source: Castro et al. 2019, morphometry.
    """

    area: NDArray[np.float64]
    length: NDArray[np.float64]
    thickness: NDArray[np.float64]
    slant: NDArray[np.float64]
    width: NDArray[np.float64]
    height: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.area)


def measure(images: Digits, *, num_jobs: int = 1, progress: Progress = SILENT) -> Measurements:
    """Measure digits.

    Args:
        images: (N, 28, 28) uint8, or a `Morphology` of them.
        num_jobs, progress: see :mod:`rgf_keras.datasets.morphology`.
    """
    if not isinstance(images, Morphology):
        return apply_in_batches(images, measure, None, num_jobs, progress)
    rows, shear, middle = _row_moments(images.upscaled)
    columns = _upright_columns(images.upscaled, shear, middle)
    return Measurements(
        area=np.count_nonzero(images.ink, axis=(1, 2)) / SCALE**2,
        length=_length(images.skeleton) / SCALE,
        thickness=images.thickness,
        slant=np.arctan(-shear),
        width=_extent(columns) / SCALE,
        height=_extent(rows) / SCALE,
    )


def _length(skeleton: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N,) steps from skeleton pixels to their right and lower neighbours."""

    def steps(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.count_nonzero(before & after, axis=(1, 2))

    upper, lower = skeleton[:, :-1], skeleton[:, 1:]
    straight = steps(upper, lower) + steps(skeleton[:, :, :-1], skeleton[:, :, 1:])
    diagonal = steps(upper[:, :, :-1], lower[:, :, 1:]) + steps(upper[:, :, 1:], lower[:, :, :-1])
    return straight + 2**0.5 * diagonal


def _row_moments(
    grey: NDArray[np.uint8],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Grey per row (N, 112), shear in columns per row (N,) and the middle row (N,)."""
    place = np.arange(UPSCALED_SIDE, dtype=np.float32)
    # Whole numbers below 2**24: exact in float32.
    sums = grey.astype(np.float32) @ np.stack((np.ones_like(place), place), axis=1)
    rows, moment = sums[..., 0].astype(np.float64), sums[..., 1].astype(np.float64)
    total = np.maximum(rows.sum(axis=1), 1)
    middle, centre = rows @ place / total, moment.sum(axis=1) / total
    down = place - middle[:, np.newaxis]
    covariance = ((moment - centre[:, np.newaxis] * rows) * down).sum(axis=1)
    variance = (rows * down**2).sum(axis=1)
    flat = variance == 0
    return rows, np.where(flat, 0, covariance) / np.where(flat, 1, variance), middle


def _upright_columns(
    grey: NDArray[np.uint8], shear: NDArray[np.float64], middle: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Grey per column (N, 336) after each row is shifted by whole pixels to undo the shear.

    The digit's own columns are the middle third; a shift by more than a third is cut to that.
    """
    side = UPSCALED_SIDE
    shift = np.rint(shear[:, np.newaxis] * (np.arange(side) - middle[:, np.newaxis]))
    shift = side - np.clip(shift, -side, side).astype(np.intp)
    image, row, column = np.unravel_index(np.flatnonzero(grey), grey.shape)
    place = image * (3 * side) + column + shift[image, row]
    sums = np.bincount(place, weights=grey[image, row, column], minlength=len(grey) * 3 * side)
    return sums.reshape(len(grey), 3 * side).astype(np.float64)


def _extent(profile: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) distance between the 1 % and 99 % quantiles of profiles (N, L), 0 for an empty one."""
    share = np.cumsum(profile, axis=1)
    empty = share[:, -1] == 0
    share /= np.where(empty, 1, share[:, -1])[:, np.newaxis]
    half = _OUTSIDE_BOX / 2
    return np.where(empty, 0, _quantile(share, 1 - half) - _quantile(share, half))


def _quantile(share: NDArray[np.float64], level: float) -> NDArray[np.float64]:
    """(N,) places, between 0 and L - 1, where cumulative shares (N, L) cross a level."""
    last = share.shape[1] - 1
    # Where the level is exceeded in the first place already, that place is the answer.
    before = np.clip(np.count_nonzero(share <= level, axis=1) - 1, 0, last - 1)
    images = np.arange(len(share))
    low, high = share[images, before], share[images, before + 1]
    step = np.where(high > low, high - low, 1)
    return before + np.clip((level - low) / step, 0, 1)
