"""From noise to images: the steps of DDPM and DDIM samplers, which are one recurrence.

A step takes x_t to x_s, s < t: x_s = a·x̂_0 + b·x_t + σ·ε, with x̂_0 what the network makes of x_t.
Song et al. 2021 (DDIM), Eq. 12 and 16: η = 0 adds no noise, and η = 1 with all timesteps is the
ancestral sampler of Ho et al. 2020 (Algorithm 2 with σ² = β̃).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rgf_keras.models.noise_schedules import NoiseSchedule

STEPS_PER_CALL = 25  # so that progress moves, and the noise of a call fits in memory


class Steps(NamedTuple):
    """The steps of a sampler, arrays (num_steps,).

    Args:
        timesteps: t, int32, falling from T − 1.
        of_denoised: a, float32.
        of_noisy: b, float32.
        of_noise: σ, float32.
    """

    timesteps: np.ndarray
    of_denoised: np.ndarray
    of_noisy: np.ndarray
    of_noise: np.ndarray


def sampling_steps(schedule: NoiseSchedule, num_steps: int, eta: float) -> Steps:
    """The steps of a sampler; the last one returns x̂_0 itself.

    Args:
        schedule: the model's.
        num_steps: in [1, T], spread evenly over the timesteps.
        eta: η in [0, 1], how much of the noise is drawn anew.
    """
    timesteps = np.round(np.linspace(len(schedule) - 1, 0, num_steps)).astype(np.int32)
    now = schedule.alphas_cumprod[timesteps]
    then = np.append(now[1:], 1.0)
    sigma = eta * np.sqrt((1 - then) / (1 - now) * (1 - now / then))
    of_noisy = np.sqrt(np.maximum(1 - then - sigma**2, 0) / (1 - now))
    of_denoised = np.sqrt(then) - of_noisy * np.sqrt(now)
    coefficients = (of_denoised, of_noisy, sigma)
    return Steps(timesteps, *(values.astype(np.float32) for values in coefficients))


def calls(
    steps: Steps, images: np.ndarray, image_shape: tuple[int, ...], seed: int
) -> Iterator[tuple[np.ndarray, ...]]:
    """The steps in parts, each with its steps' noise ε, (steps, n, H, W, C), or a 0 for none.

    Every image has noise of its own, whatever the backend and however many are drawn together.

    Args:
        steps: of the sampler.
        images: (n,) numbers of the images, from 0.
        image_shape: (H, W, C).
        seed: of the noise.
    """
    # SeedSequence takes [seed, 0] for seed, which the latents are drawn from.
    generators = [np.random.default_rng([seed, i + 1]) for i in images]
    for start in range(0, len(steps.timesteps), STEPS_PER_CALL):
        part = Steps(*(values[start : start + STEPS_PER_CALL] for values in steps))
        num = len(part.timesteps)
        noise = [
            rng.standard_normal((num, *image_shape), np.float32)
            for rng in (generators if part.of_noise.any() else [])
        ]
        yield (*part, np.stack(noise, axis=1) if noise else np.zeros((num, 1, 1, 1, 1), np.float32))
