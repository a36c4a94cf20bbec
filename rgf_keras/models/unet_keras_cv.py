"""The U-Net made of KerasCV's Stable Diffusion blocks, with its noise scheduler.

KerasCV imports TensorFlow on every backend; this module is imported only where such a U-Net is
built.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from rgf_keras.errors import RgfError, first_line
from rgf_keras.models import unet as unets
from rgf_keras.models.arguments import require
from rgf_keras.models.base import Tensor
from rgf_keras.models.networks import initializers
from rgf_keras.models.noise_schedules import NoiseSchedule

try:
    from keras_cv.models.stable_diffusion import NoiseScheduler
    from keras_cv.src.models.stable_diffusion.diffusion_model import (
        CrossAttention,
        PaddedConv2D,
        ResBlock,
        SpatialTransformer,
        Upsample,
    )
except ImportError as error:
    raise RgfError(
        f"KerasCV cannot be imported ({first_line(error)}); it needs TensorFlow on every backend: "
        "pip install keras-cv==0.9.0 tensorflow, or use the backbone 'keras'"
    ) from None

GROUPS = 32  # of KerasCV's group normalizations
HEAD_SIZE = 32


class KerasCVBlocks(unets.Blocks):
    """KerasCV's ResBlock, CrossAttention without a context, PaddedConv2D and Upsample.

    The width of the U-Net is a multiple of 32, and the seed is that of dropout alone.
    """

    def __init__(self, width: int, dropout: float, seed: int):
        require(
            width >= 1 and width % GROUPS == 0,
            f"KerasCV's blocks need a width that is a multiple of {GROUPS}, received {width}; "
            "use such a width or the backbone 'keras'",
        )
        super().__init__(width, dropout, seed)

    def convolution(self, x: Tensor, filters: int, strides: int = 1) -> Tensor:
        layer = PaddedConv2D(filters, 3, padding=1, strides=strides)
        if strides == 1:
            _pad_within(layer)
        return layer(x)

    def residual(self, x: Tensor, embedding: Tensor, filters: int) -> Tensor:
        block = ResBlock(filters)
        for convolution in (block.entry_flow[-1], block.exit_flow[-1]):
            _pad_within(convolution)
        if self.dropout:  # before the last convolution, where Ho et al. have it
            block.exit_flow.insert(2, layers.Dropout(self.dropout, seed=self.seed))
        return block([x, embedding])

    def attention(self, x: Tensor) -> Tensor:
        height, width, filters = x.shape[1:]
        positions = layers.Reshape((height * width, filters))(_normalize(x))
        mixture = CrossAttention(filters // HEAD_SIZE, HEAD_SIZE)(positions)
        return x + layers.Reshape((height, width, filters))(mixture)

    def upsample(self, x: Tensor) -> Tensor:
        layer = Upsample(x.shape[-1])
        _pad_within(layer.conv)
        return layer(x)

    def output(self, x: Tensor, channels: int) -> Tensor:
        return self.convolution(ops.silu(_normalize(x)), channels)


class KerasCVTransformers(KerasCVBlocks):
    """As :class:`KerasCVBlocks`, with KerasCV's SpatialTransformer for attention.

    Its cross-attention wants a context: it gets constant tokens, which add the same learned vector
    everywhere. They are two, as Keras warns of a softmax over one.
    """

    def attention(self, x: Tensor) -> Tensor:
        context = ops.ones_like(x[:, :2, 0, :1])
        return SpatialTransformer(x.shape[-1] // HEAD_SIZE, HEAD_SIZE)([x, context])


def _normalize(x: Tensor) -> Tensor:
    return layers.GroupNormalization(GROUPS, epsilon=1e-5)(x)


def _pad_within(layer: PaddedConv2D) -> None:
    """Let the convolution pad, with the same result: on PyTorch a copy for each costs a tenth."""
    layer.padding2d, layer.conv2d.padding = layers.Identity(), "same"


# By a model's backbone; a name stands for one architecture, as saved models are built by it.
BLOCKS = {"keras_cv_attention": KerasCVBlocks, "keras_cv": KerasCVTransformers}


def unet(
    image_shape: Sequence[int], size: unets.Size, blocks: KerasCVBlocks, seed: int
) -> keras.Model:
    """As :func:`rgf_keras.models.unet.unet`, with all weights drawn from the seed, which KerasCV's
    layers do not take; the last kernel is 0.
    """
    # KerasCV's convolutions have no `build`, of which Keras warns: they build when called.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`build\(\)` was called on layer 'padded_conv2d")
        network = unets.unet(image_shape, size, blocks, seed)
    kernels = [v for v in network.trainable_variables if v.name == "kernel"]
    for kernel, initializer in zip(kernels, initializers(seed), strict=False):
        kernel.assign(initializer(kernel.shape))
    kernels[-1].assign(np.zeros(kernels[-1].shape))
    return network


def noise_scheduler(schedule: NoiseSchedule) -> Any:
    """KerasCV's scheduler with any betas: ``add_noise(images, noise, timesteps)``."""
    scheduler = NoiseScheduler(train_timesteps=len(schedule))
    scheduler.betas = ops.convert_to_tensor(schedule.betas, "float32")
    scheduler.alphas = ops.convert_to_tensor(1.0 - schedule.betas, "float32")
    scheduler.alphas_cumprod = ops.convert_to_tensor(schedule.alphas_cumprod, "float32")
    return scheduler
