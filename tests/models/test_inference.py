"""Forward passes, against ``Model.predict``."""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import layers, ops

from rgf_keras.models import inference
from rgf_keras.models.inference import infer, whole_batches

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("quick_compilation")]


class Count(layers.Layer):
    """Remembers the shapes that it was called with in Python."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def call(self, x):
        self.shapes = [*self.shapes, tuple(x.shape)]
        return x


def two_inputs() -> keras.Model:
    """Two inputs, two outputs, and layers that do something else in training."""
    latents, labels = keras.Input((3,)), keras.Input((), dtype="int32")
    x = layers.Concatenate()([latents, layers.Embedding(4, 2)(labels)])
    x = layers.Dropout(0.5)(layers.BatchNormalization()(layers.Dense(5)(x)))
    return keras.Model([latents, labels], [x, layers.Dense(2)(x)])


@pytest.mark.parametrize("num", [1, 4, 10])
def test_it_is_predict_in_inference_mode(monkeypatch, num):
    monkeypatch.setattr(inference, "EXAMPLES_PER_BATCH", 4)
    rng = np.random.default_rng(0)
    network = two_inputs()
    for variable in network.variables:  # moving averages and biases too
        if "float" in str(variable.dtype):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    inputs = rng.normal(size=(num, 3)).astype(np.float32), rng.integers(0, 4, num, np.int32)
    expected = network.predict([*inputs], verbose=0)
    found = infer(network, *inputs)
    assert isinstance(found, list)
    for ours, theirs in zip(found, expected, strict=True):
        assert isinstance(ours, np.ndarray)
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_images_are_seen_in_minus_one_to_one():
    entry = keras.Input((1, 1, 1))
    images = np.array([0, 255, 51], np.uint8).reshape(3, 1, 1, 1)
    seen = infer(keras.Model(entry, layers.Flatten()(entry)), images)
    np.testing.assert_allclose(seen[:, 0], [-1, 1, -0.6], atol=1e-6)


def test_new_weights_count():
    entry = keras.Input((1,))
    network = keras.Model(entry, layers.Dense(1, kernel_initializer="ones")(entry))
    ones = np.ones((2, 1), np.float32)
    np.testing.assert_allclose(infer(network, ones), 1)
    network.set_weights([np.float32([[3]]), np.float32([2])])
    np.testing.assert_allclose(infer(network, ones), 5)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch compiles nothing")
def test_one_compilation_serves_all_batches_and_calls(monkeypatch):
    monkeypatch.setattr(inference, "EXAMPLES_PER_BATCH", 4)
    entry = keras.Input((1,))
    count = Count()
    network = keras.Model(entry, count(entry))
    count.shapes = []
    for num in (4, 11, 12, 4):  # batches of four
        infer(network, np.zeros((num, 1), np.float32))
    assert count.shapes == [(4, 1)]


def test_a_network_that_was_run_is_saved_and_forgotten_as_before(tmp_path):
    entry = keras.Input((2,))
    network = keras.Model(entry, ops.tanh(layers.Dense(3)(entry)))
    ones = np.ones((2, 2), np.float32)
    outputs = infer(network, ones)
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_allclose(infer(again, ones), outputs, rtol=1e-6)
    gone = weakref.ref(network)
    del network, entry
    keras.backend.clear_session()
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(("num", "shape"), [(1, (1, 1)), (4, (1, 4)), (5, (2, 3)), (12, (3, 4))])
def test_batches_have_one_size_and_everything_in_order(num, shape):
    batches = whole_batches(num, 4)
    assert batches.shape == shape
    np.testing.assert_array_equal(batches.ravel()[:num], np.arange(num))
    assert batches.max() == num - 1
