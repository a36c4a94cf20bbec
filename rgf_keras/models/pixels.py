"""Pixels in and out: uint8 outside the models, [−1, 1] inside."""

import numpy as np
from keras import ops


def to_float(images):
    """uint8 to float32 in [−1, 1], tensor or array to tensor."""
    return ops.cast(images, "float32") / 127.5 - 1.0


def to_uint8(images: np.ndarray) -> np.ndarray:
    """[−1, 1] to uint8, rounded; values outside are clipped."""
    return np.clip(np.round((np.asarray(images) + 1.0) * 127.5), 0, 255).astype(np.uint8)
