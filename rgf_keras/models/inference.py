"""Forward passes of a network over many examples."""

from typing import Any

import keras
import numpy as np
from keras import ops

from rgf_keras import backend
from rgf_keras.backend.protocol import Function
from rgf_keras.models.base import to_float

EXAMPLES_PER_BATCH = 500
COMPILED = "_forward_pass"  # what a network keeps its compiled pass as


def infer(network: keras.Model, *inputs: np.ndarray) -> Any:
    """A network's outputs outside of training, as ``network.predict`` gives them.

    (That makes a pipeline of data at every call, which takes a tenth of a second on TensorFlow.)

    Args:
        network: with one or several inputs; it keeps the pass, which is compiled once for each
            size of a batch.
        inputs: an array (n, ...) for each of them, n at least 1; uint8 are images, which the
            network sees in [−1, 1].

    Returns:
        (n, ...), structured as the network's outputs are.
    """
    run = vars(network).get(COMPILED) or _compile(network)
    num = len(inputs[0])
    parts = [
        keras.tree.map_structure(ops.convert_to_numpy, run(*(array[rows] for array in inputs)))
        for rows in whole_batches(num, EXAMPLES_PER_BATCH)
    ]
    return keras.tree.map_structure(lambda *arrays: np.concatenate(arrays)[:num], *parts)


def _compile(network: keras.Model) -> Function:
    def forward(*inputs):
        seen = [
            to_float(x) if keras.backend.standardize_dtype(x.dtype) == "uint8" else x
            for x in inputs
        ]
        return network(seen[0] if len(seen) == 1 else seen, training=False)

    run = backend.jit(forward, network.variables)
    vars(network)[COMPILED] = run  # no attribute that Keras tracks and saves
    return run


def whole_batches(num: int, most: int) -> np.ndarray:
    """Positions in [0, num) as batches of equal size, at most ``most``: (batches, size).

    The last position is repeated.
    """
    num_batches = -(-num // most)
    size = -(-num // num_batches)
    return np.minimum(np.arange(num_batches * size), num - 1).reshape(num_batches, size)
