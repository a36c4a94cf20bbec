"""Many fits of one model in one program, on JAX."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from rgf_keras import archive, backend
from rgf_keras.backend.protocol import Function, Members, Run
from rgf_keras.models.arguments import require
from rgf_keras.training.state import Order, State
from rgf_keras.training.trainer import Trainer


class EnsembleState(State):
    """E models' values of a state's variables, whose places they take in turn."""

    members: Members

    def begin(self, models: Iterable[keras.Model], orders: Sequence[Order]) -> None:
        self.members, self.orders = [], orders
        for model in models:
            self._reset(model)
            self.members.append([ops.copy(variable.value) for variable in self.variables])
        self.shape = (len(self.members),)
        require(
            len(self.members) == len(orders),
            "an ensemble needs as many models as seeds and rows, "
            f"received {len(self.members)}, {len(orders)} and {len(orders)}",
        )

    def compile(self, update: Function, num_metrics: int) -> Run:
        advance = backend.compile_ensemble(update, self.variables, num_metrics)

        def run(data, fixed, order, start, stop):
            self.members, metrics = advance(self.members, data, fixed, order, start, stop)
            return metrics

        return run

    def traces(self, steps: np.ndarray) -> Iterator[np.ndarray]:
        for i, values in enumerate(self.members):
            for variable, value in zip(self.variables, values, strict=True):
                variable.assign(ops.copy(value))
            with self.averaged_weights():
                yield steps[:, i]

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            f"{i:04d}/{j:04d}": ops.convert_to_numpy(value)
            for i, values in enumerate(self.members)
            for j, value in enumerate(values)
        }

    def assign(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.members = [
            [ops.convert_to_tensor(arrays[f"{i:04d}/{j:04d}"]) for j in range(len(values))]
            for i, values in enumerate(self.members)
        ]

    def signature(self) -> dict[str, Any]:
        rows = archive.digest({str(i): order.rows for i, order in enumerate(self.orders)})
        members = {"seeds": [order.seed for order in self.orders], "rows": rows[:16]}
        return {**super().signature(), "members": members}


class ForEachMember(keras.callbacks.Callback):
    """Callbacks that look at a model when an epoch ends, for every member of an ensemble.

    What they add to the logs is there by the member's number: ``3/real_loss/f0``.

    Args:
        trainer: of the members.
        callbacks: of which ``on_epoch_end`` alone is called.
    """

    def __init__(self, trainer: "Ensemble", callbacks: Sequence[keras.callbacks.Callback]):
        super().__init__()
        self.trainer, self.callbacks = trainer, callbacks

    def on_epoch_end(self, epoch, logs=None):
        for number, _ in enumerate(self.trainer.members()):
            own: dict[str, float] = {}
            for callback in self.callbacks:
                callback.set_model(self.model)
                callback.on_epoch_end(epoch, own)
            logs.update({f"{number}/{name}": value for name, value in own.items()})


class Ensemble(Trainer):
    """Trains models that differ in their weights, seeds and training images, all at once.

    It is a :class:`Trainer` with E times the state: every member has its own weights, random
    generators, optimizer state and data order, and ends where a Trainer of its own would have
    taken it (up to rounding on an accelerator, exactly on a CPU). All are kept in one checkpoint.
    The history's steps are (num_steps, E, num_metrics) and its epochs hold the members' means;
    :meth:`members` tells them apart.

    Args:
        models: E models alike in architecture. The first one serves as the place where a member's
            weights are put when they are needed; of the others only the state is kept, so they may
            come from a generator.
        data: as for the Trainer; one copy on the device serves all members.
        optimizers: one per player's name, as every member has them in the beginning.
        seeds: E seeds of the data orders.
        rows: E arrays of positions in ``data``, what each member is trained on. All must give the
            same number of steps per epoch.
        checkpoint_dir: where checkpoints go; None for none.
        options: of the Trainer.

    Raises:
        RgfError: another backend than JAX; numbers of models, seeds and rows that differ; members
            with unequal numbers of steps; what the Trainer refuses.
    """

    _state_class = EnsembleState

    def __init__(
        self,
        models: Iterable[keras.Model],
        data: Mapping[str, np.ndarray],
        optimizers: Mapping[str, keras.optimizers.Optimizer],
        seeds: Sequence[int],
        rows: Sequence[np.ndarray],
        checkpoint_dir: str | Path | None = None,
        **options: Any,
    ):
        models = iter(models)
        super().__init__(next(models), data, optimizers, seed=seeds[0], rows=rows[0], **options)
        self.restart_all(itertools.chain([self.model], models), seeds, rows, checkpoint_dir)

    def restart_all(
        self,
        models: Iterable[keras.Model],
        seeds: Sequence[int],
        rows: Sequence[np.ndarray],
        checkpoint_dir: str | Path | None = None,
    ) -> None:
        """Begin another training, as a new Ensemble would, with what is compiled already."""
        require(
            len(seeds) == len(rows),
            f"an ensemble needs as many seeds as rows, received {len(seeds)} and {len(rows)}",
        )
        steps = sorted({len(positions) // self.images_per_step for positions in rows})
        require(
            len(steps) == 1,
            f"members of an ensemble must have equally many steps per epoch, received {steps}",
        )
        orders = [Order(positions, seed) for positions, seed in zip(rows, seeds, strict=True)]
        self._begin(models, orders, checkpoint_dir)
