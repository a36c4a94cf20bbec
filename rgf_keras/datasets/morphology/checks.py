"""What the arguments of the public functions must be; each error is one line with its remedy."""

from collections.abc import Sized
from math import isfinite
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgf_keras.datasets.morphology.resampling import SCALE, SIDE, UPSCALED_SIDE
from rgf_keras.errors import ArgumentError


def check_images(images: object) -> NDArray[np.uint8]:
    """The images if they are an (N, 28, 28) uint8 array."""
    wanted = f"images must be an (N, {SIDE}, {SIDE}) uint8 array"
    if not isinstance(images, np.ndarray):
        raise ArgumentError(f"{wanted}, got {type(images).__name__}; convert with numpy.asarray")
    wanted += f", got {images.dtype} {images.shape}"
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        remedy = "drop a channel axis with images[..., 0], add a batch axis with images[None]"
        raise ArgumentError(f"{wanted}; {remedy}")
    if images.dtype != np.uint8:
        raise ArgumentError(f"{wanted}; scale to 0..255 and convert with .astype(numpy.uint8)")
    return images


def check_indices(indices: ArrayLike | None, count: int) -> NDArray[np.int64]:
    """Source indices (N,), 0 to N - 1 by default."""
    if indices is None:
        return np.arange(count)
    array = np.asarray(indices)
    wanted = f"indices must be {count} whole numbers from 0, one per image"
    if array.shape != (count,) or not np.issubdtype(array.dtype, np.integer):
        raise ArgumentError(f"{wanted}, got {array.dtype} {array.shape}; pass Dataset.indices")
    if array.min(initial=0) < 0:
        raise ArgumentError(f"{wanted}, got {array.min()}; count them from 0")
    return array.astype(np.int64)


def check_no_indices(indices: ArrayLike | None) -> None:
    """A `Morphology` has its own."""
    if indices is not None:
        raise ArgumentError("indices must be None with a Morphology; give them to Morphology.of")


def check_centres(
    centres: ArrayLike | None, images: object, shape: tuple[int | None, ...]
) -> NDArray[np.intp] | None:
    """Rows and columns at four times the size, (N, *shape); None in `shape` is any number."""
    if centres is None:
        return None
    size = len(images if isinstance(images, Sized) else check_images(images))
    array, shape = np.asarray(centres), (size, *shape)
    fits = len(shape) == array.ndim and np.issubdtype(array.dtype, np.integer)
    fits = fits and all(s in (None, n) for s, n in zip(shape, array.shape, strict=True))
    if fits and np.all((array >= 0) & (array < UPSCALED_SIDE)):
        return array.astype(np.intp)
    got = f"{array.min()} to {array.max()}" if fits else f"{array.dtype} {array.shape}"
    raise ArgumentError(
        f"centres must be {str(shape).replace('None', 'K')} whole numbers from 0 to "
        f"{UPSCALED_SIDE - 1}, got {got}; give (row, column) times {SCALE}"
    )


def check_number(
    name: str, value: float, least: float | None = None, above: float | None = None
) -> float:
    """A finite number from `least` or above `above`."""
    fits = isinstance(value, Real) and isfinite(value)
    fits = fits and (least is None or value >= least) and (above is None or value > above)
    if not fits:
        bound = f"above {above}" if least is None else f"of at least {least}"
        raise ArgumentError(f"{name} must be a number {bound}, got {value!r}; pass a finite one")
    return float(value)


def check_count(name: str, value: int, least: int, remedy: str = "") -> int:
    """A whole number from `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        problem = f"{name} must be a whole number from {least}, got {value!r}"
        raise ArgumentError(f"{problem}; use {remedy or least}")
    return int(value)


def check_num_jobs(num_jobs: int) -> int:
    """A number of processes, or -1 for one per core."""
    return -1 if num_jobs == -1 else check_count("num_jobs", num_jobs, 1, "-1 for all cores")
