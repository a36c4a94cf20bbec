"""The factor-4 Gaussian pyramid of Morpho-MNIST as batched matrix products.

scikit-image's `pyramid_expand` is a cubic spline resampling, a clip to the range of its input and a
Gaussian blur; `pyramid_reduce` is the blur, the resampling and the clip. Resampling and blur are
linear and act on rows and columns alike, so each is one small matrix applied from both sides. Only
the clip keeps them from being a single matrix.

Both results are truncated to 8 bits, so where a grey level is a whole number up to rounding error,
the order of summation decides between two levels. Such images go to scikit-image itself.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from skimage.filters import gaussian
from skimage.transform import pyramid_expand, pyramid_reduce, resize

SIDE = 28
SCALE = 4
UPSCALED_SIDE = SIDE * SCALE

# Images per matrix product, so that their float64 pixels at 112x112 stay in a core's cache.
_BLOCK = 16
# Rounding errors of the products are below 1e-15 relative; no other value comes this close.
_TOLERANCE = 5e-15


@cache
def _spline(size_in: int, size_out: int) -> NDArray[np.float64]:
    """(size_out, size_in) matrix of cubic spline resampling along one axis, as `resize` does it."""
    unit, shape = np.eye(size_in), (size_out, size_in)
    return resize(unit, shape, order=3, mode="reflect", clip=False, anti_aliasing=False)


@cache
def _blur_bands() -> list[tuple[slice, slice, NDArray[np.float64]]]:
    """The (112, 112) matrix of the pyramid's Gaussian blur along one axis: sigma is a third of 4.

    It is in four bands of rows: rows, the columns where they are not zero, that part.
    """
    blur = gaussian(np.eye(UPSCALED_SIDE), sigma=(SCALE / 3, 0), mode="reflect")
    bands = []
    for start in range(0, UPSCALED_SIDE, UPSCALED_SIDE // 4):
        rows = slice(start, start + UPSCALED_SIDE // 4)
        used = np.flatnonzero(blur[rows].any(axis=0))
        columns = slice(used[0], used[-1] + 1)
        bands.append((rows, columns, np.ascontiguousarray(blur[rows, columns])))
    return bands


def _blur(
    images: NDArray[np.float64], out: NDArray[np.float64], scratch: NDArray[np.float64]
) -> None:
    """blur @ image @ blur.T for every image of a batch (N, 112, 112), written to `out`."""
    for rows, columns, band in _blur_bands():
        np.matmul(band, images[:, columns], out=scratch[:, rows])
    for rows, columns, band in _blur_bands():
        np.matmul(scratch[:, :, columns], band.T, out=out[:, :, rows])


def _resample(
    matrix: NDArray[np.float64], images: NDArray, out: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """matrix @ image @ matrix.T for every image of a batch (N, H, W)."""
    return np.matmul(matrix, images @ matrix.T, out=out)


def _clip_to_range_of(source: NDArray, images: NDArray) -> NDArray:
    """Limit images (N, H, W), in place, to the least and greatest value of their source images."""
    low = source.min(axis=(1, 2), keepdims=True)
    high = source.max(axis=(1, 2), keepdims=True)
    return np.clip(images, low, high, out=images)


def _undecided(levels: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices of the images with a grey level that truncates by rounding error, 0 excepted."""
    whole = np.rint(levels)
    doubtful = (np.abs(levels - whole) < 255 * _TOLERANCE) & (whole > 0)
    return np.flatnonzero(doubtful.any(axis=(1, 2)))


def upscale(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Enlarge (N, 28, 28) uint8 images to (N, 112, 112) uint8, grey levels truncated.

    Per image this is ``(255 * pyramid_expand(image, upscale=4, order=3)).astype(uint8)``, the
    first step of Castro et al. 2019 (Morpho-MNIST).
    """
    enlarge = _spline(SIDE, UPSCALED_SIDE)
    out = np.empty((len(images), UPSCALED_SIDE, UPSCALED_SIDE), np.uint8)
    buffers = np.empty((3, min(_BLOCK, len(images)), UPSCALED_SIDE, UPSCALED_SIDE))
    for start in range(0, len(images), _BLOCK):
        block, result = images[start : start + _BLOCK], out[start : start + _BLOCK]
        large, levels, scratch = buffers[:, : len(block)]
        unit = block * (1 / 255)
        _clip_to_range_of(unit, _resample(enlarge, unit, out=large))
        _blur(large, levels, scratch)
        levels *= 255
        result[:] = levels
        for i in _undecided(levels):
            result[i] = 255 * pyramid_expand(block[i], upscale=SCALE, order=3)
    return out


def downscale(ink: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Reduce (N, 112, 112) binary images to (N, 28, 28) uint8, grey levels truncated.

    Per image this is ``(255 * pyramid_reduce(image, downscale=4, order=3)).astype(uint8)``, the
    last step of Castro et al. 2019 (Morpho-MNIST).
    """
    shrink = _spline(UPSCALED_SIDE, SIDE)
    out = np.empty((len(ink), SIDE, SIDE), np.uint8)
    buffers = np.empty((3, min(_BLOCK, len(ink)), UPSCALED_SIDE, UPSCALED_SIDE))
    for start in range(0, len(ink), _BLOCK):
        block, result = ink[start : start + _BLOCK], out[start : start + _BLOCK]
        sharp, smooth, scratch = buffers[:, : len(block)]
        sharp[:] = block
        _blur(sharp, smooth, scratch)
        smooth[smooth > 1 - _TOLERANCE] = 1  # what scikit-image's blur gives inside thick strokes
        levels = _resample(shrink, smooth)
        undecided = _undecided(255 * levels)
        result[:] = 255 * _clip_to_range_of(smooth, levels)
        for i in undecided:
            result[i] = 255 * pyramid_reduce(block[i], downscale=SCALE, order=3)
    return out
