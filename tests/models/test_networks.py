"""Layers that are ours where Keras' are slow: they compute the same."""

import keras
import numpy as np
import pytest
from gradients import value_and_gradient
from keras import layers, ops

from rgf_keras.models.networks import GroupNormalization

pytestmark = pytest.mark.backend


@pytest.mark.parametrize("is_trained_before", [True, False])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_group_normalization_is_keras(policy, is_trained_before):
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (4, 6, 5, 16)).astype(np.float32)
    weights = rng.normal(size=(2, 16)).astype(np.float32)
    found = []
    for kind in (layers.GroupNormalization, GroupNormalization):
        entry, layer = layers.Dense(16, kernel_initializer="identity"), kind(4, dtype=policy)
        model = keras.Sequential([entry, layer] if is_trained_before else [layer])
        model.build(x.shape)
        layer.set_weights(weights)
        assert keras.backend.standardize_dtype(model(x).dtype) == layer.compute_dtype

        def loss(model=model):
            return ops.sum(ops.cast(model(x), "float32") * ops.sin(x))

        steps = (value_and_gradient(loss, each) for each in model.trainable_variables)
        found.append([part for step in steps for part in step])
    for own, known in zip(*found, strict=True):
        scale = np.abs(known).max()
        np.testing.assert_allclose(own, known, atol=scale * (0.05 if "16" in policy else 1e-4))
