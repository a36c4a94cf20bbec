"""A normalizing flow (RealNVP, Dinh et al. 2017) whose likelihood is exact.

Three methods make it more than a model that can be sampled: with `players()` it is trained by
rgf_keras' Trainer (resumed exactly, with hooks, on every backend), and with `log_prob` it can be
scored by `rgf score`. A configuration names it so:

    model: {family: custom, target: "my_flow.py:make_flow", arguments: {num_couplings: 6}}
"""

import zlib

import keras
import numpy as np
from keras import layers, ops

from rgf_keras.models import Loss, Player

MARGIN = 0.05  # keeps the logit of black and white pixels finite


class Coupling(layers.Layer):
    """Scales and shifts half of the values by what a network makes of the other half."""

    def __init__(self, kept, units, seed):
        super().__init__()
        self.kept = kept  # (D,) booleans: the values that stay as they are
        initializer = keras.initializers.GlorotUniform(seed)
        self.network = keras.Sequential(
            [
                keras.Input(kept.shape),
                layers.Dense(units, "relu", kernel_initializer=initializer),
                layers.Dense(units, "relu", kernel_initializer=initializer.clone()),
                layers.Dense(2 * kept.size, kernel_initializer="zeros"),  # the identity at first
            ]
        )

    def scale_and_shift(self, x):
        log_scale, shift = ops.split(self.network(ops.where(self.kept, x, 0.0)), 2, axis=-1)
        return ops.where(self.kept, 0.0, ops.tanh(log_scale)), ops.where(self.kept, 0.0, shift)

    def call(self, x):
        """x (n, D) to its image (n, D) and the logarithm of how much volume grows (n,)."""
        log_scale, shift = self.scale_and_shift(x)
        return x * ops.exp(log_scale) + shift, ops.sum(log_scale, axis=-1)

    def inverse(self, y):
        log_scale, shift = self.scale_and_shift(y)
        return (y - shift) * ops.exp(-log_scale)


class RealNVP(keras.Model):
    """Coupling layers between logits of dequantised pixels and a standard normal.

    Densities are those of pixels in [0, 256], dequantised by uniform noise: the space in which
    rgf_keras' VAE with `observation: logit` gives its densities too.
    """

    def __init__(self, image_shape, num_couplings, units, seed):
        super().__init__()
        self.image_shape = tuple(image_shape)
        self.size = int(np.prod(image_shape))
        checkerboard = np.indices(image_shape).sum(axis=0).ravel() % 2 == 0
        self.couplings = [
            Coupling(checkerboard ^ (i % 2 == 1), units, seed + i) for i in range(num_couplings)
        ]
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, values):
        """log p of dequantised pixels (n, D) in [0, 256], in nats, (n,)."""
        share = MARGIN + (1.0 - 2.0 * MARGIN) * values / 256.0
        x = ops.log(share) - ops.log(1.0 - share)
        log_volume = ops.sum(
            np.log((1.0 - 2.0 * MARGIN) / 256.0) - ops.log(share * (1.0 - share)), axis=-1
        )
        for coupling in self.couplings:
            x, grown = coupling(x)
            log_volume = log_volume + grown
        return log_volume - 0.5 * ops.sum(ops.square(x) + np.log(2 * np.pi), axis=-1)

    def players(self):
        """The one turn of a training step."""
        return [Player("flow", self.trainable_variables, self.loss_of)]

    def loss_of(self, batch):
        """Negative log-likelihood of a batch: images (n, H, W, C) in [−1, 1]."""
        values = ops.reshape((batch["images"] + 1.0) * 127.5, (-1, self.size))
        noise = keras.random.uniform(ops.shape(values), seed=self.seed_generator)
        return Loss(per_example=-self(values + noise))

    def sample(self, n, seed):
        """n images (n, H, W, C) in [−1, 1]; the seed alone decides which."""
        normal = np.random.default_rng(seed).standard_normal((n, self.size), "float32")
        x = ops.convert_to_tensor(normal)
        for coupling in reversed(self.couplings):
            x = coupling.inverse(x)
        pixels = ops.clip((ops.sigmoid(x) - MARGIN) / (1.0 - 2.0 * MARGIN), 0.0, 1.0)
        return ops.convert_to_numpy(2.0 * pixels - 1.0).reshape(-1, *self.image_shape)

    def log_prob(self, images, num_samples, seed=0):
        """log p of 8-bit images (n, H, W, C), in nats, (n,): the logarithm of the mean density.

        An image's noise is drawn by its own pixels and the seed: what is beside it does not matter.
        """
        log_densities = np.empty((num_samples, len(images)))
        pixels = images.reshape(-1, self.size).astype("float32")
        generators = [np.random.default_rng([seed, zlib.crc32(image)]) for image in pixels]
        for densities in log_densities:
            noise = np.stack([each.random(self.size, "float32") for each in generators])
            densities[:] = self.predict(pixels + noise, batch_size=500, verbose=0)
        return (np.logaddexp.reduce(log_densities) - np.log(num_samples)).astype("float32")


def make_flow(image_shape, seed, num_couplings=6, units=256):
    """The flow; rgf_keras gives `image_shape` and `seed`, `arguments` the others."""
    return RealNVP(image_shape, num_couplings, units, seed)
