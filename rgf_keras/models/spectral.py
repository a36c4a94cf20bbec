"""Layers with spectral normalization (Miyato et al. 2018).

``keras.layers.SpectralNormalization`` does not serve here: it overwrites the kernel with the
normalized one, so that the gradient misses 1/σ and a turn of one player changes the other's
weights. These layers keep W as it is and compute with W/σ(W), differentiated through σ.
"""

from typing import Any

import numpy as np
from keras import layers, ops

from rgf_keras.models.base import Tensor

EPSILON = 1e-12


class SpectralDense(layers.Layer):
    """A dense layer with kernel W/σ(W), σ the largest singular value."""

    def __init__(self, outputs: int, use_bias: bool = True, kernel_initializer: Any = "orthogonal"):
        super().__init__()
        self.outputs, self.use_bias = outputs, use_bias
        self.kernel_initializer = kernel_initializer

    def build(self, input_shape):
        shape = self.kernel_shape(input_shape[-1])
        self.kernel = self.add_weight(shape, self.kernel_initializer, name="kernel")
        self.bias = self.add_weight((self.outputs,), "zeros", name="bias") if self.use_bias else 0.0
        # Where the power iteration is. Any start will do, as the kernel is random.
        rows = int(np.prod(shape[:-1]))
        self.direction = self.add_weight((rows,), "ones", trainable=False, name="direction")

    def call(self, inputs, training=False):
        kernel = normalized(self.kernel, self.direction, training)
        return self.product(inputs, kernel) + self.bias

    def kernel_shape(self, inputs: int) -> tuple[int, ...]:
        return inputs, self.outputs

    def product(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        return ops.matmul(inputs, kernel)

    def compute_output_shape(self, input_shape):
        return *input_shape[:-1], self.outputs


class SpectralConv2D(SpectralDense):
    """A convolution of the input's size with kernel W/σ(W), W a matrix with a column per filter.

    The kernel covers ``size`` positions a side.
    """

    def __init__(
        self, filters: int, size: int, use_bias: bool = True, kernel_initializer: Any = "orthogonal"
    ):
        super().__init__(filters, use_bias, kernel_initializer)
        self.size = size

    def kernel_shape(self, inputs: int) -> tuple[int, ...]:
        return self.size, self.size, inputs, self.outputs

    def product(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        return ops.conv(inputs, kernel, padding="same")


def normalized(kernel: Tensor, direction: Any, training: bool) -> Tensor:
    """W/σ(W), of the kernel's shape.

    σ comes from one step of the power iteration for the first left singular vector, with which it
    is differentiated as if the singular vectors were constant (Eq. 11 and 12).

    Args:
        kernel: W, with outputs on its last axis.
        direction: a variable, the singular vector as far as it is known; improved in training.
        training: whether to.
    """
    matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
    constant = ops.stop_gradient(matrix)
    right = _unit(ops.matmul(ops.expand_dims(direction, 0), constant))
    left = _unit(ops.matmul(right, ops.transpose(constant)))
    if training:
        direction.assign(left[0])
    sigma = ops.sum(ops.matmul(left, matrix) * right)
    return kernel / ops.maximum(sigma, EPSILON)


def _unit(vector: Tensor) -> Tensor:
    return vector / ops.maximum(ops.norm(vector), EPSILON)
