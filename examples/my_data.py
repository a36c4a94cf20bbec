"""A data set of one's own: images and labels as arrays, wherever they come from.

A configuration names it so: `data: {name: "my_data.py:load_shapes"}`. `rgf data preview
my_data.py:load_shapes` shows it. (A folder of image files needs no code: `folder:PATH`.)
"""

import numpy as np

from rgf_keras.datasets import Dataset

CLASSES = ("disc", "ring", "bar")
SIZE = 28


def load_shapes(split: str) -> Dataset:
    """Grey discs, rings and bars of random place, size and brightness; 3,000 and 900 of them.

    Args:
        split: `"train"` or `"test"`.
    """
    num, first = {"train": (3000, 0), "test": (900, 3000)}[split]
    indices = np.arange(first, first + num)  # an image's number, unique in both splits
    rng = np.random.default_rng(["train", "test"].index(split))
    labels = rng.integers(len(CLASSES), size=num)
    y, x = np.indices((SIZE, SIZE), np.float32)[:, None]
    row, column = rng.uniform(10, 18, (2, num, 1, 1))
    radius = rng.uniform(4, 7, (num, 1, 1))
    distance = np.hypot(y - row, x - column)
    shapes = [
        distance < radius,
        np.abs(distance - radius) < 1.5,
        (np.abs(y - row) < radius) & (np.abs(x - column) < 2),
    ]
    brightness = rng.integers(128, 256, (num, 1, 1))
    images = np.choose(labels[:, None, None], shapes) * brightness
    return Dataset(
        name=f"shapes/{split}",
        images=images[..., None].astype(np.uint8),
        labels=labels,
        indices=indices,
        class_names=CLASSES,
    )
