"""The networks of VAEs by name, with what goes with them unless told otherwise.

``mnist_mlp``, ``cifar_conv`` and ``celeba_conv`` are those of "On Memorization in Probabilistic
Deep Generative Models" (NeurIPS 2021), trained there with Adam, learning rate 1e-3, batches of 64.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
from keras import layers, ops

from rgf_keras.models.likelihoods import LikelihoodName, ObservationName
from rgf_keras.models.networks import conv_decoder, conv_encoder, initializers, mlp

ArchitectureName = Literal["mlp", "conv", "mnist_mlp", "cifar_conv", "celeba_conv"]
Networks = tuple[keras.Model, keras.Model]


@dataclass(frozen=True)
class Architecture:
    """What a name stands for.

    Args:
        kind: of networks, see :func:`networks`.
        latent_dim: length of a latent vector.
        likelihood: see :class:`rgf_keras.models.VAE`.
        observation: see :class:`rgf_keras.models.VAE`.
        units: widths of a dense encoder's hidden layers; the decoder's are the reverse.
        width: filters of a convolutional encoder's first layer.
        size: height and width to which smaller images are padded with zeros; None for none.
    """

    kind: Literal["dense", "dcgan", "paper"]
    latent_dim: int
    likelihood: LikelihoodName = "bernoulli"
    observation: ObservationName = "pixels"
    units: tuple[int, ...] = ()
    width: int = 32
    size: int | None = None


ARCHITECTURES: dict[str, Architecture] = {
    "mlp": Architecture("dense", 16, units=(1024, 512, 256)),
    "conv": Architecture("dcgan", 16),
    "mnist_mlp": Architecture("dense", 16, "bernoulli", "binarized", units=(512, 256), size=32),
    "cifar_conv": Architecture("paper", 64, "diagonal_gaussian", "logit", size=32),
    "celeba_conv": Architecture("paper", 32, "gaussian", "logit", size=32),
}


def networks(
    kind: Literal["dense", "dcgan", "paper"],
    shape: Sequence[int],
    latent_dim: int,
    outputs_per_value: int,
    units: Sequence[int],
    width: int,
    seed: int,
) -> Networks:
    """An encoder (H, W, C) → (2 · latent_dim) and a decoder (latent_dim) → (outputs · H·W·C).

    Args:
        kind: ``"dense"``, ``"dcgan"`` (strided convolutions for many sizes) or ``"paper"``
            (strided convolutions for 32×32).
        shape: (H, W, C) of what is observed.
        latent_dim: length of a latent vector.
        outputs_per_value: k of the decoder; its outputs are k blocks of H·W·C.
        units: of dense networks.
        width: of convolutional networks.
        seed: of the weights.
    """
    height, image_width, channels = shape
    if kind == "dense":
        outputs = outputs_per_value * int(np.prod(shape))
        encoder = mlp(shape, units, 2 * latent_dim, seed, name="encoder")
        return encoder, mlp((latent_dim,), units[::-1], outputs, seed + 1, name="decoder")
    maps = (height, image_width, outputs_per_value * channels)
    if kind == "dcgan":
        encoder = conv_encoder(shape, width, 2 * latent_dim, seed, "encoder")
        body = conv_decoder(latent_dim, maps, width, seed + 1)
    elif (height, image_width) == (32, 32):
        encoder = _paper_encoder(shape, latent_dim, width, seed)
        body = _paper_decoder(latent_dim, maps[-1], width, seed + 1)
    else:
        raise ValueError(f"this architecture is for 32×32, received {height}×{image_width}")
    return encoder, keras.Model(body.input, _blocks(body.output, outputs_per_value), name="decoder")


def _blocks(maps: Any, num_blocks: int) -> Any:
    """Maps (n, H, W, k·C) as rows of k blocks, (n, k·H·W·C)."""
    rows = [
        ops.reshape(block, (-1, int(np.prod(block.shape[1:]))))
        for block in (ops.split(maps, num_blocks, axis=-1) if num_blocks > 1 else [maps])
    ]
    return ops.concatenate(rows, axis=-1) if num_blocks > 1 else rows[0]


def _paper_encoder(shape: Sequence[int], latent_dim: int, width: int, seed: int) -> keras.Model:
    """4×4 convolutions of stride 2: width, 2, 4, 8 times it; LeakyReLU(0.2); no bias."""
    weights = initializers(seed)
    x = entry = keras.Input(tuple(shape))
    for level in range(4):
        x = layers.Conv2D(
            width * 2**level, 4, 2, padding="same", use_bias=False, kernel_initializer=next(weights)
        )(x)
        if level:
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Dense(2 * latent_dim, kernel_initializer=next(weights))(layers.Flatten()(x))
    return keras.Model(entry, x, name="encoder")


def _paper_decoder(latent_dim: int, channels: int, width: int, seed: int) -> keras.Model:
    """A transposed 2×2 convolution of a 1×1 map, then 4×4 ones of stride 2; ReLU; no bias."""
    weights = initializers(seed)
    x = entry = keras.Input((latent_dim,))
    x = layers.Reshape((1, 1, latent_dim))(x)
    sizes = [(8 * width, 2, 1, "valid"), *((f * width, 4, 2, "same") for f in (4, 2, 1))]
    for filters, kernel, stride, padding in sizes:
        x = layers.Conv2DTranspose(
            filters, kernel, stride, padding, use_bias=False, kernel_initializer=next(weights)
        )(x)
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
        x = layers.ReLU()(x)
    x = layers.Conv2DTranspose(
        channels, 4, 2, "same", use_bias=False, kernel_initializer=next(weights)
    )(x)
    return keras.Model(entry, x, name="decoder")
