"""Generative adversarial networks (Goodfellow et al. 2014; convolutions as in DCGAN)."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from rgf_keras.models.base import Batch, GenerativeModel, Loss, Player
from rgf_keras.models.networks import conv_decoder, conv_encoder, mlp
from rgf_keras.models.pixels import to_float


@keras.saving.register_keras_serializable("rgf_keras")
class GAN(GenerativeModel):
    """A GAN with the non-saturating loss.

    The discriminator minimises softplus(−D(x)) + softplus(D(G(z))), the generator
    softplus(−D(G(z))) (Goodfellow et al. 2014, Algorithm 1 and the remark under Eq. 1). The first
    turn is the discriminator's; both draw their own latents.

    Args:
        image_shape: (H, W, C).
        architecture: ``"mlp"`` (dense layers) or ``"conv"`` (DCGAN-style).
        latent_dim: length of a latent vector.
        units: widths of the dense generator's hidden layers; the discriminator's are the reverse.
        width: of the convolutional networks (64 in DCGAN).
        batch_normalization: in the dense generator, which without it drops whole classes in short
            trainings; the convolutional one always has it.
        dropout: in the dense discriminator, in [0, 1).
        seed: of the weights and of everything random in training.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        architecture: Literal["mlp", "conv"] = "mlp",
        latent_dim: int = 64,
        units: Sequence[int] = (256, 512),
        width: int = 64,
        batch_normalization: bool = True,
        dropout: float = 0.0,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(image_shape, latent_dim, seed, **kwargs)
        self.architecture, self.units, self.width = architecture, tuple(units), width
        self.batch_normalization, self.dropout = batch_normalization, dropout
        if architecture == "mlp":
            pixels = int(np.prod(image_shape))
            body = mlp((latent_dim,), units, pixels, seed, 0.2, batch_normalization)
            self.discriminator = mlp(
                image_shape, units[::-1], 1, seed + 1, 0.2, dropout=dropout, name="discriminator"
            )
        else:
            body = conv_decoder(latent_dim, image_shape, width, seed)
            self.discriminator = conv_encoder(image_shape, width, 1, seed + 1, "discriminator")
        images = ops.tanh(ops.reshape(body.output, (-1, *image_shape)))
        self.generator = keras.Model(body.input, images, name="generator")

    def players(self) -> list[Player]:
        return [
            Player(
                "discriminator",
                self.discriminator.trainable_variables,
                self._discriminator_loss,
                ("real_logit", "generated_logit"),
            ),
            Player("generator", self.generator.trainable_variables, self._generator_loss),
        ]

    def _discriminator_loss(self, batch: Batch) -> Loss:
        real = batch["images"]
        generated = self.generator(self.latents(batch), training=True)
        # One pass over both halves costs less than two passes.
        logits = self.discriminator(ops.concatenate([real, generated]), training=True)
        real_logits, generated_logits = ops.split(logits, 2)
        generated_losses = ops.softplus(generated_logits)[:, 0]
        return Loss(
            per_example=ops.softplus(-real_logits)[:, 0] + generated_losses,
            tensors={
                "real_logits": real_logits,
                "generated_logits": generated_logits,
                "generated": generated,
                "generated_losses": generated_losses,
            },
            metrics={
                "real_logit": ops.mean(real_logits),
                "generated_logit": ops.mean(generated_logits),
            },
        )

    def _generator_loss(self, batch: Batch) -> Loss:
        generated = self.generator(self.latents(batch), training=True)
        losses = ops.softplus(-self.discriminator(generated, training=True))[:, 0]
        return Loss(losses, {"generated": generated, "generated_losses": losses})

    def real_loss(self, images: np.ndarray) -> np.ndarray:
        """The discriminator's loss softplus(−D(x)) against the label "real" (Figure 3).

        Args:
            images: (n, H, W, C) uint8.

        Returns:
            (n,) float32; log 2 where the discriminator is undecided.
        """
        logits = self.discriminator.predict(to_float(images), batch_size=500, verbose=0)
        return np.logaddexp(0.0, -logits[:, 0])

    def decode(self, latents: np.ndarray) -> np.ndarray:
        return self.generator.predict(latents, batch_size=500, verbose=0)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "architecture": self.architecture,
            "units": self.units,
            "width": self.width,
            "batch_normalization": self.batch_normalization,
            "dropout": self.dropout,
        }
