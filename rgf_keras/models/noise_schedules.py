"""How much noise each timestep of a diffusion model has.

Timesteps count from 0 (least noise) to T − 1, as in q(x_t | x_0) = N(α_t x_0, σ_t² I) with
α_t² = 1 − σ_t² = ᾱ_t, the product of 1 − β_0 to 1 − β_t (Ho et al. 2020, Eq. 4, whose t is ours
plus 1; the symbols α_t and σ_t are those of Kingma et al. 2021).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from keras import ops

from rgf_keras.models.base import Tensor

MAX_BETA = 0.999


@dataclass(frozen=True)
class NoiseSchedule:
    """The noise of a diffusion model.

    Attributes:
        betas: (T,) float64, each in (0, 1).
    """

    betas: np.ndarray

    def __len__(self) -> int:
        return len(self.betas)

    @cached_property
    def alphas_cumprod(self) -> np.ndarray:
        """ᾱ, (T,) float64: the share of x_t's variance that is the image's."""
        return np.cumprod(1.0 - self.betas)

    @cached_property
    def signal_to_noise(self) -> np.ndarray:
        """ᾱ / (1 − ᾱ), (T,) float64, falling."""
        return self.alphas_cumprod / (1.0 - self.alphas_cumprod)

    def scales(self, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """α_t of the image and σ_t of the noise, (n, 1, 1, 1) float32, at timesteps (n,)."""
        alpha, sigma = np.sqrt(self.alphas_cumprod), np.sqrt(1.0 - self.alphas_cumprod)
        return _at(alpha, timesteps), _at(sigma, timesteps)

    def add_noise(self, images: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """x_t = α_t x_0 + σ_t ε, for images and noise (n, H, W, C), timesteps (n,)."""
        alpha_t, sigma_t = self.scales(timesteps)
        return alpha_t * images + sigma_t * noise


def linear(num_timesteps: int) -> NoiseSchedule:
    """β from 0.0001 to 0.02 at 1000 timesteps (Ho et al. 2020), scaled to add up alike."""
    scale = 1000 / num_timesteps
    betas = np.linspace(1e-4 * scale, 0.02 * scale, num_timesteps)
    return NoiseSchedule(np.minimum(betas, MAX_BETA))


def cosine(num_timesteps: int) -> NoiseSchedule:
    """ᾱ falls like a squared cosine (Nichol and Dhariwal 2021, Eq. 17), β at most 0.999."""
    times = (np.arange(num_timesteps + 1) / num_timesteps + 0.008) / 1.008
    alphas_cumprod = np.cos(times * np.pi / 2) ** 2
    betas = 1.0 - alphas_cumprod[1:] / alphas_cumprod[:-1]
    return NoiseSchedule(np.minimum(betas, MAX_BETA))


SCHEDULES = {"linear": linear, "cosine": cosine}


def _at(values: np.ndarray, timesteps: Tensor) -> Tensor:
    rows = ops.take(ops.convert_to_tensor(values, "float32"), timesteps, axis=0)
    return ops.reshape(rows, (-1, 1, 1, 1))
