"""What the arguments of the public functions must be; each error is one line with its remedy."""

from __future__ import annotations

from math import isfinite
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgf_keras.datasets.morphology.resampling import SCALE, SIDE, UPSCALED_SIDE
from rgf_keras.errors import RgfError


def checked_images(images: object) -> NDArray[np.uint8]:
    """The images if they are an (N, 28, 28) uint8 array, else a RgfError."""
    wanted = f"images must be an (N, {SIDE}, {SIDE}) uint8 array"
    if not isinstance(images, np.ndarray):
        raise RgfError(f"{wanted}, got {type(images).__name__}; convert with numpy.asarray")
    got = f"got {images.dtype} {images.shape}"
    if images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
        remedy = "drop a channel axis with images[..., 0], add a batch axis with images[None]"
        raise RgfError(f"{wanted}, {got}; {remedy}")
    if images.dtype != np.uint8:
        raise RgfError(f"{wanted}, {got}; scale to 0..255 and convert with .astype(numpy.uint8)")
    return images


def checked_indices(indices: ArrayLike | None, count: int) -> NDArray[np.int64]:
    """Source indices (N,), 0 to N - 1 by default, else a RgfError."""
    if indices is None:
        return np.arange(count)
    array = np.asarray(indices)
    wanted = f"indices must be {count} whole numbers from 0, one per image"
    if array.shape != (count,) or not np.issubdtype(array.dtype, np.integer):
        raise RgfError(f"{wanted}, got {array.dtype} {array.shape}; pass Dataset.indices")
    if array.min(initial=0) < 0:
        raise RgfError(f"{wanted}, got {array.min()}; count them from 0")
    return array.astype(np.int64)


def checked_centres(
    centres: ArrayLike | None, shape: tuple[int | None, ...]
) -> NDArray[np.intp] | None:
    """Rows and columns at four times the size; None in `shape` is any number. Else a RgfError."""
    if centres is None:
        return None
    array = np.asarray(centres)
    same_length = len(shape) == array.ndim
    matches = same_length and all(s in (None, n) for s, n in zip(shape, array.shape, strict=True))
    wanted_shape = str(shape).replace("None", "K")
    wanted = f"centres must be {wanted_shape} whole numbers from 0 to {UPSCALED_SIDE - 1}"
    if not matches or not np.issubdtype(array.dtype, np.integer):
        raise RgfError(
            f"{wanted}, got {array.dtype} {array.shape}; give (row, column) times {SCALE}"
        )
    if array.size and not 0 <= array.min() <= array.max() < UPSCALED_SIDE:
        raise RgfError(
            f"{wanted}, got {array.min()} to {array.max()}; give (row, column) times {SCALE}"
        )
    return array.astype(np.intp)


def checked_number(
    name: str, value: float, least: float | None = None, above: float | None = None
) -> float:
    """A finite number from `least` or above `above`, else a RgfError."""
    bound = f"above {above}" if least is None else f"of at least {least}"
    fits = isinstance(value, Real) and isfinite(value)
    if fits and least is not None:
        fits = value >= least
    if fits and above is not None:
        fits = value > above
    if not fits:
        raise RgfError(f"{name} must be a number {bound}, got {value!r}; pass a finite one")
    return float(value)


def checked_count(name: str, value: int, least: int) -> int:
    """A whole number from `least`, else a RgfError."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise RgfError(f"{name} must be a whole number from {least}, got {value!r}; use {least}")
    return int(value)


def checked_num_jobs(num_jobs: int) -> int:
    """A number of processes, or -1 for one per core, else a RgfError."""
    if num_jobs == -1:
        return num_jobs
    if not isinstance(num_jobs, Integral) or isinstance(num_jobs, bool) or num_jobs < 1:
        raise RgfError(
            f"num_jobs must be a whole number from 1, got {num_jobs!r}; use -1 for all cores"
        )
    return int(num_jobs)
