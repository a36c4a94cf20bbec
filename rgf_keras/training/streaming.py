"""Where training data lies: on the device, or in files from which parts are taken there in turn."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from typing import NamedTuple, Protocol

import keras
import numpy as np

from rgf_keras import backend
from rgf_keras.backend.protocol import Tensors

SHARE = 0.5  # of the device's memory that data may take for good
PART_BYTES = 2**26  # taken to the device at a time


class Part(NamedTuple):
    """Data for some steps of an epoch.

    Attributes:
        data: on the device.
        order: (steps, ..., images_per_step) positions in ``data``.
        first: the number in the epoch of the first of these steps.
    """

    data: Tensors
    order: np.ndarray
    first: int


class TrainingData(Protocol):
    def part(self, order: np.ndarray, step: int) -> Part:
        """What holds a step of an epoch, whose ``order`` is (steps, ..., images_per_step)."""


class Resident:
    """Arrays that lie on the device.

    Args:
        arrays: of equal length.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self._data = backend.put(arrays)

    def part(self, order: np.ndarray, step: int) -> Part:
        return Part(self._data, order, 0)


class Streamed:
    """Arrays that stay where they are, e.g. memory-mapped files.

    A part of an epoch is gathered and taken to the device while the one before is trained on, so
    that two of them lie there. All parts have one shape, which is compiled once: the last step of
    an epoch is repeated, but not made, to fill the last.

    Args:
        arrays: of equal length.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        self._arrays = arrays
        self._distribution = keras.distribution.distribution()  # which other threads do not see
        self._reader = ThreadPoolExecutor(1, "training-data")
        self._order: np.ndarray | None = None
        self._parts: dict[int, Future[Part]] = {}

    def part(self, order: np.ndarray, step: int) -> Part:
        if order is not self._order:  # another epoch
            self._order, self._parts = order, {}
        bytes_per_image = sum(array[:1].nbytes for array in self._arrays.values())
        steps = max(1, min(PART_BYTES // (bytes_per_image * order[0].size), len(order)))
        number = step // steps
        last = (len(order) - 1) // steps
        self._parts = {
            i: self._parts.get(i) or self._reader.submit(self._read, order, i * steps, steps)
            for i in range(number, min(number + 1, last) + 1)
        }
        return self._parts[number].result()

    def _read(self, order: np.ndarray, first: int, steps: int) -> Part:
        positions = order[np.minimum(np.arange(first, first + steps), len(order) - 1)]
        rows = {name: array[positions.ravel()] for name, array in self._arrays.items()}
        local = np.arange(positions.size, dtype=np.int32).reshape(positions.shape)
        with self._distribution.scope() if self._distribution else nullcontext():
            return Part(backend.put(rows), local, first)


def place(arrays: Mapping[str, np.ndarray], streamed: bool | None) -> TrainingData:
    """Arrays as the Trainer takes them; streamed by default if the device can hardly hold them."""
    if streamed is None:
        memory = backend.memory()
        num_bytes = sum(array.nbytes for array in arrays.values())
        streamed = memory is not None and num_bytes > SHARE * memory
    return Streamed(arrays) if streamed else Resident(arrays)
