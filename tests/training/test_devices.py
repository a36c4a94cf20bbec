"""Several devices that share each batch end where one does, but for the order of sums."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from recipes import trainer

from rgf_keras.errors import ArgumentError

pytestmark = [
    pytest.mark.backend,
    pytest.mark.skipif(keras.backend.backend() != "jax", reason="Keras distributes on JAX alone"),
]

CHILD = Path(__file__).with_name("devices_child.py")


def train(folder, recipe, devices, epochs=2):
    command = [sys.executable, str(CHILD), *recipe, str(folder), str(devices), str(epochs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "result.npz") as result:
        return dict(result)


# Adam makes steps of noise for biases before a normalisation, whose gradients are rounding errors.
@pytest.mark.parametrize("recipe", [("gan", "adam"), ("conv_vae", "sgd")])
def test_four_devices_train_as_one_does(tmp_path, recipe):
    one = train(tmp_path / "one", recipe, 1)
    train(tmp_path / "four", recipe, 4, epochs=1)
    moved = train(tmp_path / "four", recipe, 2)  # goes on from there
    assert moved.pop("began") == len(moved["steps"]) // 2
    for name, found in moved.items():
        np.testing.assert_allclose(found, one[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_a_batch_that_devices_cannot_share(monkeypatch):
    mesh = keras.distribution.DataParallel()
    monkeypatch.setattr(type(mesh), "num_model_replicas", 3)
    monkeypatch.setattr(keras.distribution, "distribution", lambda: mesh)
    with pytest.raises(ArgumentError, match=r"batch_size must be a multiple of 3, .* received 32"):
        trainer("vae", np.zeros((64, 28, 28, 3), np.uint8))
