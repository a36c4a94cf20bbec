"""The U-Net of diffusion models (Ho et al. 2020, Appendix B), and its blocks in Keras layers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from rgf_keras.image_sizes import require_even
from rgf_keras.models.arguments import require
from rgf_keras.models.base import Tensor
from rgf_keras.models.networks import initializers

CHANNELS_PER_GROUP = 4  # of normalizations
ATTENTION_LEVEL = 1  # of half the first one's height and width


@dataclass(frozen=True)
class Size:
    """How large a U-Net is.

    Attributes:
        width: channels of the first level.
        multipliers: of the width, one for each level; every further level has half the height and
            width. Images that cannot be halved so often have fewer levels.
        num_blocks: residual blocks in a level on the way down; one more on the way up.
        patch: squares of so many pixels a side are one position of the first level; 2 makes the
            network about four times as fast (Luhman and Luhman 2022, arXiv 2207.04316).
    """

    width: int
    multipliers: tuple[int, ...]
    num_blocks: int
    patch: int = 1


SIZES = {
    "tiny": Size(32, (1, 1), 1),  # for tests
    "small": Size(32, (1, 2), 2, patch=2),  # trains on a CPU
    "base": Size(128, (1, 2, 2, 2), 2),  # Ho et al.'s for CIFAR-10, 35.7 M parameters at 32×32
}


def unet(image_shape: Sequence[int], size: Size, blocks: "Blocks", seed: int) -> keras.Model:
    """[x_t (n, H, W, C), timesteps (n,) int32] to (n, H, W, C), H and W even.

    The seed is that of the time embedding's weights; the blocks have their own.
    """
    height, width, channels = image_shape
    require_even(image_shape)
    noisy, timesteps = keras.Input((height, width, channels)), keras.Input((), dtype="int32")
    embedding = time_embedding(timesteps, size.width, seed)
    x = blocks.convolution(_patches(noisy, size.patch), size.width)
    multipliers = size.multipliers[: 1 + _num_halvings(*x.shape[1:3])]
    skips = [x]
    for level, multiplier in enumerate(multipliers):
        if level:
            x = blocks.downsample(x)
            skips.append(x)
        for _ in range(size.num_blocks):
            x = blocks.residual(x, embedding, multiplier * size.width)
            x = blocks.attention(x) if level == ATTENTION_LEVEL else x
            skips.append(x)
    x = blocks.attention(blocks.residual(x, embedding, x.shape[-1]))
    x = blocks.residual(x, embedding, x.shape[-1])
    for level, multiplier in reversed([*enumerate(multipliers)]):
        for _ in range(size.num_blocks + 1):
            x = layers.Concatenate()([x, skips.pop()])
            x = blocks.residual(x, embedding, multiplier * size.width)
            x = blocks.attention(x) if level == ATTENTION_LEVEL else x
        x = blocks.upsample(x) if level else x
    x = blocks.output(x, channels * size.patch**2)
    return keras.Model([noisy, timesteps], _pixels(x, size.patch), name="unet")


def _patches(x: Tensor, patch: int) -> Tensor:
    """(n, height, width, channels) to (n, height/patch, width/patch, patch²·channels)."""
    if patch == 1:
        return x
    height, width, channels = x.shape[1] // patch, x.shape[2] // patch, x.shape[3] * patch
    x = layers.Permute((1, 3, 2, 4))(layers.Reshape((height, patch, width, channels))(x))
    return layers.Reshape((height, width, patch * channels))(x)


def _pixels(x: Tensor, patch: int) -> Tensor:
    """The inverse of :func:`_patches`."""
    if patch == 1:
        return x
    height, width, channels = x.shape[1], x.shape[2], x.shape[3] // patch
    x = layers.Permute((1, 3, 2, 4))(layers.Reshape((height, width, patch, channels))(x))
    return layers.Reshape((height * patch, width * patch, channels // patch))(x)


def _num_halvings(height: int, width: int) -> int:
    common = math.gcd(height, width)
    return (common & -common).bit_length() - 1


def time_embedding(timesteps: Tensor, width: int, seed: int) -> Tensor:
    """Timesteps (n,) to (n, 4 · width): sines and cosines, then two dense layers."""
    frequencies = np.exp(-np.log(10_000) * np.arange(width // 2) / (width // 2))
    angles = ops.expand_dims(ops.cast(timesteps, "float32"), -1) * frequencies.astype(np.float32)
    x = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
    weights = initializers(seed)
    x = layers.Dense(4 * width, activation="silu", kernel_initializer=next(weights))(x)
    return layers.Dense(4 * width, kernel_initializer=next(weights))(x)


class Blocks:
    """What a U-Net is made of, here of plain Keras layers.

    As in Ho et al., with 4 channels in a group of the normalizations (but at most 32 groups), and
    1×1 convolutions as dense layers. The last layer of each branch is 0 at first. Feature maps are
    (n, height, width, channels).

    Args:
        width: of the U-Net, a multiple of 4.
        dropout: in residual blocks, in [0, 1).
        seed: of weights and dropout.
    """

    def __init__(self, width: int, dropout: float, seed: int):
        require(
            width >= 1 and width % CHANNELS_PER_GROUP == 0,
            f"a U-Net's width must be a multiple of {CHANNELS_PER_GROUP}, received {width}",
        )
        self.dropout, self.seed = dropout, seed
        self.weights = initializers(seed)

    def convolution(self, x: Tensor, filters: int, strides: int = 1) -> Tensor:
        """3×3."""
        return layers.Conv2D(
            filters, 3, strides, padding="same", kernel_initializer=next(self.weights)
        )(x)

    def residual(self, x: Tensor, embedding: Tensor, filters: int) -> Tensor:
        """A residual block that is told the time by an embedding (n, d)."""
        shortcut = x if x.shape[-1] == filters else self._dense(x, filters)
        shift = layers.Reshape((1, 1, filters))(self._dense(ops.silu(embedding), filters))
        x = self.convolution(ops.silu(_normalize(x)), filters) + shift
        x = ops.silu(_normalize(x))
        if self.dropout:
            x = layers.Dropout(self.dropout, seed=self.seed)(x)
        return shortcut + _zero_convolution(x, filters)

    def attention(self, x: Tensor) -> Tensor:
        """Self-attention over all positions, of the same shape."""
        height, width, filters = x.shape[1:]
        positions = layers.Reshape((height * width, 1, filters))(_normalize(x))
        mixture = ops.dot_product_attention(*(self._dense(positions, filters) for _ in range(3)))
        mixture = layers.Reshape((height, width, filters))(mixture)
        return x + layers.Dense(filters, kernel_initializer="zeros")(mixture)

    def downsample(self, x: Tensor) -> Tensor:
        """Half the height and width."""
        return self.convolution(x, x.shape[-1], strides=2)

    def upsample(self, x: Tensor) -> Tensor:
        """Twice the height and width."""
        return self.convolution(layers.UpSampling2D(2)(x), x.shape[-1])

    def output(self, x: Tensor, channels: int) -> Tensor:
        """The last layers. They return 0 at first."""
        return _zero_convolution(ops.silu(_normalize(x)), channels)

    def _dense(self, x: Tensor, units: int) -> Tensor:
        return layers.Dense(units, kernel_initializer=next(self.weights))(x)


def _zero_convolution(x: Tensor, filters: int) -> Tensor:
    return layers.Conv2D(filters, 3, padding="same", kernel_initializer="zeros")(x)


def _normalize(x: Tensor) -> Tensor:
    groups = math.gcd(x.shape[-1] // CHANNELS_PER_GROUP, 32)
    return layers.GroupNormalization(groups, epsilon=1e-5)(x)
