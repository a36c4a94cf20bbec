"""Spectral normalization, on every backend."""

import numpy as np
import pytest
from gradients import value_and_gradient
from keras import ops

from rgf_keras.models.spectral import SpectralConv2D, SpectralDense, normalized

pytestmark = pytest.mark.backend

LAYERS = {
    "dense": (lambda: SpectralDense(5), (None, 7)),
    "one_output": (lambda: SpectralDense(1), (None, 7)),
    "conv": (lambda: SpectralConv2D(5, 3), (None, 4, 4, 2)),
}


@pytest.fixture(params=LAYERS)
def layer(request):
    make, shape = LAYERS[request.param]
    layer = make()
    layer.build(shape)
    rng = np.random.default_rng(0)
    layer.kernel.assign(rng.normal(size=layer.kernel.shape))
    return layer


def to_numpy(tensor):
    return np.array(ops.convert_to_numpy(tensor))


def test_the_spectral_norm_becomes_one_and_the_kernel_stays(layer):
    before = to_numpy(layer.kernel.value)
    for _ in range(200):
        kernel = to_numpy(normalized(layer.kernel, layer.direction, training=True))
    matrix = kernel.reshape(-1, kernel.shape[-1])
    assert np.linalg.norm(matrix, 2) == pytest.approx(1, abs=1e-3)
    np.testing.assert_array_equal(to_numpy(layer.kernel.value), before)
    np.testing.assert_allclose(kernel * (before / kernel).mean(), before, rtol=1e-4)


def test_a_layer_applies_the_normalized_kernel(layer):
    bias = np.arange(layer.bias.shape[0])
    layer.bias.assign(bias)
    kernel = to_numpy(normalized(layer.kernel, layer.direction, training=False))
    # A single pixel meets a convolution's centre alone.
    shape, kernel = ((3, 1, 1, 2), kernel[1, 1]) if kernel.ndim == 4 else ((3, 7), kernel)
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    expected = x @ kernel + bias
    np.testing.assert_allclose(to_numpy(layer(x)), expected, atol=1e-5)


def test_only_training_moves_the_direction(layer):
    before = to_numpy(layer.direction.value)
    x = np.ones((1, *(4, 4, 2)) if isinstance(layer, SpectralConv2D) else (1, 7), np.float32)
    layer(x)
    np.testing.assert_array_equal(to_numpy(layer.direction.value), before)
    layer(x, training=True)
    assert not np.allclose(to_numpy(layer.direction.value), before)


def test_the_gradient_passes_through_the_norm(layer):
    """W/σ(W) does not change along W, so neither does the loss: ⟨gradient, W⟩ = 0 (Eq. 12)."""
    weights = np.random.default_rng(2).normal(size=layer.kernel.shape)
    weights = ops.convert_to_tensor(weights, "float32")
    before = to_numpy(layer.kernel.value)

    def loss():
        return ops.sum(normalized(layer.kernel, layer.direction, False) * weights)

    _, gradient = value_and_gradient(loss, layer.kernel, [layer.direction])
    assert np.abs(gradient).max() > 0.01
    cosine = (gradient * before).sum() / np.linalg.norm(gradient) / np.linalg.norm(before)
    assert cosine == pytest.approx(0, abs=1e-4)
