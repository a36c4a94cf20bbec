"""Hooks on a player's loss. A strength is a number or a Keras schedule of the training step."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from keras import ops

from rgf_keras.errors import RgfError
from rgf_keras.models.base import Loss

Strength = float | Callable[[Any], Any]


class Regularizer(Protocol):
    """Changes the loss of one player's turn."""

    @property
    def player(self) -> str:
        """Whose turn."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the scalars it adds to :attr:`Loss.metrics`."""

    def __call__(self, loss: Loss, step: Any) -> Loss:
        """The loss with the regularizer's part, at a training step (an integer tensor)."""


@dataclass(frozen=True)
class SpectralDecoupling:
    """Adds (λ/2) · mean(ŷ²) of the discriminator's logits ŷ on real images.

    Pezeshki et al. 2021, used against memorization with λ = 0.8 in Frontiers in AI 2025. The papers
    write ‖ŷ‖²; the mean over the batch is ours, so that λ does not depend on the batch size.

    Args:
        weight: λ ≥ 0, a number or a schedule.
        player: whose loss; it must offer the tensor ``real_logits``.

    Raises:
        RgfError: λ < 0.
    """

    weight: Strength
    player: str = "discriminator"
    metrics: tuple[str, ...] = ("spectral_decoupling",)

    def __post_init__(self) -> None:
        if not callable(self.weight) and self.weight < 0:
            raise RgfError(f"spectral decoupling needs a weight ≥ 0, received {self.weight}")

    def __call__(self, loss: Loss, step: Any) -> Loss:
        weight = self.weight(step) if callable(self.weight) else self.weight
        penalty = weight / 2 * ops.mean(ops.square(loss.tensors["real_logits"]))
        return replace(
            loss,
            penalty=loss.penalty + penalty,
            metrics={**loss.metrics, "spectral_decoupling": penalty},
        )
