"""Generative adversarial networks (Goodfellow et al. 2014; convolutions as in DCGAN)."""

from collections.abc import Sequence
from typing import Literal, get_args

import keras
import numpy as np
from keras import ops

from rgf_keras.models.adversarial import NON_SATURATING, AdversarialModel
from rgf_keras.models.arguments import require_choice, require_range
from rgf_keras.models.base import Batch, Tensor
from rgf_keras.models.inference import infer
from rgf_keras.models.networks import conv_decoder, conv_encoder, mlp

Architecture = Literal["mlp", "conv"]


@keras.saving.register_keras_serializable("rgf_keras")
class GAN(AdversarialModel):
    """A GAN with the non-saturating loss.

    The discriminator minimises softplus(−D(x)) + softplus(D(G(z))), the generator
    softplus(−D(G(z))).

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

    Raises:
        ArgumentError: arguments out of range, or images that ``"conv"`` cannot take, see
            :func:`rgf_keras.models.networks.num_doublings`.
    """

    adversarial = NON_SATURATING

    def __init__(
        self,
        image_shape: Sequence[int],
        architecture: Architecture = "mlp",
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
        require_choice("architecture", architecture, get_args(Architecture))
        require_range("width", width, 1)
        require_range("dropout", dropout, 0, 1)
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

    def generate(self, noise: Batch) -> dict[str, Tensor]:
        return {"images": self.generator(noise["latents"], training=True)}

    def discriminate(self, *batches: Batch) -> Tensor:
        images = ops.concatenate([batch["images"] for batch in batches])
        return self.discriminator(images, training=True)

    def real_loss(self, images: np.ndarray) -> np.ndarray:
        """The discriminator's loss softplus(−D(x)) against the label "real" (Figure 3), (n,).

        Images are (n, H, W, C) uint8; the loss is log 2 where the discriminator is undecided.
        """
        logits = infer(self.discriminator, images)
        return np.logaddexp(0.0, -logits[:, 0])
