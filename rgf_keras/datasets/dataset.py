"""The Dataset: frozen images with their labels, factor and origin."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rgf_keras import archive
from rgf_keras.errors import RgfError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images, their classes and, once planted, their factor.

    Args:
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
        RgfError: wrong shapes or dtypes, no images, or NaN where integers belong.
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
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise RgfError(
                f"{self.name}: images must be (N, H, W, C) uint8, "
                f"received {self.images.shape} {self.images.dtype}"
            )
        for field in ("labels", "indices", "factor"):
            values = getattr(self, field)
            if values is None:
                continue
            if values.shape != (len(self),) or values.dtype.kind not in "iu":
                raise RgfError(
                    f"{self.name}: {field} must be ({len(self)},) integers, "
                    f"received {values.shape} {values.dtype}"
                )
        if not len(self):
            raise RgfError(f"{self.name} holds no images")
        if self.labels.max() >= len(self.class_names) or self.labels.min() < 0:
            raise RgfError(f"{self.name}: labels must lie in [0, {len(self.class_names) - 1}]")
        for array in (self.images, self.labels, self.indices, self.factor):
            if array is not None:
                array.setflags(write=False)

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
        return replace(
            self,
            name=name or self.name,
            images=self.images[positions],
            labels=self.labels[positions],
            indices=self.indices[positions],
            factor=None if self.factor is None else self.factor[positions],
        )

    def with_values(self, values: Sequence[str]) -> "Dataset":
        """The images that have one of these values, which are then the factor's, in this order.

        Raises:
            RgfError: the factor has no such value, or a value is named twice.
        """
        for value in values:
            if value not in self.factor_values or list(values).count(value) > 1:
                raise RgfError(
                    f"{self.name}: '{value}' is no value of '{self.factor_name}' or named twice; "
                    f"values are {', '.join(self.factor_values)}"
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
            RgfError: ``num_first`` is not in [1, N − 1].
        """
        if not 0 < num_first < len(self):
            raise RgfError(f"num_first must lie in [1, {len(self) - 1}], received {num_first}")
        draw = uniform(self.indices, seed, "split")
        # An image's place within its own class, as a fraction: cutting there is stratified.
        place = np.empty(len(self))
        for label in np.unique(self.labels):
            members = np.flatnonzero(self.labels == label)
            ranks = np.argsort(np.argsort(draw[members]))
            place[members] = (ranks + 0.5) / len(members)
        order = np.lexsort((draw, place))
        return self.take(np.sort(order[:num_first])), self.take(np.sort(order[num_first:]))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the images, labels and factor: equal data sets have equal fingerprints."""
        arrays = {"images": self.images, "labels": self.labels}
        if self.factor is not None:
            arrays["factor"] = self.factor
        return archive.digest(arrays)

    def save(self, path: str | Path) -> Path:
        """Write to a checksummed ``.npz`` that :func:`read` reads back."""
        arrays = {"images": self.images, "labels": self.labels, "indices": self.indices}
        if self.factor is not None:
            arrays["factor"] = self.factor
        header: dict[str, Any] = {
            "name": self.name,
            "class_names": self.class_names,
            "factor_name": self.factor_name,
            "factor_values": self.factor_values,
        }
        return archive.save(path, arrays, header, compress=True)


def read(path: str | Path) -> Dataset:
    """Read a data set written by :meth:`Dataset.save`.

    Raises:
        RgfError: the file is missing, corrupt, or no data set.
    """
    arrays, header = archive.load(path)
    try:
        return Dataset(
            name=header["name"],
            images=arrays["images"],
            labels=arrays["labels"],
            indices=arrays["indices"],
            class_names=tuple(header["class_names"]),
            factor=arrays.get("factor"),
            factor_name=header["factor_name"],
            factor_values=tuple(header["factor_values"]),
        )
    except KeyError as error:
        raise RgfError(f"{path} is not a data set: it has no {error}") from None


def uniform(indices: np.ndarray, seed: int, purpose: str) -> np.ndarray:
    """One uniform number in [0, 1) per source index, the same whatever the order or subset.

    Numbers drawn for different purposes are independent of each other.
    """
    rng = np.random.default_rng([seed, zlib.crc32(purpose.encode())])
    return rng.random(int(indices.max()) + 1)[indices]
