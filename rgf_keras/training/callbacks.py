"""Keras callbacks for evaluation at epoch ends."""

from collections.abc import Callable

import keras
import numpy as np

from rgf_keras.models.base import sample_uint8


class SampleGrid(keras.callbacks.Callback):
    """Draws the same latents again and again.

    Args:
        show: called with the epoch (counted from 1) and images (num_images, H, W, C) uint8.
        num_images: how many.
        every: epochs between two grids.
    """

    def __init__(
        self, show: Callable[[int, np.ndarray], None], num_images: int = 64, every: int = 1
    ):
        super().__init__()
        self.show, self.num_images, self.every = show, num_images, every

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            self.show(epoch + 1, sample_uint8(self.model, self.num_images, seed=0, fast=True))


class RealLossByFactor(keras.callbacks.Callback):
    """The discriminator's loss against "real" on held-out images of a class, by factor (Figure 3).

    Adds ``real_loss/f0`` and ``real_loss/f1`` to the epoch's logs: log 2 where the discriminator is
    undecided, larger where it takes the images for generated ones.

    Args:
        images: (n, H, W, C) uint8, of one class.
        has_factor: (n,) booleans: f1 or f0.
        every: epochs between two evaluations.
    """

    def __init__(self, images: np.ndarray, has_factor: np.ndarray, every: int = 1):
        super().__init__()
        self.images, self.has_factor, self.every = images, has_factor, every

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            losses = self.model.real_loss(self.images)
            logs["real_loss/f0"] = float(losses[~self.has_factor].mean())
            logs["real_loss/f1"] = float(losses[self.has_factor].mean())


class Evaluate(keras.callbacks.Callback):
    """Adds numbers to the epoch's logs.

    Args:
        evaluate: model → named numbers.
        every: epochs between two evaluations; the last epoch is always evaluated.
    """

    def __init__(self, evaluate: Callable[[keras.Model], dict[str, float]], every: int):
        super().__init__()
        self.evaluate, self.every = evaluate, every

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0 or epoch + 1 == self.params["epochs"]:
            logs.update(self.evaluate(self.model))


class ReportProgress(keras.callbacks.Callback):
    """Tells how far training is.

    Args:
        progress: called with (steps done, steps in all) after every fused call.
    """

    def __init__(self, progress: Callable[[int, int], None]):
        super().__init__()
        self.progress = progress
        self.epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        steps = self.params["steps"]
        self.progress(self.epoch * steps + batch + 1, self.params["epochs"] * steps)
