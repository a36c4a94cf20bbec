"""Adam in one pass is Keras' Adam, however gradients and weights lie in memory."""

from functools import partial

import keras
import numpy as np
import pytest

pytestmark = [
    pytest.mark.backend,
    pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch only"),
]
SHAPES = [(3, 3, 4, 8), (8,), (12, 5)]


def updated(in_one_pass, reversed_gradients, reversed_weights):
    """Weights after three steps; ``reversed``: strides of the axes in the opposite order."""
    import torch

    from rgf_keras.backend.torch import _update_in_one_pass

    def lay(x, is_reversed):
        return (
            x.permute(*range(x.ndim)[::-1]).contiguous().permute(*range(x.ndim)[::-1])
            if is_reversed
            else x
        )

    rng = np.random.default_rng(0)
    variables = [keras.Variable(rng.normal(size=shape).astype("f4")) for shape in SHAPES]
    for variable in variables:
        variable.value.data = lay(variable.value.data, reversed_weights)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-2, 9), beta_1=0.5)
    optimizer.build(variables)
    if in_one_pass:
        optimizer._parallel_update_step = partial(_update_in_one_pass, optimizer)
    with torch.no_grad():
        for _ in range(3):
            drawn = [torch.from_numpy(rng.normal(size=shape).astype("f4")) for shape in SHAPES]
            optimizer.apply([lay(x, reversed_gradients) for x in drawn], variables)
    return [variable.numpy() for variable in variables]


@pytest.mark.parametrize("reversed_gradients", [False, True])
@pytest.mark.parametrize("reversed_weights", [False, True])
def test_adam_in_one_pass_is_kerass(reversed_gradients, reversed_weights):
    ours = updated(True, reversed_gradients, reversed_weights)
    for found, expected in zip(ours, updated(False, False, False), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
