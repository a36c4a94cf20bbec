"""What data sets and factors must do."""

from collections.abc import Callable

import numpy as np

from rgf_keras import datasets
from rgf_keras.datasets import Dataset, Factor

MAX_DUPLICATES = 0.01  # of the test images: data sets in use have a few


def check_dataset(load: Callable[[str], Dataset]) -> None:
    """Check a data set.

    Args:
        load: ``"train"`` or ``"test"`` → the images of this split.

    Raises:
        AssertionError: a split is no ``Dataset`` or another one when it is loaded again; the splits
            differ in classes, factor or size of images, or share images; classes without images.
    """
    train, test = load("train"), load("test")
    for split, dataset in {"train": train, "test": test}.items():
        assert isinstance(dataset, Dataset), f"load({split!r}) must be a Dataset"
        again = load(split)
        assert dataset.fingerprint == again.fingerprint, f"{split} must be the same again"
        assert np.array_equal(dataset.indices, again.indices), f"{split}: the same indices again"
        assert len(set(dataset.indices.tolist())) == len(dataset), f"{split}: indices are unique"
        missing = set(range(dataset.num_classes)) - set(dataset.labels.tolist())
        assert not missing, f"{split} has no images of the classes {sorted(missing)}"
        if dataset.factor is not None:
            values = len(dataset.factor_values)
            assert dataset.factor_name, f"{split}: the factor must have a name"
            assert dataset.factor.max() < values, f"{split}: the factor must be one of {values}"
    for name in ("class_names", "image_shape", "factor_name", "factor_values"):
        both = getattr(train, name), getattr(test, name)
        assert both[0] == both[1], f"{name} must be that of both splits, received {both}"
    known = {image.tobytes() for image in train.images}
    shared = float(np.mean([image.tobytes() in known for image in test.images]))
    assert shared <= MAX_DUPLICATES, f"{shared:.1%} of the test images are training images"


def check_factor(factor: Factor, images: np.ndarray | None = None) -> None:
    """Check a factor.

    Args:
        factor: what is planted.
        images: (N, H, W, C) uint8 to plant it in, at least 4; a few digits if None.

    Raises:
        AssertionError: no name or values; planted images of another number or type; they depend on
            more than image, value, index and seed; a value that does not show.
    """
    if images is None:
        images = datasets.load("mnist-10k").images[:6]
    assert factor.name, "a factor must have a name"
    values = factor.values
    assert values, "a factor must have values"
    assert len(set(values)) == len(values), f"values must be unique, received {values}"
    before, indices = images.copy(), np.arange(len(images)) + 7
    planted = []
    for position in range(len(values)):
        assignment = np.full(len(images), position)
        images.setflags(write=False)
        planted.append(factor.apply(images, assignment, indices, 1))
        again = factor.apply(images[::-1], assignment, indices[::-1], 1)[::-1]
        assert np.array_equal(planted[-1], again), "an image must not depend on those beside it"
    assert np.array_equal(images, before), "the images given must stay as they are"
    for position, changed in enumerate(planted):
        assert changed.dtype == np.uint8, f"planted images must be uint8, received {changed.dtype}"
        assert changed.shape[:3] == images.shape[:3], (
            f"planted images must be {images.shape[:3]}, received {changed.shape[:3]}"
        )
        for other in range(position):
            same = np.array_equal(changed, planted[other])
            assert not same, f"{values[other]} and {values[position]} must look different"
    mixed = np.arange(len(images)) % len(values)
    expected = np.stack(planted)[mixed, np.arange(len(images))]
    assert np.array_equal(factor.apply(images, mixed, indices, 1), expected), (
        "an image must depend on its own value alone"
    )
