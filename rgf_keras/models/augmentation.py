"""Random changes of images that gradients pass through, each image its own.

DiffAugment (Zhao et al. 2020, arXiv 2006.10738) with its three groups: colour, translation,
cutout. Everywhere images are (n, H, W, C) in [−1, 1] when they come in, ``seed`` is a
``keras.random.SeedGenerator``, and the result has the images' shape.
"""

import keras
from keras import ops

from rgf_keras.models.base import Tensor


def diff_augment(images: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """Brightness, saturation, contrast, translation, cutout, in this order."""
    for change in (brightness, saturation, contrast, translation, cutout):
        images = change(images, seed)
    return images


def brightness(images: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """Adds a number from [−0.5, 0.5)."""
    return images + _uniform(images, seed) - 0.5


def saturation(images: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """Scales each pixel's distance from its grey by a factor from [0, 2)."""
    grey = ops.mean(images, axis=-1, keepdims=True)
    return grey + (images - grey) * 2 * _uniform(images, seed)


def contrast(images: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """Scales the distance from the image's mean by a factor from [0.5, 1.5)."""
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (images - mean) * (0.5 + _uniform(images, seed))


def translation(images: Tensor, seed: keras.random.SeedGenerator, ratio: float = 0.125) -> Tensor:
    """Shifts by up to ``ratio`` of the size each way; what comes in from outside is 0.

    A shift is a product with a matrix of zeros and ones, so shapes are static and rows that come
    from outside need no padding.
    """
    rows = _shifts(images, images.shape[1], ratio, seed)
    columns = _shifts(images, images.shape[2], ratio, seed)
    images = ops.einsum("nij,njwc->niwc", rows, images)
    return ops.einsum("nij,nhjc->nhic", columns, images)


def cutout(images: Tensor, seed: keras.random.SeedGenerator, ratio: float = 0.5) -> Tensor:
    """Sets a rectangle of ``ratio`` of the height and width to 0.

    Its centre lies anywhere in the image; what is outside is lost.
    """
    rows = _inside(images, images.shape[1], ratio, seed)[:, :, None, None]
    columns = _inside(images, images.shape[2], ratio, seed)[:, None, :, None]
    return images * (1.0 - rows * columns)


def flip(images: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """Mirrors half of the images, left to right."""
    return ops.where(_uniform(images, seed) < 0.5, ops.flip(images, axis=2), images)


def _uniform(images: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
    """(n, 1, 1, 1) in [0, 1)."""
    return keras.random.uniform((ops.shape(images)[0], 1, 1, 1), seed=seed)


def _shifts(images: Tensor, size: int, ratio: float, seed: keras.random.SeedGenerator) -> Tensor:
    """(n, size, size) matrices that move the entries of a vector."""
    most = round(size * ratio)
    shift = keras.random.randint((ops.shape(images)[0],), -most, most + 1, seed=seed)
    target = ops.arange(size) + shift[:, None]
    return ops.cast(ops.equal(target[:, :, None], ops.arange(size)), images.dtype)


def _inside(images: Tensor, size: int, ratio: float, seed: keras.random.SeedGenerator) -> Tensor:
    """(n, size), 1 where a position lies inside an interval of ``ratio`` of the size, else 0."""
    length = round(size * ratio)
    last = size - length % 2
    centre = keras.random.randint((ops.shape(images)[0], 1), 0, last + 1, seed=seed)
    start, position = centre - length // 2, ops.arange(size)
    return ops.cast((position >= start) & (position < start + length), images.dtype)
