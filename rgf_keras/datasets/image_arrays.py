"""Images in arrays: ``.npy`` and ``.npz`` files, a few at a time, and what they become: uint8."""

import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from rgf_keras import archive
from rgf_keras.errors import ArgumentError, RgfError, first_line, unknown_name

RANGES = ((0, 1), (-1, 1), (0, 255))
LAYOUTS = ("NHWC", "NCHW")
LABELS = ("labels", "label", "y", "arr_1")  # the last is where guided-diffusion keeps them
AT_ONCE = 16 * 2**20  # bytes of an array that are read together
MAX_IMAGE_BYTES = 2**30
ROUNDING = 1e-4  # how far out of its range a value may be, as a share of the range

Range = tuple[float, float]
Batches = Callable[[], Iterator[np.ndarray]]


@dataclass(frozen=True)
class ArrayFile:
    """An array of images in a file.

    Attributes:
        batches: the array, a few rows at a time.
        labels: (n,), or None.
        layout: how its axes are ordered, if the user said so.
    """

    batches: Batches
    labels: np.ndarray | None
    layout: str | None


@dataclass(frozen=True)
class Conversion:
    """How arrays of images become uint8.

    Attributes:
        count: of images.
        channels: 1 or 3.
        layout: how axes are ordered, if the user said so.
        value_range: what floats are in, least and most.
    """

    count: int
    channels: int
    layout: str | None
    value_range: Range

    def apply(self, name: str, batch: np.ndarray) -> np.ndarray:
        """(n, H, W, channels) uint8, rounded."""
        images = to_nhwc(name, batch, self.layout)
        if images.dtype == np.uint8:
            return images
        if not np.issubdtype(images.dtype, np.floating):
            return images.astype(np.uint8)
        least, most = self.value_range
        scaled = (images.astype(np.float64) - least) * (255 / (most - least))
        return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def open_arrays(spec: str) -> ArrayFile:
    """A file as ``FILE.npy`` or ``FILE.npz``, with ``:KEY`` and ``:NCHW`` or ``:NHWC`` if needed.

    Raises:
        RgfError: the file is damaged, or which array is meant is not clear.
    """
    path, key, layout = parse(spec)
    try:
        if path.suffix.lower() == ".npy":
            if key:
                raise ArgumentError(f"'{spec}': a .npy file has no array '{key}'; leave that out")
            opened = np.load(path, mmap_mode="r", allow_pickle=False)
            _check_shape(path, opened.shape)
            return ArrayFile(lambda: _guarded(path, _slices(opened)), None, layout)
        shapes = _list_arrays(path)
        key = _choose(path, shapes, key)
        _check_shape(path, shapes[key])
        labels = _read_labels(path, shapes, shapes[key][0])
        return ArrayFile(lambda: _guarded(path, _stream(path, key)), labels, layout)
    except archive.DAMAGED as error:
        if isinstance(error, RgfError):  # a bad argument, which is a ValueError too
            raise
        raise _damaged(path, error) from error


def parse(spec: str) -> tuple[Path, str | None, str | None]:
    """File, key and layout.

    >>> parse("out/a.npz:images:NCHW")
    (PosixPath('out/a.npz'), 'images', 'NCHW')
    """
    parts = spec.split(":")
    layout = parts.pop() if parts[-1] in LAYOUTS else None
    is_keyed = len(parts) > 1 and parts[-2].lower().endswith((".npy", ".npz"))
    key = parts.pop() if is_keyed else None
    return Path(":".join(parts)), key, layout


def check(name: str, batches: Batches, layout: str | None, value_range: Range | None) -> Conversion:
    """Look at all values once.

    Raises:
        RgfError: no images; shapes, channels or dtypes that are none of images or differ; values
            that are not finite, out of the range, or that can hardly be meant to be in it.
    """
    if value_range is not None and tuple(value_range) not in RANGES:
        raise ArgumentError(f"value_range must be one of {RANGES}, received {value_range}")
    count, channels, is_float, least, most = 0, 0, None, np.inf, -np.inf
    for batch in batches():
        images = to_nhwc(name, batch, layout)
        if not len(images):
            continue
        kind = np.issubdtype(images.dtype, np.floating)
        if channels not in (0, images.shape[3]) or is_float not in (None, kind):
            raise RgfError(
                f"{name}: images up to {count} have {channels} channels, then "
                f"{images.shape[3]} of {images.dtype}; give all of them the same"
            )
        channels, is_float = images.shape[3], kind
        if kind and not np.isfinite(images).all():
            first = int(np.flatnonzero(~np.isfinite(images).all((1, 2, 3)))[0])
            raise RgfError(f"{name}: image {count + first} holds NaN or infinity; leave it out")
        count += len(images)
        least, most = min(least, float(images.min())), max(most, float(images.max()))
    if not count:
        raise RgfError(f"{name} holds no images")
    return Conversion(
        count, channels, layout, _range(name, bool(is_float), least, most, value_range)
    )


def to_nhwc(name: str, array: np.ndarray, layout: str | None) -> np.ndarray:
    """(n, H, W, C), as it is told or as the only place where 1 or 3 channels can be.

    Raises:
        RgfError: the array is none of images, or there are two such places.
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "uif":
        received = getattr(array, "dtype", type(array).__name__)
        raise RgfError(f"{name} must hold arrays of integers or floats, received {received}")
    shape = array.shape
    if len(shape) == 3 and 0 not in shape:
        if shape[2] in (1, 3, 4):
            raise _one_image(name, shape)
        return array[..., None]
    if len(shape) != 4 or 0 in shape[1:]:
        raise RgfError(f"{name} has the shape {shape}; images are (N, H, W, C) or (N, C, H, W)")
    places = [each for each in LAYOUTS if shape[each.index("C")] in (1, 3)]
    if layout is not None:
        places = [each for each in places if each == layout]
    if not places:
        told = f"{layout} as told" if layout else "1 or 3 channels on the second or last axis"
        raise RgfError(
            f"{name} has the shape {shape}, which is not {told}; leave other channels out, put "
            "transparent images on a ground"
        )
    if len(places) > 1 and shape[1:] != (1, 1, 1):
        raise RgfError(
            f"{name} has the shape {shape}, which may be NHWC or NCHW; say which at its end, "
            "e.g. FILE.npy:NCHW, or make it (N, H, W, C) with more pixels than channels"
        )
    return array if places[0] == "NHWC" else np.moveaxis(array, 1, 3)


def _one_image(name: str, shape: tuple[int, ...]) -> RgfError:
    return RgfError(
        f"{name} has the shape {shape}, as one image has; save it as array[None], or grey images "
        "as array[..., None]"
    )


def _range(
    name: str, is_float: bool, least: float, most: float, value_range: Range | None
) -> Range:
    if is_float and value_range is None:
        raise RgfError(
            f"{name} holds floats from {least:g} to {most:g}; say with value_range what black and "
            "white are: (0, 1), (-1, 1) or (0, 255)"
        )
    low, high = value_range if is_float and value_range else (0, 255)
    slack = ROUNDING * (high - low)
    found = f"{name} holds values from {least:g} to {most:g}"
    if least < low - slack or most > high + slack:
        raise RgfError(f"{found}, which are not in [{low}, {high}]; clip them, or say their range")
    if low == -1 and least >= 0:
        raise RgfError(f"{found}, of which none is negative; [-1, 1] can hardly be their range")
    if high == 255 and most <= 1:
        remedy = "say their range" if is_float else "multiply them by 255"
        raise RgfError(f"{found}, all black in [0, 255]; {remedy}")
    return low, high


def _guarded(path: Path, batches: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The same, where damage is told in one line."""
    try:
        yield from batches
    except archive.DAMAGED as error:
        if isinstance(error, RgfError):
            raise
        raise _damaged(path, error) from error


def _check_shape(path: Path, shape: tuple[int, ...]) -> None:
    """A few rows of grey images have such a shape too, so the whole array is asked."""
    if len(shape) == 3 and shape[0] in (3, 4):
        raise _one_image(str(path), shape)


def _slices(array: np.ndarray) -> Iterator[np.ndarray]:
    if array.ndim < 3:
        yield array
        return
    rows = max(1, AT_ONCE // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        yield np.asarray(array[start : start + rows])


def _list_arrays(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays in an ``.npz`` file by name."""
    with zipfile.ZipFile(path) as members:
        shapes = {}
        for name in members.namelist():
            with members.open(name) as file:
                shapes[name.removesuffix(".npy")] = _read_array_header(file)[0]
        return shapes


def _choose(path: Path, shapes: Mapping[str, tuple[int, ...]], key: str | None) -> str:
    if key is not None:
        if key not in shapes:
            raise unknown_name(f"array of {path}", key, shapes)
        return key
    candidates = [name for name, shape in shapes.items() if len(shape) in (3, 4)]
    if len(candidates) != 1:
        names = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise RgfError(
            f"{path} must hold one array of images, but holds {names or 'nothing'}; name one as "
            f"{path}:{(candidates or ['KEY'])[0]}"
        )
    return candidates[0]


def _read_labels(
    path: Path, shapes: Mapping[str, tuple[int, ...]], count: int
) -> np.ndarray | None:
    key = next((name for name in LABELS if shapes.get(name) == (count,)), None)
    if key is None:
        return None
    with np.load(path, allow_pickle=False) as file:
        labels = file[key]
    return labels if labels.dtype.kind in "ui" else None


def _stream(path: Path, key: str) -> Iterator[np.ndarray]:
    """Rows of an array in an ``.npz`` file, without all of it in memory."""
    with zipfile.ZipFile(path) as members, members.open(f"{key}.npy") as file:
        shape, is_fortran, dtype = _read_array_header(file)
        if is_fortran or len(shape) < 3:
            with np.load(path, allow_pickle=False) as arrays:
                yield from _slices(arrays[key])
            return
        row = int(np.prod(shape[1:], dtype=object)) * dtype.itemsize
        if row > MAX_IMAGE_BYTES:
            raise ValueError(f"array {key} says that an image has {row} bytes")
        rows = max(1, AT_ONCE // max(1, row))
        for start in range(0, shape[0], rows):
            count = min(rows, shape[0] - start)
            content = file.read(count * row)
            if len(content) < count * row:
                raise ValueError(f"array {key} ends after {start} images")
            yield np.frombuffer(content, dtype).reshape(count, *shape[1:])


def _read_array_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def _damaged(path: Path, error: BaseException) -> RgfError:
    return RgfError(f"{path} cannot be read as arrays ({first_line(error)}); save it again")
