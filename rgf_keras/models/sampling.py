"""From noise to images: the denoiser, and DDPM and DDIM samplers, which are one recurrence.

A step takes x_t to x_s, s < t: x_s = α_s x̂_0 + √(σ_s² − η_t²) ε̂ + η_t ε, with x̂_0 what the denoiser
makes of x_t, ε̂ = (x_t − α_t x̂_0)/σ_t the noise beside it, and ε new noise, of standard deviation
η_t = η · σ_s/σ_t · √(1 − α_t²/α_s²). Song et al. 2021 (DDIM), Eq. 12 and 16: η = 0 adds no noise,
and η = 1 with all timesteps is the ancestral sampler of Ho et al. 2020 (Algorithm 2, σ² = β̃).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import keras
import numpy as np
from keras import ops

from rgf_keras import backend
from rgf_keras.models.arguments import require
from rgf_keras.models.base import Tensor
from rgf_keras.models.inference import whole_batches
from rgf_keras.models.noise_schedules import NoiseSchedule
from rgf_keras.runtime.progress import Progress

Prediction = Literal["epsilon", "v"]
IMAGES_PER_BATCH = 100  # without gradients
STEPS_PER_CALL = 25  # so that progress moves, and the noise of a call fits in memory


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
        """The image x̂_0 that the network sees in x_t (n, H, W, C), float32 clipped to [−1, 1]."""
        timesteps = ops.broadcast_to(timestep, (ops.shape(noisy)[0],))
        prediction = ops.cast(self.network([noisy, timesteps], training=False), "float32")
        alpha_t, sigma_t = self.schedule.scales(timesteps)
        if self.prediction == "v":
            image = alpha_t * noisy - sigma_t * prediction
        else:
            image = (noisy - sigma_t * prediction) / alpha_t
        return ops.clip(image, -1.0, 1.0)


class Steps(NamedTuple):
    """The steps of a sampler and their factors, arrays (num_steps,).

    Attributes:
        timesteps: t, int32, falling from T − 1.
        image: of x̂_0, float32.
        noisy: of x_t, float32.
        noise: of ε, float32.
    """

    timesteps: np.ndarray
    image: np.ndarray
    noisy: np.ndarray
    noise: np.ndarray


def sampling_steps(schedule: NoiseSchedule, num_steps: int, eta: float) -> Steps:
    """The steps of a sampler; the last one returns x̂_0 itself.

    Args:
        schedule: of T timesteps, over which the steps are spread evenly.
        num_steps: in [1, T].
        eta: η in [0, 1], how much of the noise is drawn anew.

    Raises:
        ArgumentError: arguments out of range.
    """
    check_sampler(num_steps, eta, len(schedule))
    timesteps = np.round(np.linspace(len(schedule) - 1, 0, num_steps)).astype(np.int32)
    signal_t = schedule.alphas_cumprod[timesteps]  # α_t²
    signal_s = np.append(signal_t[1:], 1.0)
    alpha_t, alpha_s = np.sqrt(signal_t), np.sqrt(signal_s)
    variance_t, variance_s = 1 - signal_t, 1 - signal_s  # σ_t², σ_s²
    eta_t = eta * np.sqrt(variance_s / variance_t * (1 - signal_t / signal_s))
    noisy = np.sqrt(np.maximum(variance_s - eta_t**2, 0) / variance_t)
    factors = (alpha_s - noisy * alpha_t, noisy, eta_t)
    return Steps(timesteps, *(values.astype(np.float32) for values in factors))


def check_sampler(num_steps: int, eta: float, timesteps: int) -> None:
    """Raises an ArgumentError if a sampler's arguments are out of range."""
    require(
        1 <= num_steps <= timesteps,
        f"num_steps must lie in [1, {timesteps}] (the model's timesteps), received {num_steps}",
    )
    require(0 <= eta <= 1, f"eta must lie in [0, 1], received {eta}")


class Sampler:
    """Takes latents to images; all its steps are one compiled loop.

    Args:
        denoiser: x_t to x̂_0.
    """

    def __init__(self, denoiser: Denoiser):
        self.denoiser = denoiser
        self.advance = backend.jit(self._advance, denoiser.network.variables)

    def __call__(
        self, latents: np.ndarray, num_steps: int, eta: float, seed: int, progress: Progress
    ) -> np.ndarray:
        """Images in [−1, 1] from latents x_T, (n, H, W, C), see :func:`sampling_steps`.

        The seed is that of the noise; progress counts passes of the network over a batch.
        """
        steps = sampling_steps(self.denoiser.schedule, num_steps, eta)
        batches = whole_batches(len(latents), IMAGES_PER_BATCH)
        done, total = 0, len(batches) * num_steps
        images = []
        for batch in batches:
            x = latents[batch]
            for part in _parts(steps, batch, latents.shape[1:], seed):
                x = self.advance(x, *part)
                done += len(part[0])
                progress(done, total)
            images.append(ops.convert_to_numpy(x))
        return np.concatenate(images)[: len(latents)]

    def _advance(self, noisy: Tensor, *part: Tensor) -> Tensor:
        """Takes x_t (n, H, W, C) through steps that :func:`_parts` yields."""
        steps, noise = Steps(*part[:-1]), part[-1]

        def step(i, x_t):
            image = self.denoiser(x_t, steps.timesteps[i])
            return steps.image[i] * image + steps.noisy[i] * x_t + steps.noise[i] * noise[i]

        return ops.fori_loop(0, steps.timesteps.shape[0], step, noisy)


def _parts(
    steps: Steps, images: np.ndarray, image_shape: tuple[int, ...], seed: int
) -> Iterator[tuple[np.ndarray, ...]]:
    """The steps in parts, each with its steps' noise ε, (steps, n, H, W, C), or a 0 for none.

    Every image has noise of its own, whatever the backend and however many are drawn together:
    ``images`` are their numbers, (n,), from 0.
    """
    # SeedSequence takes [seed, 0] for seed, which the latents are drawn from.
    generators = [np.random.default_rng([seed, i + 1]) for i in images]
    for start in range(0, len(steps.timesteps), STEPS_PER_CALL):
        part = Steps(*(values[start : start + STEPS_PER_CALL] for values in steps))
        num = len(part.timesteps)
        noise = [
            rng.standard_normal((num, *image_shape), np.float32)
            for rng in (generators if part.noise.any() else [])
        ]
        yield (*part, np.stack(noise, axis=1) if noise else np.zeros((num, 1, 1, 1, 1), np.float32))
