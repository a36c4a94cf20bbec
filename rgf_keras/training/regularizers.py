"""Hooks on a player's loss. A strength is a number or a Keras schedule of the training step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

import keras
import numpy as np
from keras import ops
from keras.optimizers import schedules

from rgf_keras.models.arguments import require, require_choice
from rgf_keras.models.base import Batch, Loss, Tensor

Strength = float | Callable[[Tensor], Tensor]
Shape = Literal["constant", "linear", "cosine"]
Reduction = Literal["mean", "sum"]


class Regularizer:
    """Changes the loss of one player's turn.

    Attributes:
        player: whose turn.
        metrics: names of the scalars it adds to :attr:`Loss.metrics`.
        arrays: what it needs on the device, by name; a batch holds them under these names.
        may_skip: whether it may set :attr:`Loss.update`.
        variables: what it remembers from step to step; kept in checkpoints with all other state.
    """

    player: str
    metrics: tuple[str, ...] = ()
    arrays: Mapping[str, np.ndarray] = MappingProxyType({})
    may_skip: bool = False
    variables: Sequence[keras.Variable] = ()

    def before(self, model: keras.Model, batch: Batch, step: Tensor) -> Batch:
        """The batch, perhaps with more in it, before the player's loss is computed."""
        return batch

    def __call__(self, loss: Loss, batch: Batch, step: Tensor) -> Loss:
        """The loss with the regularizer's part, at a training step (an integer tensor)."""
        raise NotImplementedError

    def after(self, metrics: Mapping[str, Tensor]) -> None:
        """Change its variables when a step is made, by the metrics of that step's loss."""


def at(strength: Strength, step: Tensor) -> Tensor:
    """A strength's value at a training step."""
    return strength(step) if callable(strength) else strength


@dataclass(frozen=True)
class SpectralDecoupling(Regularizer):
    """Adds (λ/2) · mean(ŷ²) of the discriminator's logits ŷ on real images.

    Pezeshki et al. 2021, used against memorization with λ = 0.8 in Frontiers in AI 2025. The papers
    write ‖ŷ‖², to the letter a sum over the batch, which at a batch of 64 is 64 times as strong:
    with λ = 0.8 a GAN then drew next to nothing. The code of the first has the mean, so that λ
    does not depend on the batch size.

    Attributes:
        weight: λ ≥ 0, a number or a schedule.
        player: whose loss; it must offer the tensor ``real_logits``.
        metrics: what it logs.
        reduction: ``"mean"`` or ``"sum"`` over the batch.

    Raises:
        ArgumentError: λ < 0, or another reduction.
    """

    weight: Strength
    player: str = "discriminator"
    metrics: tuple[str, ...] = ("spectral_decoupling",)
    reduction: Reduction = "mean"

    def __post_init__(self) -> None:
        require(
            callable(self.weight) or self.weight >= 0,
            f"spectral decoupling needs a weight ≥ 0, received {self.weight}",
        )
        require_choice("reduction", self.reduction, get_args(Reduction))

    def __call__(self, loss: Loss, batch: Batch, step: Tensor) -> Loss:
        reduce = ops.sum if self.reduction == "sum" else ops.mean
        penalty = at(self.weight, step) / 2 * reduce(ops.square(loss.tensors["real_logits"]))
        return replace(
            loss,
            penalty=loss.penalty + penalty,
            metrics={**loss.metrics, "spectral_decoupling": penalty},
        )


def until(value: float, stop_step: int, shape: Shape = "constant"):
    """A strength that starts at ``value`` and is 0 (up to rounding) from ``stop_step`` on.

    Args:
        value: strength at step 0.
        stop_step: first step (counted from 0) without it; epochs times steps per epoch.
        shape: ``"constant"`` until then (the paper's), or a ``"linear"`` or ``"cosine"`` decay.

    Returns:
        A ``keras.optimizers.schedules.LearningRateSchedule``, or 0.0 if ``stop_step`` is 0.
    """
    if stop_step < 1:
        return 0.0
    if shape == "constant":
        return schedules.PiecewiseConstantDecay([stop_step - 1], [value, 0.0])
    if shape == "linear":
        return schedules.PolynomialDecay(value, stop_step, end_learning_rate=0.0)
    return schedules.CosineDecay(value, stop_step, alpha=0.0)


def after(value: float, start_step: int, before: float = 0.0):
    """A strength that is ``value`` from ``start_step`` (counted from 0) on, and ``before`` before.

    Returns:
        A ``keras.optimizers.schedules.LearningRateSchedule``, or ``value`` if ``start_step`` is 0.
    """
    if start_step < 1:
        return value
    return schedules.PiecewiseConstantDecay([start_step - 1], [before, value])
