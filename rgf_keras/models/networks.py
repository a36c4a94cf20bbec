"""The networks that VAE, GAN and oracle are made of."""

from collections.abc import Iterator, Sequence
from functools import partial

import keras
import numpy as np
from keras import layers

from rgf_keras.image_sizes import num_doublings

PAPER_LEVELS = 4  # 32 = 2 · 2⁴


def mlp(
    input_shape: Sequence[int],
    units: Sequence[int],
    outputs: int,
    seed: int,
    negative_slope: float = 0.0,
    batch_normalization: bool = False,
    dropout: float = 0.0,
    name: str | None = None,
) -> keras.Model:
    """Dense layers with (leaky) ReLU, of so many units, and a linear output.

    Inputs are (H, W, C), which are flattened, or (latent_dim,). Batch normalization comes before
    the activations, dropout after them.
    """
    weights = initializers(seed)
    x = entry = keras.Input(tuple(input_shape))
    if len(input_shape) > 1:
        x = layers.Flatten()(x)
    for width in units:
        x = layers.Dense(width, kernel_initializer=next(weights))(x)
        if batch_normalization:
            x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.LeakyReLU(negative_slope)(x) if negative_slope else layers.ReLU()(x)
        if dropout:
            x = layers.Dropout(dropout, seed=seed)(x)
    x = layers.Dense(outputs, kernel_initializer=next(weights))(x)
    return keras.Model(entry, x, name=name)


def conv_encoder(
    image_shape: Sequence[int],
    width: int,
    outputs: int,
    seed: int,
    name: str | None = None,
    paper: bool = False,
) -> keras.Model:
    """4×4 convolutions of stride 2 with 1, 2, 4, ... times ``width`` filters, then a linear layer.

    DCGAN's discriminator without normalization: with batch statistics, real and generated images
    could not share one batch. Sizes are those of :func:`num_doublings`. ``paper`` is for the VAEs
    of :mod:`rgf_keras.models.architectures` at 32×32: four convolutions, normalization, no biases.
    """
    weights = initializers(seed)
    x = entry = keras.Input(tuple(image_shape))
    conv = partial(layers.Conv2D, kernel_size=4, strides=2, padding="same", use_bias=not paper)
    for level in range(PAPER_LEVELS if paper else num_doublings(image_shape)):
        x = conv(width * 2**level, kernel_initializer=next(weights))(x)
        if paper and level:
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Dense(outputs, kernel_initializer=next(weights))(layers.Flatten()(x))
    return keras.Model(entry, x, name=name)


def conv_decoder(
    latent_dim: int, image_shape: Sequence[int], width: int, seed: int, paper: bool = False
) -> keras.Model:
    """DCGAN's generator: a linear layer, then transposed 4×4 convolutions with BatchNorm and ReLU.

    The output is linear, and the last convolution but one has ``width`` filters. ``paper`` as for
    :func:`conv_encoder`, from 1×1 by a transposed 2×2 convolution instead of the linear layer.
    """
    weights = initializers(seed)
    levels = PAPER_LEVELS if paper else num_doublings(image_shape)
    height, image_width, channels = image_shape
    base = (height // 2**levels, image_width // 2**levels, width * 2 ** (levels - 1))
    conv = partial(layers.Conv2DTranspose, use_bias=not paper)
    x = entry = keras.Input((latent_dim,))
    if paper:
        x = layers.Reshape((1, 1, latent_dim))(x)
        x = conv(base[-1], base[0], kernel_initializer=next(weights))(x)
    else:
        x = layers.Dense(int(np.prod(base)), kernel_initializer=next(weights))(x)
        x = layers.Reshape(base)(x)
    for filters in [*(width * 2**level for level in reversed(range(levels - 1))), channels]:
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5 if paper else 1e-3)(x)
        x = conv(filters, 4, 2, "same", kernel_initializer=next(weights))(layers.ReLU()(x))
    return keras.Model(entry, x)


def initialize_as_torch(network: keras.Model, seed: int) -> None:
    """Draw the weights of dense and convolutional layers as PyTorch does by default.

    Kernels and biases are uniform in ±1/√n, n the inputs of a unit; of a transposed convolution
    PyTorch takes the kernel's positions times the outputs.
    """
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        if isinstance(layer, layers.Dense | layers.Conv2D | layers.Conv2DTranspose):
            # (..., inputs, outputs), of a transposed convolution (..., outputs, inputs)
            bound = 1 / np.sqrt(np.prod(layer.kernel.shape[:-1]))
            for weight in layer.weights:
                weight.assign(rng.uniform(-bound, bound, weight.shape))


def initializers(
    seed: int, kind: type[keras.initializers.Initializer] = keras.initializers.GlorotUniform
) -> Iterator[keras.initializers.Initializer]:
    """An initializer again and again, each with a seed of its own."""
    rng = np.random.default_rng(seed)
    while True:
        yield kind(seed=int(rng.integers(2**31 - 1)))
