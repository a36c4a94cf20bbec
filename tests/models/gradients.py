"""Gradients on any backend, for tests."""

import keras
import numpy as np
from keras import ops

from rgf_keras import backend


def value_and_gradient(function, variable, state=()):
    """Of a scalar function without arguments, with respect to a variable, which moves."""
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build([variable])

    def update(batch):
        loss, _ = backend.minimize(lambda: (function(), ()), [variable], optimizer)
        return ops.stack([loss])

    before = np.array(ops.convert_to_numpy(variable.value))
    run = backend.compile(update, [variable, *optimizer.variables, *state], 1)
    data = backend.put({"images": np.zeros((1, 1), np.float32)})
    value = run(data, {}, np.zeros((1, 1), np.int32), 0, 1)[0, 0]
    return float(value), before - ops.convert_to_numpy(variable.value)
