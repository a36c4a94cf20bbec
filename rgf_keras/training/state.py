"""The state of a training: what updates change, the order of images, and checkpoints of both."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from rgf_keras import archive, backend
from rgf_keras.backend.protocol import Function, Run
from rgf_keras.errors import RgfError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """In which order a model sees its images: a fresh one in every epoch.

    Attributes:
        rows: (n,) positions in the data of what to train on.
        seed: the order depends on it and the epoch's number alone.
    """

    rows: np.ndarray
    seed: int

    def epoch(self, number: int, images_per_step: int) -> np.ndarray:
        """Positions (steps, images_per_step) int32; images that do not fill a step are left out."""
        steps = len(self.rows) // images_per_step
        order = self.rows[np.random.default_rng([self.seed, number]).permutation(len(self.rows))]
        return order[: steps * images_per_step].reshape(steps, images_per_step).astype(np.int32)


class State:
    """All that training changes of a model, its optimizers, and the average of its weights.

    Args:
        model: whose variables the state lies in.
        optimizers: built, one per player.
        averaged: whether to keep a moving average of the trainable weights.
        others: further variables that start as they are.

    Attributes:
        variables: all of it; on JAX a variable left out would stay frozen.
        step: how many steps are done.
        averages: of the trainable weights.
        orders: of each model.
        shape: () for one model, (E,) for an ensemble.
    """

    shape: tuple[int, ...] = ()

    def __init__(
        self,
        model: keras.Model,
        optimizers: Sequence[keras.optimizers.Optimizer],
        averaged: bool,
        others: Sequence[keras.Variable] = (),
    ):
        self.model = model
        self.slots = [*(v for optimizer in optimizers for v in optimizer.variables), *others]
        self._slots_at_start = [ops.convert_to_numpy(v.value) for v in self.slots]
        self.step = keras.Variable(0, dtype="int32", trainable=False, name="step")
        self.averages = [
            keras.Variable(ops.copy(v.value), trainable=False, name=f"average_{i}")
            for i, v in enumerate(model.trainable_variables if averaged else [])
        ]
        self.variables = [*model.variables, *self.slots, *self.averages, self.step]
        self.orders: Sequence[Order] = ()

    def begin(self, models: Iterable[keras.Model], orders: Sequence[Order]) -> None:
        """Start as models that are new, one for each order; they may be discarded."""
        (model,) = models
        self.orders = orders
        self._reset(model)

    def compile(self, update: Function, num_metrics: int) -> Run:
        """Fuse updates of this state, see :meth:`rgf_keras.backend.protocol.Backend.compile`."""
        return backend.compile(update, self.variables, num_metrics)

    def order(self, epoch: int, images_per_step: int) -> np.ndarray:
        """Positions in the data, (steps, *shape, images_per_step) int32."""
        orders = np.stack([order.epoch(epoch, images_per_step) for order in self.orders], axis=1)
        return orders.reshape(len(orders), *self.shape, images_per_step)

    def traces(self, steps: np.ndarray) -> Iterator[np.ndarray]:
        """Puts each model's averaged weights into the model in turn; yields its part of steps."""
        with self.averaged_weights():
            yield steps

    def move_averages(self, decay: float, start: int) -> None:
        """One step of the moving averages, which begin at the step ``start``."""
        rate = ops.where(self.step.value < start, 1.0, 1.0 - decay)
        for average, variable in zip(self.averages, self.model.trainable_variables, strict=True):
            average.assign(average + rate * (variable - average))

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Inside, the model has its averaged weights, if there are any."""
        pairs = [*zip(self.model.trainable_variables, self.averages, strict=False)]
        weights = [ops.copy(variable.value) for variable, _ in pairs]
        for variable, average in pairs:
            variable.assign(ops.copy(average.value))
        try:
            yield
        finally:
            for (variable, _), value in zip(pairs, weights, strict=True):
                variable.assign(value)

    def arrays(self) -> dict[str, np.ndarray]:
        """What a checkpoint holds."""
        return {f"{i:04d}": ops.convert_to_numpy(v.value) for i, v in enumerate(self.variables)}

    def assign(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take :meth:`arrays` back."""
        for i, variable in enumerate(self.variables):
            variable.assign(arrays[f"{i:04d}"])

    def signature(self) -> dict[str, Any]:
        """What must agree before a checkpoint may be continued.

        Not the variables' names: Keras numbers layers by how many the process has made before.
        """
        return {
            "variables": [[list(v.shape), str(v.dtype)] for v in self.variables],
            "rows": archive.digest({"rows": self.orders[0].rows})[:16],
        }

    def _reset(self, model: keras.Model) -> None:
        for variable, other in zip(self.model.variables, model.variables, strict=True):
            variable.assign(ops.copy(other.value))
        for variable, value in zip(self.slots, self._slots_at_start, strict=True):
            variable.assign(value)
        weights = self.model.trainable_variables[: len(self.averages)]
        for average, weight in zip(self.averages, weights, strict=True):
            average.assign(ops.copy(weight.value))
        self.step.assign(0)


class Checkpoints:
    """The last few checkpoints of one run, in one folder: atomic, checksummed, never only one.

    Args:
        folder: made when the first checkpoint is written.
        keep: how many to keep.
    """

    def __init__(self, folder: str | Path, keep: int = 2):
        self.folder, self.keep = Path(folder), keep

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.npz"))

    def save(self, step: int, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> Path:
        """Write one, then drop the oldest beyond ``keep``."""
        path = archive.save(self.folder / f"step-{step:09d}.npz", arrays, header)
        for old in self._paths()[: -self.keep]:
            old.unlink()
        return path

    def latest(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """The newest one that is whole, or None; damaged ones are passed over with a warning."""
        for path in reversed(self._paths()):
            try:
                return archive.load(path)
            except RgfError as error:
                logger.warning("falling back to the previous checkpoint: %s", error)
        return None
