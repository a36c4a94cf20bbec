"""Many fits of one model in one program, on JAX."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from rgf_keras import archive, backend
from rgf_keras.errors import RgfError
from rgf_keras.models.base import Tensor
from rgf_keras.training.trainer import Trainer


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
        self._members: list[list[Tensor]] = []
        super().__init__(next(models), data, optimizers, seed=seeds[0], rows=rows[0], **options)
        self._advance = backend.compile_ensemble(
            self._update, self.variables, len(self.metric_names)
        )
        self._run = self._run_members
        self.restart_all(itertools.chain([self.model], models), seeds, rows, checkpoint_dir)

    def restart_all(
        self,
        models: Iterable[keras.Model],
        seeds: Sequence[int],
        rows: Sequence[np.ndarray],
        checkpoint_dir: str | Path | None = None,
    ) -> None:
        """Begin another training, as a new Ensemble would, with what is compiled already."""
        self._members = []
        for model in models:
            self._reset(model)
            self._members.append([ops.copy(variable.value) for variable in self.variables])
        self.seeds, self.rows_of = list(seeds), list(rows)
        self._check_members()
        self._begin(seeds[0], rows[0], checkpoint_dir)

    def members(self) -> Iterator[np.ndarray]:
        """Puts each member's (averaged) weights into the model in turn; yields its loss trace."""
        for i, values in enumerate(self._members):
            for variable, value in zip(self.variables, values, strict=True):
                variable.assign(ops.copy(value))
            with self.averaged_weights():
                yield self.history.steps[:, i]

    def _run_members(self, data, fixed, order, start, stop) -> np.ndarray:
        self._members, metrics = self._advance(self._members, data, fixed, order, start, stop)
        return metrics

    def _order(self, epoch: int) -> np.ndarray:
        orders = [
            self._shuffled(rows, seed, epoch)
            for rows, seed in zip(self.rows_of, self.seeds, strict=True)
        ]
        return np.stack(orders, axis=1)

    def _no_steps(self) -> np.ndarray:
        return np.zeros((0, len(self._members), len(self.metric_names)), np.float32)

    def _state(self) -> dict[str, np.ndarray]:
        return {
            f"{i:04d}/{j:04d}": ops.convert_to_numpy(value)
            for i, values in enumerate(self._members)
            for j, value in enumerate(values)
        }

    def _set_state(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._members = [
            [ops.convert_to_tensor(arrays[f"{i:04d}/{j:04d}"]) for j in range(len(values))]
            for i, values in enumerate(self._members)
        ]

    def _signature(self) -> dict[str, Any]:
        rows = {str(i): rows for i, rows in enumerate(self.rows_of)}
        members = {"seeds": self.seeds, "rows": archive.digest(rows)[:16]}
        return {**super()._signature(), "members": members}

    def _check_members(self) -> None:
        numbers = {len(self._members), len(self.seeds), len(self.rows_of)}
        if len(numbers) != 1:
            raise RgfError(
                "an ensemble needs as many models as seeds and rows, "
                f"received {len(self._members)}, {len(self.seeds)} and {len(self.rows_of)}"
            )
        steps = sorted({len(rows) // self.images_per_step for rows in self.rows_of})
        if len(steps) != 1:
            raise RgfError(
                f"members of an ensemble must have equally many steps per epoch, received {steps}"
            )
