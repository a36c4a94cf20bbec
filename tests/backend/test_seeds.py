"""Seeding draws what Keras' own function makes it draw, and imports nothing."""

import random
import sys

import keras
import numpy as np
import pytest
from keras import layers

from rgf_keras.backend.seeds import set_random_seed

pytestmark = pytest.mark.backend


def drawn():
    weights = layers.Dense(3)
    weights.build((None, 2))
    normal = keras.ops.convert_to_numpy(keras.random.normal((4,)))
    return random.random(), np.random.rand(), normal.tolist(), weights.get_weights()[0].tolist()


def test_seeds_are_those_of_keras(monkeypatch):
    keras.utils.set_random_seed(5)
    expected = drawn()
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    set_random_seed(5)
    assert drawn() == expected
    if keras.backend.backend() != "tensorflow":
        assert "tensorflow" not in sys.modules
