"""Something of every kind that a guest may bring, as small as it can be."""

from dataclasses import dataclass, replace

import keras
import numpy as np
from keras import ops

from rgf_keras.datasets import Dataset
from rgf_keras.metrics.features import FeatureExtractor
from rgf_keras.models import Loss, Player
from rgf_keras.training import Regularizer
from rgf_keras.training.regularizers import at


class Gaussian(keras.Model):
    """Independent pixels, each normal with a mean of its own and standard deviation 1/2."""

    def __init__(self, image_shape, seed):
        super().__init__()
        self.image_shape = tuple(image_shape)
        self.mean = self.add_weight(shape=self.image_shape, initializer="zeros")
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def players(self):
        return [Player("gaussian", [self.mean], self.loss_of)]

    def loss_of(self, batch):
        images = batch["images"]
        noisy = images + keras.random.normal(ops.shape(images), 0.0, 0.01, seed=self.generator)
        squares = ops.sum(ops.square(noisy - self.mean), axis=(1, 2, 3))
        return Loss(per_example=2.0 * squares, tensors={"mean": self.mean + 0.0})

    def sample(self, n, seed):
        noise = np.random.default_rng(seed).standard_normal((n, *self.image_shape))
        return np.clip(ops.convert_to_numpy(self.mean) + noise / 2, -1, 1)

    def log_prob(self, images, num_samples, seed=0):
        distance = images / 127.5 - 1.0 - ops.convert_to_numpy(self.mean)
        return (np.log(2 / np.pi) / 2 - 2 * distance**2).sum(axis=(1, 2, 3))


def make_gaussian(image_shape, seed):
    return Gaussian(image_shape, seed)


def load_stripes(split):
    """Rows or columns that are bright, with noise."""
    num, first = {"train": (400, 0), "test": (200, 400)}[split]
    rng = np.random.default_rng(first)
    labels = np.arange(num) % 2
    images = rng.integers(0, 100, (num, 16, 16, 1))
    images[labels == 0, ::4] += 150
    images[labels == 1, :, ::4] += 150
    names = ("rows", "columns")
    return Dataset(
        f"stripes/{split}", images.astype(np.uint8), labels, first + np.arange(num), names
    )


@dataclass(frozen=True)
class Inverse:
    """Black is white."""

    name: str = "inverse"
    values: tuple[str, ...] = ("plain", "inverse")

    def apply(self, images, assignment, indices, seed, cache=None, progress=None):
        return np.where(assignment[:, None, None, None] == 1, 255 - images, images)


class Columns(FeatureExtractor):
    """Means of the columns."""

    name = "columns"

    def __call__(self, images):
        return ops.mean(images, axis=(1, 3))


class Shrinkage(Regularizer):
    """Draws the Gaussian's mean to zero."""

    player = "gaussian"
    metrics = ("shrinkage",)

    def __init__(self, strength):
        self.strength = strength

    def __call__(self, loss, batch, step):
        penalty = at(self.strength, step) * ops.sum(ops.square(loss.tensors["mean"] - 1.0))
        metrics = {**loss.metrics, "shrinkage": penalty}
        return replace(loss, penalty=loss.penalty + penalty, metrics=metrics)


def brightness(evidence):
    return float(evidence.images.mean()) / 255
