"""The Dataset: frozen images with their labels, factor and origin."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from rgf_keras import archive
from rgf_keras.errors import ArgumentError, RgfError, did_you_mean


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images, their classes and, once planted, their factor.

    Attributes:
        name: what the images are, e.g. ``"mnist-10k/train"``.
        images: (N, H, W, C) uint8.
        labels: (N,) integers, positions in ``class_names``.
        indices: (N,) integers, positions in the source the images came from. Everything random
            about an image is keyed by this number, so it does not depend on order or subset.
        class_names: one name per class.
        factor: (N,) integers, positions in ``factor_values``, or None before planting.
        factor_name: e.g. ``"colour"``, or None.
        factor_values: the factor's values; the last is the rare one, e.g. ``("red", "green")``.

    Raises:
        ArgumentError: wrong shapes or dtypes, no images, NaN where integers belong, or labels or
            values of the factor that have no name.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    indices: np.ndarray
    class_names: tuple[str, ...]
    factor: np.ndarray | None = None
    factor_name: str | None = None
    factor_values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _is_array(self.images, 4, np.uint8):
            received = _describe(self.images)
            raise ArgumentError(
                f"{self.name}: images must be (N, H, W, C) uint8, received {received}"
            )
        if not len(self):
            raise ArgumentError(f"{self.name} holds no images")
        for field, values in self.arrays.items():
            if field != "images":
                self._check(field, values)
            values.setflags(write=False)

    def _check(self, field: str, values: np.ndarray) -> None:
        if not _is_array(values, 1, np.integer) or len(values) != len(self):
            problem = f"must be ({len(self)},) integers, received {_describe(values)}"
            raise ArgumentError(f"{self.name}: {field} {problem}")
        names = {"labels": self.class_names, "factor": self.factor_values or None}.get(field)
        if names is not None and not 0 <= values.min() <= values.max() < len(names):
            raise ArgumentError(f"{self.name}: {field} must lie in [0, {len(names) - 1}]")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def num_classes(self) -> int:
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    @property
    def planted(self) -> np.ndarray:
        """The factor (N,).

        Raises:
            RgfError: none was planted.
        """
        if self.factor is None:
            raise RgfError(f"{self.name} has no factor; plant one with balanced or skewed")
        return self.factor

    def take(self, positions: np.ndarray, name: str | None = None) -> "Dataset":
        """The images at ``positions``, with everything that belongs to them."""
        arrays = {field: array[positions] for field, array in self.arrays.items()}
        return replace(self, name=name or self.name, **arrays)  # type: ignore[arg-type]

    def with_values(self, values: Sequence[str]) -> "Dataset":
        """The images that have one of these values, which are then the factor's, in this order.

        Values are text: 7 is the value "7", never "007".

        Raises:
            ArgumentError: the factor has no such value, or a value is named twice.
        """
        values = [str(value) for value in values]
        for value in values:
            if value not in self.factor_values or values.count(value) > 1:
                known = ", ".join(self.factor_values) + did_you_mean(value, self.factor_values)
                raise ArgumentError(
                    f"{self.name}: '{value}' is no value of '{self.factor_name}' or named twice; "
                    f"values are {known}"
                )
        position = np.full(len(self.factor_values), -1)
        position[[self.factor_values.index(value) for value in values]] = np.arange(len(values))
        moved = position[self.planted]
        kept = self.take(np.flatnonzero(moved >= 0))
        return replace(kept, factor=moved[moved >= 0], factor_values=tuple(values))

    def split(self, num_first: int, seed: int = 0) -> tuple["Dataset", "Dataset"]:
        """Two disjoint parts with the same mix of classes, in source order.

        Args:
            num_first: images in the first part.
            seed: which images fall on which side.

        Raises:
            ArgumentError: ``num_first`` is not in [1, N − 1].
        """
        if num_first not in range(1, len(self)):
            raise ArgumentError(f"num_first must lie in [1, {len(self) - 1}], received {num_first}")
        draw = uniform(self.indices, seed, "split")
        # An image's place within its own class, as a fraction: cutting there is stratified.
        place = np.empty(len(self))
        for label in np.unique(self.labels):
            members = np.flatnonzero(self.labels == label)
            ranks = np.argsort(np.argsort(draw[members]))
            place[members] = (ranks + 0.5) / len(members)
        order = np.lexsort((draw, place))
        return self.take(np.sort(order[:num_first])), self.take(np.sort(order[num_first:]))

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Images, labels, indices and the factor if there is one, by name."""
        names = ("images", "labels", "indices", *(() if self.factor is None else ("factor",)))
        return {name: getattr(self, name) for name in names}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the images, labels and factor: equal data sets have equal fingerprints."""
        return archive.digest({name: x for name, x in self.arrays.items() if name != "indices"})

    def save(self, path: str | Path) -> Path:
        """Write to a checksummed ``.npz`` that :func:`read` reads back."""
        names = ("name", "class_names", "factor_name", "factor_values")
        header = {name: getattr(self, name) for name in names}
        return archive.save(path, self.arrays, header, compress=True)


def read(path: str | Path) -> Dataset:
    """Read a data set written by :meth:`Dataset.save`.

    Raises:
        RgfError: the file is missing, corrupt, or no data set.
    """
    arrays, header = archive.load(path)
    try:
        return Dataset(
            header["name"],
            arrays["images"],
            arrays["labels"],
            arrays["indices"],
            tuple(header["class_names"]),
            arrays.get("factor"),
            header["factor_name"],
            tuple(header["factor_values"]),
        )
    except KeyError as error:
        raise RgfError(f"{path} is not a data set: it has no {error}") from None


def pool(train: Dataset, test: Dataset, per_class: int) -> tuple[Dataset, Dataset]:
    """Two splits pooled and parted again: so many images of every class, and all others.

    MNIST's 70,000 digits have 6,000 of each to train on, as "equal representation of each digit"
    among 60,000 has it (Frontiers in AI 2025). Which ones depends on the images' positions alone.

    Args:
        train, test: of one data set, without factors or with the same one.
        per_class: images of each class in the first part.

    Raises:
        ArgumentError: a class has no more images than that.
    """
    name = train.name.removesuffix("/train")
    arrays = {
        field: np.concatenate([array, test.arrays[field]]) for field, array in train.arrays.items()
    }
    arrays["indices"] = np.arange(len(train) + len(test))
    pooled = replace(train, name=name, **arrays)  # type: ignore[arg-type]
    draw = uniform(pooled.indices, 0, "pool")
    chosen = np.zeros(len(pooled), bool)
    for label, class_name in enumerate(pooled.class_names):
        members = np.flatnonzero(pooled.labels == label)
        if len(members) <= per_class:
            raise ArgumentError(
                f"class '{class_name}' of {name} has {len(members)} images, which leaves none to "
                f"test on beside {per_class}; take fewer"
            )
        chosen[members[np.argsort(draw[members])[:per_class]]] = True
    first, second = np.flatnonzero(chosen), np.flatnonzero(~chosen)
    return pooled.take(first, f"{name}/train"), pooled.take(second, f"{name}/test")


def uniform(indices: np.ndarray, seed: int, purpose: str) -> np.ndarray:
    """One uniform number in [0, 1) per source index, the same whatever the order or subset.

    Numbers for different purposes are independent of each other.

    Raises:
        ArgumentError: the seed is no integer of at least 0.
    """
    if not isinstance(seed, Integral) or seed < 0:
        raise ArgumentError(f"seed must be an integer of at least 0, received {seed!r}")
    rng = np.random.default_rng([seed, zlib.crc32(purpose.encode())])
    return rng.random(int(indices.max()) + 1)[indices]


def _is_array(values: Any, ndim: int, kind: type) -> bool:
    is_array = isinstance(values, np.ndarray) and values.ndim == ndim
    return is_array and np.issubdtype(values.dtype, kind)


def _describe(values: Any) -> str:
    is_array = isinstance(values, np.ndarray)
    return f"{values.shape} {values.dtype}" if is_array else type(values).__name__
