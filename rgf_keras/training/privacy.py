"""Differentially private updates: DP-SGD (Abadi et al. 2016, algorithm 1)."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from rgf_keras import backend
from rgf_keras.models.arguments import require
from rgf_keras.models.base import Batch, Player, Tensor


@dataclass(frozen=True)
class Privacy:
    """Each image's gradient is clipped, and noise added to their sum (JAX only).

    Attributes:
        noise_multiplier: σ ≥ 0; the noise has the standard deviation σ · ``clip_norm``.
        clip_norm: C > 0, the largest Euclidean norm of an image's gradient over all variables.

    Raises:
        ArgumentError: σ < 0 or C ≤ 0.
    """

    noise_multiplier: float
    clip_norm: float

    def __post_init__(self) -> None:
        require(
            self.noise_multiplier >= 0 and self.clip_norm > 0,
            "privacy needs a noise_multiplier ≥ 0 and a clip_norm > 0, "
            f"received {self.noise_multiplier} and {self.clip_norm}",
        )

    def check(self, model: keras.Model, players: list[Player]) -> None:
        """Refuse a model of which an image's gradient cannot be had alone.

        Raises:
            RgfError: the backend is not JAX.
            ArgumentError: the model mixes images or draws within its loss.
        """
        backend.require_jax("differential privacy needs")
        name = type(model).__name__
        require(
            all(player.draw_noise for player in players),
            "differential privacy needs a VAE, or a diffusion model without dropout and augment, "
            f"not {name}",
        )
        require(
            not model.non_trainable_weights,
            "differential privacy needs a model without BatchNormalization, whose statistics mix "
            f"images, but {name} has it; use the architecture mlp or mnist_mlp",
        )

    def update(
        self,
        player: Player,
        batch: Batch,
        optimizer: keras.optimizers.Optimizer,
        noise: keras.random.SeedGenerator,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One update of a player with ``draw_noise``.

        The gradients' noise comes from ``noise``, whose state must be among the trained one's.

        Returns:
            The mean loss and its metrics, neither of them private.
        """
        num = len(batch["images"])
        assert player.draw_noise is not None
        batch = {**batch, **player.draw_noise(num)}

        def loss_fn(example: Batch) -> tuple[Tensor, Any]:
            loss = player.loss(example)
            return ops.mean(loss.per_example), loss.metrics

        each, losses, metrics = backend.per_example_gradients(loss_fn, batch, player.variables)
        gradients = [
            (total + self.noise_multiplier * self.clip_norm * normal) / num
            for total, normal in (
                (x, keras.random.normal(x.shape, seed=noise)) for x in self.clipped_sum(each)
            )
        ]
        optimizer.apply(gradients, player.variables)
        return ops.mean(losses), {name: ops.mean(values) for name, values in metrics.items()}

    def clipped_sum(self, gradients: list[Tensor]) -> list[Tensor]:
        """Sum over images of gradients, (n, ...) per variable, scaled to a norm of at most C."""
        squares = [ops.sum(ops.square(ops.reshape(g, (g.shape[0], -1))), axis=1) for g in gradients]
        norms = ops.sqrt(sum(squares))
        factors = self.clip_norm / ops.maximum(norms, self.clip_norm)
        return [ops.tensordot(factors, gradient, axes=1) for gradient in gradients]
