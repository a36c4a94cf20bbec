"""The networks of VAEs by name, with what goes with them unless told otherwise.

``mnist_mlp``, ``cifar_conv`` and ``celeba_conv`` are those of "On Memorization in Probabilistic
Deep Generative Models" (NeurIPS 2021), trained there with Adam, learning rate 1e-3, batches of 64.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
from keras import ops

from rgf_keras.image_sizes import require_at_most
from rgf_keras.models.base import Tensor
from rgf_keras.models.likelihoods import LikelihoodName, ObservationName
from rgf_keras.models.networks import conv_decoder, conv_encoder, mlp

ArchitectureName = Literal["mlp", "conv", "mnist_mlp", "cifar_conv", "celeba_conv"]
Kind = Literal["dense", "dcgan", "paper"]
Networks = tuple[keras.Model, keras.Model]


@dataclass(frozen=True)
class Architecture:
    """What a name stands for; see :class:`rgf_keras.models.VAE`, whose defaults these are.

    Attributes:
        kind: ``"dense"``, ``"dcgan"`` (strided convolutions for many sizes) or ``"paper"`` (strided
            convolutions for 32×32).
        latent_dim: length of a latent vector.
        likelihood: of the decoder.
        observation: what the likelihood is one of.
        units: widths of a dense encoder's hidden layers; the decoder's are the reverse.
        width: filters of a convolutional encoder's first layer.
        size: height and width to which smaller images are padded with zeros; None for none.
    """

    kind: Kind
    latent_dim: int
    likelihood: LikelihoodName = "bernoulli"
    observation: ObservationName = "pixels"
    units: tuple[int, ...] = ()
    width: int = 32
    size: int | None = None

    def padding(self, image_shape: Sequence[int]) -> tuple[tuple[int, int], ...]:
        """(before, after) in height and width, so that an image has at least this size.

        Raises:
            ArgumentError: a larger image than the convolutions are for.
        """
        height, width = image_shape[:2]
        if self.kind == "paper":
            require_at_most(self.size or 0, image_shape)
        missing = [max(0, (self.size or 0) - length) for length in (height, width)]
        return tuple((pad // 2, pad - pad // 2) for pad in missing)


ARCHITECTURES: dict[str, Architecture] = {
    "mlp": Architecture("dense", 16, units=(1024, 512, 256)),
    "conv": Architecture("dcgan", 16),
    "mnist_mlp": Architecture("dense", 16, "bernoulli", "binarized", units=(512, 256), size=32),
    "cifar_conv": Architecture("paper", 64, "diagonal_gaussian", "logit", size=32),
    "celeba_conv": Architecture("paper", 32, "gaussian", "logit", size=32),
}


def networks(
    kind: Kind,
    shape: Sequence[int],
    latent_dim: int,
    outputs_per_value: int,
    units: Sequence[int],
    width: int,
    seed: int,
) -> Networks:
    """An encoder (H, W, C) → (2 · latent_dim) and a decoder (latent_dim) → k blocks of H·W·C.

    ``shape`` is (H, W, C), ``outputs_per_value`` k; for the rest see :class:`Architecture`.
    """
    height, image_width, channels = shape
    if kind == "dense":
        outputs = outputs_per_value * int(np.prod(shape))
        encoder = mlp(shape, units, 2 * latent_dim, seed, name="encoder")
        return encoder, mlp((latent_dim,), units[::-1], outputs, seed + 1, name="decoder")
    maps, paper = (height, image_width, outputs_per_value * channels), kind == "paper"
    encoder = conv_encoder(shape, width, 2 * latent_dim, seed, "encoder", paper)
    body = conv_decoder(latent_dim, maps, width, seed + 1, paper)
    return encoder, keras.Model(body.input, _blocks(body.output, outputs_per_value), name="decoder")


def _blocks(maps: Tensor, num_blocks: int) -> Tensor:
    """Maps (n, H, W, k·C) as rows of k blocks, (n, k·H·W·C)."""
    size = int(np.prod(maps.shape[1:])) // num_blocks
    if num_blocks == 1:
        return ops.reshape(maps, (-1, size))
    blocks = ops.split(maps, num_blocks, axis=-1)
    return ops.concatenate([ops.reshape(block, (-1, size)) for block in blocks], axis=-1)
