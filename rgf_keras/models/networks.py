"""The networks that VAE, GAN and oracle are made of."""

from collections.abc import Iterator, Sequence

import keras
import numpy as np
from keras import layers


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
    """Dense layers with (leaky) ReLU; images are flattened first.

    Args:
        input_shape: of one input: (H, W, C) or (latent_dim,).
        units: widths of the hidden layers.
        outputs: width of the linear output.
        seed: of the weights.
        negative_slope: of the hidden layers' activation.
        batch_normalization: before each of them.
        dropout: share of hidden units dropped in training, in [0, 1).
        name: of the network.
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
    image_shape: Sequence[int], width: int, outputs: int, seed: int, name: str | None = None
) -> keras.Model:
    """Strided 4×4 convolutions that double in width, then a linear layer.

    DCGAN's discriminator without normalization: with batch statistics, real and generated images
    could not share one batch.

    Args:
        image_shape: (H, W, C); H and W are 4 to 8 times the same power of two.
        width: filters of the first convolution.
        outputs: width of the linear output.
        seed: of the weights.
        name: of the network.
    """
    weights = initializers(seed)
    x = entry = keras.Input(tuple(image_shape))
    for level in range(num_doublings(image_shape)):
        x = layers.Conv2D(width * 2**level, 4, 2, padding="same", kernel_initializer=next(weights))(
            x
        )
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(outputs, kernel_initializer=next(weights))(x)
    return keras.Model(entry, x, name=name)


def conv_decoder(
    latent_dim: int, image_shape: Sequence[int], width: int, seed: int, name: str | None = None
) -> keras.Model:
    """DCGAN's generator: a linear layer, then transposed 4×4 convolutions with BatchNorm and ReLU.

    Args:
        latent_dim: length of a latent vector.
        image_shape: (H, W, C) of the linear output; see :func:`conv_encoder`.
        width: filters before the last convolution.
        seed: of the weights.
        name: of the network.
    """
    weights = initializers(seed)
    levels = num_doublings(image_shape)
    height, image_width, channels = image_shape
    base = (height // 2**levels, image_width // 2**levels, width * 2 ** (levels - 1))
    x = entry = keras.Input((latent_dim,))
    x = layers.Dense(int(np.prod(base)), kernel_initializer=next(weights))(x)
    x = layers.Reshape(base)(x)
    for filters in [*(width * 2**level for level in reversed(range(levels - 1))), channels]:
        x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.ReLU()(x)
        x = layers.Conv2DTranspose(filters, 4, 2, padding="same", kernel_initializer=next(weights))(
            x
        )
    return keras.Model(entry, x, name=name)


def num_doublings(image_shape: Sequence[int]) -> int:
    """How often a decoder doubles the size: 28 = 7 · 2², 32 = 8 · 2², 64 = 8 · 2³.

    Raises:
        ValueError: height or width is not 4 to 8 times the same power of two.
    """
    height, width = image_shape[:2]
    levels = max(1, int(np.ceil(np.log2(height / 8))))
    for size in (height, width):
        if size % 2**levels or not 4 <= size // 2**levels <= 8:
            raise ValueError(
                "convolutional models need a height and width of 4 to 8 times the same power "
                f"of two (28, 32, 64, ...), received {height}×{width}"
            )
    return levels


def initializers(
    seed: int, kind: type[keras.initializers.Initializer] = keras.initializers.GlorotUniform
) -> Iterator[keras.initializers.Initializer]:
    """An initializer again and again, each with a seed of its own."""
    rng = np.random.default_rng(seed)
    while True:
        yield kind(seed=int(rng.integers(2**31 - 1)))
