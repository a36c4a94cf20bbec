"""JAX steps one call at a time on a CPU and in a loop elsewhere: both give the same training."""

import keras
import numpy as np
import pytest
from recipes import trainer

pytestmark = [
    pytest.mark.backend,
    pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX only"),
]


def test_the_accelerators_loop_equals_single_steps(skewed_digits, monkeypatch):
    import jax

    single = trainer("gan", skewed_digits.images).fit(1)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    loop = trainer("gan", skewed_digits.images).fit(1)
    np.testing.assert_allclose(loop.steps, single.steps, rtol=1e-4, atol=1e-5)
