"""What a diffusion model's network is taught to say of x_t, and the image that it sees in it."""

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
from keras import ops

from rgf_keras.models.base import Tensor
from rgf_keras.models.noise_schedules import NoiseSchedule

Prediction = Literal["epsilon", "v"]
IMAGES_PER_BATCH = 100  # without gradients


@dataclass(frozen=True)
class Denoiser:
    """x_t to x̂_0.

    Attributes:
        network: [x_t (n, H, W, C), timesteps (n,)] to a prediction of x_t's shape.
        schedule: how x_t came about.
        prediction: what the network predicts: ``"epsilon"``, the noise ε, or ``"v"``,
            α_t ε − σ_t x_0 (Salimans and Ho 2022).
    """

    network: keras.layers.Layer
    schedule: NoiseSchedule
    prediction: Prediction

    def target(self, images: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """What the network should predict of images and noise (n, H, W, C), timesteps (n,)."""
        if self.prediction == "epsilon":
            return noise
        alpha_t, sigma_t = self.schedule.scales(timesteps)
        return alpha_t * noise - sigma_t * images

    def __call__(self, noisy: Tensor, timestep: Tensor) -> Tensor:
        """The image that the network sees in x_t, x̂_0.

        Args:
            noisy: x_t, (n, H, W, C).
            timestep: t, a scalar integer.

        Returns:
            (n, H, W, C) float32, clipped to [−1, 1].
        """
        timesteps = ops.broadcast_to(timestep, (ops.shape(noisy)[0],))
        prediction = ops.cast(self.network([noisy, timesteps], training=False), "float32")
        alpha_t, sigma_t = self.schedule.scales(timesteps)
        if self.prediction == "v":
            image = alpha_t * noisy - sigma_t * prediction
        else:
            image = (noisy - sigma_t * prediction) / alpha_t
        return ops.clip(image, -1.0, 1.0)


def whole_batches(num: int) -> np.ndarray:
    """Positions in [0, num) as batches of equal size, (batches, size); the last one is repeated."""
    num_batches = -(-num // IMAGES_PER_BATCH)
    size = -(-num // num_batches)
    return np.minimum(np.arange(num_batches * size), num - 1).reshape(num_batches, size)
