"""The conditional residual networks of SAGAN and BigGAN at 32×32, and at 28×28 with one step less.

Blocks, widths and layers are those of PyTorch StudioGAN's ``resnet`` and ``big_resnet``, which the
memorization rejection paper trained; so are the numbers of parameters. All convolutions and dense
layers have spectral normalization but BigGAN's shared embedding; weights are orthogonal.
"""

from collections.abc import Iterator, Sequence

import keras
import numpy as np
from keras import layers, ops

from rgf_keras.image_sizes import num_growing_blocks
from rgf_keras.models.arguments import require, require_range
from rgf_keras.models.base import Tensor
from rgf_keras.models.networks import initializers
from rgf_keras.models.spectral import SpectralConv2D, SpectralDense

NUM_BLOCKS = 3  # of a generator

Weights = Iterator[keras.initializers.Initializer]


def generator(
    image_shape: Sequence[int],
    num_classes: int,
    width: int,
    latent_dim: int,
    shared_dim: int | None,
    seed: int,
) -> keras.Model:
    """[latents (n, latent_dim), labels (n,) integers] to images (n, H, W, C) in [−1, 1].

    ``width`` is a quarter of the blocks' filters, ``seed`` that of the weights. With ``shared_dim``
    None, conditional batch normalization has a gain and bias per class (SAGAN); else it is linear
    in a class embedding of this length that all normalizations share, next to each block's own part
    of the latents (BigGAN).

    Raises:
        ArgumentError: arguments out of range.
    """
    _check(image_shape, num_classes, width)
    weights = initializers(seed, Orthogonal)
    height, image_width, channels = image_shape
    num_growing = num_growing_blocks(image_shape)
    base = (height // 2**num_growing, image_width // 2**num_growing, 4 * width)
    latents, labels = keras.Input((latent_dim,)), keras.Input((), dtype="int32")
    classes = ops.one_hot(labels, num_classes)
    if shared_dim is None:
        x, conditions = latents, [classes] * NUM_BLOCKS
    else:
        require(
            latent_dim % (NUM_BLOCKS + 1) == 0,
            f"BigGAN needs a latent_dim that is a multiple of 4, received {latent_dim}",
        )
        x, *parts = ops.split(latents, NUM_BLOCKS + 1, axis=-1)
        shared = layers.Dense(shared_dim, use_bias=False, kernel_initializer=next(weights))(classes)
        conditions = [ops.concatenate([shared, part], axis=-1) for part in parts]
    x = layers.Reshape(base)(_dense(x, base[0] * base[1] * base[2], weights))
    for block, condition in enumerate(conditions, start=1):
        x = _block(x, condition, weights, grows=block > NUM_BLOCKS - num_growing)
        if block == 2:
            x = _attention(x, weights)
    x = ops.relu(layers.BatchNormalization(momentum=0.9, epsilon=1e-4)(x))
    images = ops.tanh(_conv(x, channels, 3, weights))
    return keras.Model([latents, labels], images, name="generator")


def discriminator(
    image_shape: Sequence[int], num_classes: int, width: int, seed: int
) -> keras.Model:
    """[images (n, H, W, C), labels (n,) integers] to logits (n, 1).

    The label enters by projection: an embedding of the class times the features (Miyato and Koyama
    2018). ``width`` is half of the blocks' filters.

    Raises:
        ArgumentError: arguments out of range.
    """
    _check(image_shape, num_classes, width)
    weights = initializers(seed, Orthogonal)
    images, labels = keras.Input(tuple(image_shape)), keras.Input((), dtype="int32")
    x = _shrinking_block(images, 2 * width, weights, pixels=True)
    x = _shrinking_block(_attention(x, weights), 2 * width, weights)
    for _ in range(2):
        x = _residual(x, 2 * width, weights) + x
    features = ops.sum(ops.relu(x), axis=(1, 2))
    classes = _dense(ops.one_hot(labels, num_classes), 2 * width, weights, use_bias=False)
    projection = ops.sum(classes * features, axis=-1, keepdims=True)
    logits = _dense(features, 1, weights) + projection
    return keras.Model([images, labels], logits, name="discriminator")


def _block(x: Tensor, condition: Tensor, weights: Weights, grows: bool) -> Tensor:
    """Twice the height and width, or the same. A 1×1 convolution may as well come before it."""
    filters = x.shape[-1]
    grow = layers.UpSampling2D(2 if grows else 1)
    shortcut = grow(_conv(x, filters, 1, weights))
    x = ops.relu(_conditional_norm(x, condition, weights))
    x = _conv(grow(x), filters, 3, weights)
    x = ops.relu(_conditional_norm(x, condition, weights))
    return _conv(x, filters, 3, weights) + shortcut


def _shrinking_block(x: Tensor, filters: int, weights: Weights, pixels: bool = False) -> Tensor:
    """Half the height and width, of activations or else pixels."""
    shortcut = _conv(layers.AveragePooling2D(2)(x), filters, 1, weights)
    return layers.AveragePooling2D(2)(_residual(x, filters, weights, pixels)) + shortcut


def _residual(x: Tensor, filters: int, weights: Weights, pixels: bool = False) -> Tensor:
    x = _conv(x if pixels else ops.relu(x), filters, 3, weights)
    return _conv(ops.relu(x), filters, 3, weights)


def _conditional_norm(x: Tensor, condition: Tensor, weights: Weights) -> Tensor:
    """Batch normalization whose gain and bias are linear in the condition."""
    filters = x.shape[-1]
    gain = 1.0 + _dense(condition, filters, weights, use_bias=False)
    bias = _dense(condition, filters, weights, use_bias=False)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-4, center=False, scale=False)(x)
    return x * ops.reshape(gain, (-1, 1, 1, filters)) + ops.reshape(bias, (-1, 1, 1, filters))


def _attention(x: Tensor, weights: Weights) -> Tensor:
    """Self-attention over positions (Zhang et al. 2019), to keys and values of half the size."""
    height, width, filters = x.shape[1:]

    def positions(narrowing: int, pool: bool) -> Tensor:
        part = _conv(x, filters // narrowing, 1, weights, use_bias=False)
        part = layers.MaxPooling2D(2)(part) if pool else part
        return layers.Reshape((-1, filters // narrowing))(part)

    queries, keys, values = positions(8, False), positions(8, True), positions(2, True)
    shares = ops.softmax(ops.matmul(queries, ops.transpose(keys, (0, 2, 1))))
    mixture = layers.Reshape((height, width, filters // 2))(ops.matmul(shares, values))
    return x + Gate()(_conv(mixture, filters, 1, weights, use_bias=False))


class Orthogonal(keras.initializers.Initializer):
    """Matrices with orthonormal columns, or rows if these are fewer, drawn by NumPy.

    Keras' own initializer compiles a QR decomposition for each shape on JAX, some 10 s in all.
    """

    def __init__(self, seed: int):
        self.seed = seed

    def __call__(self, shape, dtype=None):
        rows, columns = int(np.prod(shape[:-1])), shape[-1]
        rng = np.random.default_rng(self.seed)
        normal = rng.standard_normal((max(rows, columns), min(rows, columns)), np.float32)
        matrix, triangle = np.linalg.qr(normal)
        matrix = matrix * np.sign(np.diag(triangle))  # else not uniform over such matrices
        matrix = matrix if rows >= columns else matrix.T
        return ops.convert_to_tensor(matrix.reshape(shape), dtype)


class Gate(layers.Layer):
    """Multiplies by one learned number, 0 at first."""

    def build(self, input_shape):
        self.gain = self.add_weight(name="gain", initializer="zeros")

    def call(self, inputs):
        return self.gain * inputs

    def compute_output_shape(self, input_shape):
        return input_shape


def _conv(x: Tensor, filters: int, size: int, weights: Weights, use_bias: bool = True) -> Tensor:
    return SpectralConv2D(filters, size, use_bias, next(weights))(x)


def _dense(x: Tensor, units: int, weights: Weights, use_bias: bool = True) -> Tensor:
    return SpectralDense(units, use_bias, next(weights))(x)


def _check(image_shape: Sequence[int], num_classes: int, width: int) -> None:
    num_growing_blocks(image_shape)
    require(width >= 4, f"SAGAN and BigGAN need a width of at least 4, received {width}")
    require_range("num_classes", num_classes, 1)
