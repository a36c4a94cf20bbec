"""The only training loop. It knows players and their losses, never a model family."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from rgf_keras import archive, backend
from rgf_keras.errors import Diverged, RgfError
from rgf_keras.models.arguments import require
from rgf_keras.models.base import Batch, Loss, Player, Tensor, to_float
from rgf_keras.training.privacy import Privacy
from rgf_keras.training.regularizers import Regularizer
from rgf_keras.training.state import Checkpoints, Order, State
from rgf_keras.training.streaming import place

# One call into the fused loop should take about this long: long enough that Python costs nothing,
# short enough that progress moves and an interrupt is answered.
SECONDS_PER_CALL = 1.0


@dataclass
class History:
    """What training did.

    Attributes:
        names: the metrics' names, e.g. ``loss/discriminator``.
        steps: (num_steps, num_metrics) float32, one row per step.
        epochs: one dict per epoch: the metrics' means and what callbacks added to the logs.
    """

    names: list[str]
    steps: np.ndarray
    epochs: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """Trains the players of a model, each with its own optimizer.

    Each step gives every player its turns, in order. Every turn takes a batch; a player with fewer
    turns than another sees the first ones. An epoch is one pass in a fresh order that depends on
    ``seed`` and the epoch's number alone; images that do not fill a step wait for another epoch.

    With ``checkpoint_dir`` a run that was killed continues where its newest whole checkpoint was
    written, and ends with the same loss trace and weights as a run that was not.

    Under ``keras.distribution`` (on JAX), set before the model is made, devices share each batch;
    losses and weights are those of one device but for the order of sums.

    Args:
        model: anything with ``players()`` and Keras ``variables``.
        data: arrays of equal length N. ``images`` (N, H, W, C) uint8 reach the losses as float32
            in [−1, 1]; other arrays as they are.
        optimizers: one per player's name. The Trainer builds them; do not share one.
        batch_size: images per turn.
        seed: of the data order.
        rows: (n,) positions in ``data`` of what to train on; all of it if None.
        regularizers: applied in order, each to its player's loss.
        turns: by player's name, turns per step if more than one, e.g. 5 for a discriminator.
        privacy: if given, updates are differentially private; the noise comes from the model's
            random state.
        ema_decay: if given, keeps a moving average of the trainable weights, see
            :meth:`averaged_weights`.
        ema_start: the first step (counted from 0) that the average remembers; until then it is
            the weights themselves.
        checkpoint_dir: where checkpoints go; None for none.
        checkpoint_seconds: time between checkpoints; one is also written at the end.
        streamed: whether data stays where it is, e.g. in a memory-mapped file, and is taken to the
            device in parts, in the same order and to the same end; if None, data that would take
            more than half of the device's memory.

    Raises:
        ArgumentError: data of unequal length or too little for a step, an optimizer missing or
            unknown, a regularizer or turns for a player that the model does not have, privacy that
            the model cannot give.
        RgfError: privacy that the backend cannot give.
    """

    _state_class = State

    def __init__(
        self,
        model: keras.Model,
        data: Mapping[str, np.ndarray],
        optimizers: Mapping[str, keras.optimizers.Optimizer],
        batch_size: int = 64,
        seed: int = 0,
        rows: np.ndarray | None = None,
        regularizers: Sequence[Regularizer] = (),
        turns: Mapping[str, int] | None = None,
        privacy: Privacy | None = None,
        ema_decay: float | None = None,
        ema_start: int = 0,
        checkpoint_dir: str | Path | None = None,
        checkpoint_seconds: float = 30.0,
        streamed: bool | None = None,
    ):
        self.model = model
        self.players: list[Player] = model.players()
        self.optimizers = dict(optimizers)
        self.regularizers = list(regularizers)
        self.turns = {player.name: 1 for player in self.players} | dict(turns or {})
        self.batch_size, self.privacy = batch_size, privacy
        self._distribution = keras.distribution.distribution()
        self.ema_decay, self.ema_start = ema_decay, ema_start
        self.checkpoint_seconds = checkpoint_seconds
        self._check(data)
        self._arrays = data
        self.num_images = len(data["images"])
        self.images_per_step = batch_size * max(self.turns.values())

        in_order = [self.optimizers[player.name] for player in self.players]
        for player, optimizer in zip(self.players, in_order, strict=True):
            optimizer.build(player.variables)
        remembered = [variable for hook in self.regularizers for variable in hook.variables]
        self.state = self._state_class(model, in_order, ema_decay is not None, remembered)
        self.variables, self.averages = self.state.variables, self.state.averages
        self.metric_names = [name for player in self.players for name in self._names(player)]
        self._run = self.state.compile(self._update, len(self.metric_names))
        self.restart(model, seed, rows, checkpoint_dir)
        self._data = place(data, streamed)
        self._fixed = backend.put(
            {name: array for hook in self.regularizers for name, array in hook.arrays.items()}
        )

    def restart(
        self,
        model: keras.Model,
        seed: int,
        rows: np.ndarray | None = None,
        checkpoint_dir: str | Path | None = None,
    ) -> None:
        """Begin another training, as a new Trainer would, with what is compiled already.

        The model is one whose weights and random state to begin with; it may be discarded.
        """
        rows = np.arange(self.num_images) if rows is None else rows
        self._begin([model], [Order(rows, seed)], checkpoint_dir)

    def _begin(
        self,
        models: Iterable[keras.Model],
        orders: Sequence[Order],
        checkpoint_dir: str | Path | None,
    ) -> None:
        num_images = len(orders[0].rows)
        most = num_images // max(self.turns.values())
        require(
            1 <= self.batch_size <= most,
            f"batch_size must lie in [1, {most}], the number of images for a player's turn, "
            f"received {self.batch_size}",
        )
        self.steps_per_epoch = num_images // self.images_per_step
        self.state.begin(models, orders)
        no_steps = np.zeros((0, *self.state.shape, len(self.metric_names)), np.float32)
        self.history = History(self.metric_names, no_steps)
        self.checkpoints = Checkpoints(checkpoint_dir) if checkpoint_dir else None
        if self.checkpoints and (latest := self.checkpoints.latest()):
            self._restore(*latest)

    def fit(self, epochs: int, callbacks: Iterable[keras.callbacks.Callback] = ()) -> History:
        """Train until ``epochs`` epochs are done in all, those before a resume included.

        Callbacks are Keras callbacks. As steps are fused, ``on_train_batch_end(batch)`` is called
        once per fused call, with the number of the last step in the epoch; what a callback adds to
        the ``logs`` of ``on_epoch_end`` is kept in the history. With ``ema_decay`` the model has
        its averaged weights during ``on_epoch_end``. ``model.stop_training`` is obeyed.

        Raises:
            Diverged: a loss is not finite.
        """
        callbacks = list(callbacks)
        for callback in callbacks:
            callback.set_params({"epochs": epochs, "steps": self.steps_per_epoch})
            callback.set_model(self.model)
            callback.on_train_begin()
        self.model.stop_training = False
        self._saved_at = time.monotonic()
        while len(self.history.epochs) < epochs and not self.model.stop_training:
            self._epoch(len(self.history.epochs), callbacks)
        self._save()
        for callback in callbacks:
            callback.on_train_end(self.history.epochs[-1] if self.history.epochs else {})
        return self.history

    def averaged_weights(self) -> AbstractContextManager[None]:
        """Inside, the model has its moving-average weights (its own ones without ``ema_decay``)."""
        return self.state.averaged_weights()

    def members(self) -> Iterator[np.ndarray]:
        """Puts each trained model's (averaged) weights into the model in turn: here, of one.

        Yields its loss trace so far, (num_steps, num_metrics) float32.
        """
        return self.state.traces(self.history.steps)

    def _epoch(self, epoch: int, callbacks: list[keras.callbacks.Callback]) -> None:
        for callback in callbacks:
            callback.on_epoch_begin(epoch)
        order = self.state.order(epoch, self.images_per_step)
        start = len(self.history.steps) - epoch * self.steps_per_epoch
        chunk = 1
        while start < self.steps_per_epoch:
            began = time.monotonic()
            data, positions, first = self._data.part(order, start)
            stop = min(start + chunk, first + len(positions), self.steps_per_epoch)
            self._record(self._run(data, self._fixed, positions, start - first, stop - first))
            chunk = self._next_chunk(chunk, time.monotonic() - began)
            start = stop
            for callback in callbacks:
                callback.on_train_batch_end(start - 1)
            if start < self.steps_per_epoch:
                self._save_if_due()
        rows = self.history.steps[epoch * self.steps_per_epoch :]
        means = rows.reshape(-1, len(self.metric_names)).mean(axis=0, dtype=np.float64)
        logs = dict(zip(self.metric_names, means.tolist(), strict=True))
        with self.averaged_weights():
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs)
        self.history.epochs.append(logs)
        self._save_if_due()

    def _next_chunk(self, chunk: int, seconds: float) -> int:
        """Grow at most fourfold a call: the first call includes the compilation."""
        return int(np.clip(chunk * SECONDS_PER_CALL / max(seconds, 1e-4), 1, 4 * chunk))

    def _record(self, rows: np.ndarray) -> None:
        bad = np.argwhere(~np.isfinite(rows))
        if len(bad):
            row, *_, column = bad[0]
            raise Diverged(self.metric_names[column], len(self.history.steps) + int(row))
        self.history.steps = np.concatenate([self.history.steps, rows])

    def _hooks(self, player: Player) -> list[Regularizer]:
        return [hook for hook in self.regularizers if hook.player == player.name]

    def _names(self, player: Player) -> list[str]:
        extra = [*player.metrics, *(name for hook in self._hooks(player) for name in hook.metrics)]
        return [f"loss/{player.name}", *(f"{player.name}/{name}" for name in extra)]

    def _update(self, batch: Mapping[str, Tensor]) -> Tensor:
        batch = {**batch, "images": to_float(batch["images"])}
        metrics: dict[str, Tensor] = {}
        for player in self.players:
            num_turns = self.turns[player.name]
            turns = [self._turn(player, self._part(batch, i)) for i in range(num_turns)]
            metrics |= {name: sum(turn[name] for turn in turns) / len(turns) for name in turns[0]}
        if self.ema_decay is not None:
            self.state.move_averages(self.ema_decay, self.ema_start)
        self.state.step.assign_add(1)
        return ops.stack([ops.cast(metrics[name], "float32") for name in self.metric_names])

    def _part(self, batch: Batch, turn: int) -> Batch:
        """The batch of one of a step's turns."""
        rows = slice(turn * self.batch_size, (turn + 1) * self.batch_size)
        return {
            name: x if name in self._fixed else self._distribute(x[rows])
            for name, x in batch.items()
        }

    def _distribute(self, x: Tensor) -> Tensor:
        """Each device's share of a turn's images."""
        if self._distribution is None:
            return x
        layout = self._distribution.get_data_layout(x.shape)
        return keras.distribution.distribute_tensor(x, layout)

    def _turn(self, player: Player, batch: Batch) -> dict[str, Tensor]:
        optimizer = self.optimizers[player.name]
        if self.privacy:
            total, metrics = self.privacy.update(player, batch, optimizer, self.model.noise)
            return _name(player, total, metrics)
        hooks = self._hooks(player)
        for hook in hooks:
            batch = hook.before(self.model, batch, self.state.step.value)

        def loss_fn() -> tuple[Tensor, tuple[dict[str, Tensor], Tensor | None]]:
            loss: Loss = player.loss(batch)
            for hook in hooks:
                loss = hook(loss, batch, self.state.step.value)
            return ops.mean(loss.per_example) + loss.penalty, (dict(loss.metrics), loss.update)

        may_skip = any(hook.may_skip for hook in hooks)
        state = [*player.variables, *optimizer.variables] if may_skip else []
        before = [ops.copy(variable.value) for variable in state]
        total, (metrics, update) = backend.minimize(loss_fn, player.variables, optimizer)
        for variable, old in zip(state, before, strict=True):
            variable.assign(ops.where(update, variable.value, old))
        for hook in hooks:
            hook.after(metrics)
        return _name(player, total, metrics)

    def _save_if_due(self) -> None:
        if time.monotonic() - self._saved_at >= self.checkpoint_seconds:
            self._save()

    def _save(self) -> None:
        if self.checkpoints is None:
            return
        header = {
            "variables": self._signature(),
            "data": self._digest,
            "epochs": self.history.epochs,
        }
        arrays = {**self.state.arrays(), "steps": self.history.steps}
        self.checkpoints.save(len(self.history.steps), arrays, header)
        self._saved_at = time.monotonic()

    def _restore(self, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
        is_other_data = header.get("data", self._digest) != self._digest  # none before 0.2
        if is_other_data or header["variables"] != self._signature():
            assert self.checkpoints is not None
            owner = "other images" if is_other_data else "another model, configuration or backend"
            raise RgfError(
                f"the checkpoint in {self.checkpoints.folder} belongs to {owner}; use another "
                "folder, or move that one away"
            )
        self.state.assign(arrays)
        self.history.steps = arrays["steps"]
        self.history.epochs = header["epochs"]

    @cached_property
    def _digest(self) -> str:
        """A hash of what is trained on."""
        return archive.digest(self._arrays)[:16]

    def _signature(self) -> dict[str, Any]:
        """What must agree before a checkpoint may be continued."""
        order = self.state.orders[0]
        return {
            **self.state.signature(),
            "metrics": self.metric_names,
            "backend": keras.backend.backend(),
            "data": [len(order.rows), self.batch_size, order.seed, self.turns],
        }

    def _check(self, data: Mapping[str, np.ndarray]) -> None:
        names = [player.name for player in self.players]
        lengths = {name: len(array) for name, array in data.items()}
        require(
            len(set(lengths.values())) == 1,
            f"the data's arrays must have equal length, received {lengths}",
        )
        require(
            set(self.turns) == set(names) and min(self.turns.values()) >= 1,
            f"turns must be at least 1, of {names}, received {self.turns}",
        )
        require(
            set(self.optimizers) == set(names),
            f"optimizers must be given for {names}, received {[*self.optimizers]}",
        )
        for hook in self.regularizers:
            require(
                hook.player in names,
                f"{type(hook).__name__} needs the player '{hook.player}', "
                f"but {type(self.model).__name__} has {names}",
            )
        devices = 1 if self._distribution is None else self._distribution.num_model_replicas
        require(
            self.batch_size % devices == 0,
            f"batch_size must be a multiple of {devices}, the number of devices that share it "
            f"(keras.distribution), received {self.batch_size}",
        )
        if self.privacy:
            excess = "privacy and regularizers exclude each other; leave out one of them"
            require(not self.regularizers, excess)
            self.privacy.check(self.model, self.players)


def _name(player: Player, total: Tensor, metrics: Mapping[str, Tensor]) -> dict[str, Tensor]:
    named = {f"{player.name}/{name}": value for name, value in metrics.items()}
    return {f"loss/{player.name}": total, **named}
