"""Exact squared distances and the medial axis of many binary images at once.

The medial axis is scikit-image's `medial_axis`: pixels are visited once, from the outline inwards,
and removed unless that would change the connectivity or shorten a line. One image is sequential,
but images are independent, so here all of them take one step together.
"""

import itertools
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# Above every squared distance in a 120x120 image, and no uint16 overflow when 119**2 is added.
FAR = 30_000
# A column distance that no image reaches, and that adding 1 does not overflow.
_NONE = 254
# Images per distance transform, so that their uint16 pixels stay in a core's cache.
_BLOCK = 32
# Ties in medial_axis's order are broken by a random permutation of an image's ink pixels. Of the
# generators that can be handed to it, default_rng(42), made afresh for each image, is the one that
# gives the skeletons of the reference data: 200 of 200, where seed 0 and NumPy's legacy generator
# (which scikit-image used before 0.19) agree on a quarter to a third.
_TIE_BREAKING_SEED = 42


def column_distance(ink: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Distance in pixels from each ink pixel to the nearest one without ink in the same column.

    ink is (N, H, W), H below 254. Returns (N, H, W) uint8, 0 without ink and 254 where the column
    is all ink; the outside of an image does not count.
    """
    # Rows first in memory: a scan step is then one operation on contiguous bytes.
    distance = np.ascontiguousarray(ink.transpose(1, 0, 2)) * np.uint8(_NONE)
    grown = np.empty_like(distance[0])
    for scan in (distance, distance[::-1]):
        for before, here in itertools.pairwise(scan):
            np.add(before, 1, out=grown)
            np.minimum(here, grown, out=here)
    return distance.transpose(1, 0, 2)


def squared_distance(ink: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Squared Euclidean distance from each ink pixel to the nearest pixel without ink.

    ink is (N, H, W), H and W up to 120; the outside of an image does not count. Returns (N, H, W)
    uint16, 0 without ink and FAR in an image that is all ink.
    """
    out = np.zeros(ink.shape, np.uint16)
    for start in range(0, len(ink), _BLOCK):
        block = ink[start : start + _BLOCK]
        if block.any():
            window = (slice(None), *_window(block))
            out[start : start + _BLOCK][window] = _squared_distance_block(block[window])
    return out


def _window(ink: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns with ink in any image, and one more on each side where there is one."""
    rows, columns = np.flatnonzero(ink.any(axis=(0, 2))), np.flatnonzero(ink.any(axis=(0, 1)))
    return (
        slice(max(rows[0] - 1, 0), rows[-1] + 2),
        slice(max(columns[0] - 1, 0), columns[-1] + 2),
    )


def _squared_distance_block(ink: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Squared distances (N, H, W): down the columns, then from column to column."""
    count, height, width = ink.shape
    # A row shifted over its end meets the next row. That does no harm if the last pixel of the row
    # is without ink, since it is nearer; else FAR pixels have to lie in between.
    gap = width if ink[:, :, [0, -1]].any() else 0
    straight = np.full((count, height, width + gap), FAR, np.uint16)
    column = column_distance(ink)
    np.multiply(column, column, out=straight[:, :, :width], dtype=np.uint16)
    straight[:, :, :width][column == _NONE] = FAR

    line = straight.reshape(-1)
    nearest, candidate = line.copy(), np.empty_like(line)
    for shift in range(1, width):
        added = np.uint16(shift**2)
        rows = nearest.reshape(straight.shape)[:, :, :width]
        if rows.max() <= added:
            break
        part = candidate[shift:]
        np.minimum(nearest[:-shift], np.add(line[shift:], added, out=part), out=nearest[:-shift])
        np.minimum(nearest[shift:], np.add(line[:-shift], added, out=part), out=nearest[shift:])
    return nearest.reshape(straight.shape)[:, :, :width]


@cache
def _is_kept() -> NDArray[np.bool_]:
    """For each of 512 neighbourhoods, whether medial_axis keeps the pixel at its centre.

    It keeps ink that has fewer than two neighbours, or whose removal would change the number of
    8-connected pieces. Bit 3 * column + row of the index is the pixel at that place.
    """
    kept = np.zeros(512, bool)
    connected = np.ones((3, 3))
    for code in range(512):
        pattern = (code >> np.arange(9) & 1).reshape(3, 3)
        if pattern[1, 1]:
            pieces = ndimage.label(pattern, connected)[1]
            few = pattern.sum() < 3
            pattern[1, 1] = 0
            kept[code] = few or pieces != ndimage.label(pattern, connected)[1]
    return kept


@lru_cache(maxsize=1024)
def _tie_order(count: int) -> NDArray[np.int32]:
    """Ink pixels 0 to count - 1 in the order in which ties between them are resolved."""
    rank = np.random.default_rng(_TIE_BREAKING_SEED).permutation(count)
    order = np.empty(count, np.int32)
    order[rank] = np.arange(count, dtype=np.int32)
    return order


def medial_axis(ink: NDArray[np.bool_], distance: NDArray[np.uint16]) -> NDArray[np.bool_]:
    """The medial axis (N, H, W) of binary images, given their squared distances.

    Equals scikit-image's ``medial_axis(image, rng=42)`` per image.
    """
    count, height, width = ink.shape
    framed = np.zeros((count, height + 2, width + 2), bool)
    framed[:, 1:-1, 1:-1] = ink
    pixels = np.flatnonzero(framed).astype(np.int32)
    # Three bits hold a pixel (2), the one above (4) and the one below (1).
    columns = framed.view(np.uint8).astype(np.uint16).reshape(-1)
    columns <<= 1
    columns[width + 2 :] |= framed.reshape(-1)[: -width - 2].view(np.uint8) << np.uint8(2)
    columns[: -width - 2] |= framed.reshape(-1)[width + 2 :].view(np.uint8)

    corner_score = (9 - np.bitwise_count(np.arange(512, dtype=np.uint16)))[_codes(columns, pixels)]
    squared = distance[ink]
    # 16 bits suffice up to a distance of 85 pixels and sort several times faster.
    key = np.dtype(np.uint16 if squared.max(initial=0) < 2**16 // 9 else np.uint32)
    priority = squared.astype(key) * key.type(9) + corner_score

    steps, taking_part = _visiting_order(pixels, priority, np.count_nonzero(ink, axis=(1, 2)))
    _remove_in_order(columns, width + 2, steps, taking_part)
    rest = columns.reshape(framed.shape)[:, 1:-1, 1:-1]
    return (rest & 2) > 0


def _codes(columns: NDArray[np.uint16], pixels: NDArray[np.int32]) -> NDArray[np.integer]:
    """The 9-bit codes of the 3x3 neighbourhoods of the given flat positions."""
    return columns.take(pixels - 1) << 6 | columns.take(pixels) << 3 | columns.take(pixels + 1)


def _visiting_order(
    pixels: NDArray[np.int32], priority: NDArray[np.integer], counts: NDArray[np.intp]
) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Which pixel each image visits at each step, images with most ink first.

    pixels (P,) are the flat positions of all images' ink and priority (P,) what is visited first,
    counts (N,) how many belong to each image. Returns steps (T, N) int32 and how many images take
    part in each step (T,).
    """
    ends = np.cumsum(counts)
    steps = np.zeros((counts.max(initial=0), len(counts)), np.int32)
    for place, image in enumerate(np.argsort(-counts, kind="stable")):
        count = counts[image]
        own = slice(ends[image] - count, ends[image])
        ties = _tie_order(int(count))
        # A stable sort of the tie order is the lexicographic sort by priority, then tie.
        order = ties[np.argsort(priority[own][ties], kind="stable")]
        steps[:count, place] = pixels[own][order]
    finished = np.searchsorted(np.sort(counts), np.arange(len(steps)), side="right")
    return steps, len(counts) - finished


def _remove_in_order(
    columns: NDArray[np.uint16], row: int, steps: NDArray[np.int32], taking_part: NDArray[np.intp]
) -> None:
    """Visit pixels in order, clearing those not kept; neighbouring rows are `row` entries apart."""
    removed = ~_is_kept()
    for visited, count in zip(steps, taking_part, strict=True):
        here = visited[:count]
        gone = here[removed[_codes(columns, here)]]
        columns[gone] -= 2
        columns[gone + row] -= 4
        columns[gone - row] -= 1
