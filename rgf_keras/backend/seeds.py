"""Seeds of everything random that is not given one of its own."""

import sys

import keras
from keras.src.utils import module_utils


def set_random_seed(seed: int) -> None:
    """As :func:`keras.utils.set_random_seed`, without TensorFlow where nothing has imported it.

    Keras imports it to seed ``tf.data``, which takes seconds in every process that is forked.

    Args:
        seed: integer in [0, 2**32).
    """
    if "tensorflow" in sys.modules:
        keras.utils.set_random_seed(seed)
        return
    sys.modules["tensorflow"] = None  # type: ignore[assignment] # what Python takes for missing
    try:
        keras.utils.set_random_seed(seed)
    finally:
        del sys.modules["tensorflow"]
        module_utils.tensorflow._available = None  # it may be imported later
