"""Denoising diffusion models: DDPM (Ho et al. 2020), with DDIM samplers (Song et al. 2021)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from rgf_keras import backend
from rgf_keras.errors import RgfError
from rgf_keras.models import augmentation, unet
from rgf_keras.models.base import Batch, LikelihoodModel, Loss, Player, Tensor
from rgf_keras.models.noise_schedules import SCHEDULES
from rgf_keras.models.pixels import to_float
from rgf_keras.models.sampling import STEPS_PER_CALL, Steps, calls, sampling_steps
from rgf_keras.models.variational_bound import (
    decoder_log_prob,
    prior_divergence,
    stratified_timesteps,
)
from rgf_keras.runtime.progress import SILENT, Progress

IMAGES_PER_BATCH = 100  # without gradients
FAST = (25, 0.0)  # num_steps and eta
AUGMENTATIONS = {
    "flip": augmentation.flip,
    "translation": lambda images, seed: augmentation.translation(images + 1, seed) - 1,  # on black
    "brightness": augmentation.brightness,
    "saturation": augmentation.saturation,
    "contrast": augmentation.contrast,
}
Augmentation = Literal["flip", "translation", "brightness", "saturation", "contrast"]


@keras.saving.register_keras_serializable("rgf_keras")
class DDPM(LikelihoodModel):
    """A denoising diffusion model.

    The loss per image is the mean squared error of the network's prediction at one random timestep
    (Ho et al. 2020, Eq. 14). Sample with averaged weights (``ema_decay`` of the Trainer).
    :meth:`log_prob` is a lower bound.

    Args:
        image_shape: (H, W, C); H and W are even.
        size: ``"tiny"``, ``"small"`` (for a CPU) or ``"base"`` (Ho et al.'s), see
            :data:`unet.SIZES`.
        width: channels at the image's size, if not those of the size; a multiple of 4.
        backbone: the U-Net's layers: ``"keras"``, or ``"keras_cv"`` (needs KerasCV and TensorFlow,
            and a width that is a multiple of 32).
        prediction: what the network predicts: ``"epsilon"``, the noise, or ``"v"``,
            √ᾱ ε − √(1 − ᾱ) x_0 (Salimans and Ho 2022).
        noise_schedule: ``"linear"`` or ``"cosine"``.
        timesteps: T, at least 2.
        dropout: in the U-Net's residual blocks, in [0, 1).
        augment: changes of the training images, of which the network is told nothing, so that
            generated images have them too.
        num_steps: of the sampler, in [1, T].
        eta: of the sampler, in [0, 1]: 0 is DDIM's; 1 with T steps is DDPM's.
        seed: of the weights and of everything random in training.

    Raises:
        RgfError: arguments out of range; KerasCV is missing.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        size: Literal["tiny", "small", "base"] = "small",
        width: int | None = None,
        backbone: Literal["keras", "keras_cv"] = "keras",
        prediction: Literal["epsilon", "v"] = "epsilon",
        noise_schedule: Literal["linear", "cosine"] = "linear",
        timesteps: int = 1000,
        dropout: float = 0.0,
        augment: Sequence[Augmentation] = (),
        num_steps: int = 100,
        eta: float = 0.0,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(image_shape, int(np.prod(image_shape)), seed, **kwargs)
        self.size, self.width, self.backbone, self.prediction = size, width, backbone, prediction
        self.noise_schedule, self.timesteps = noise_schedule, timesteps
        self.dropout, self.augment = dropout, tuple(augment)
        self.num_steps, self.eta = num_steps, eta
        check_sampler(num_steps, eta, timesteps)
        self.schedule = SCHEDULES[noise_schedule](timesteps)
        self._build_network(replace(unet.SIZES[size], width=width or unet.SIZES[size].width))
        self._compiled_steps = backend.jit(self._steps, self.network.variables)
        self._compiled_errors = backend.jit(self._errors, self.network.variables)

    def _build_network(self, size: unet.Size) -> None:
        if self.backbone == "keras_cv":
            from rgf_keras.models import unet_keras_cv

            cv_blocks = unet_keras_cv.KerasCVBlocks(size.width, self.dropout, self.seed)
            self.network = unet.unet(self.image_shape, size, cv_blocks, self.seed)
            unet_keras_cv.initialize(self.network, self.seed)
            self.add_noise = unet_keras_cv.noise_scheduler(self.schedule).add_noise
        else:
            blocks = unet.KerasBlocks(size.width, self.dropout, self.seed)
            self.network = unet.unet(self.image_shape, size, blocks, self.seed + 1)
            self.add_noise = self.schedule.add_noise

    def players(self) -> list[Player]:
        more_is_drawn = self.dropout or self.augment
        draws = None if more_is_drawn else self.draws
        return [Player("diffusion", self.trainable_variables, self._loss, draws=draws)]

    def draws(self, num: int) -> dict[str, Tensor]:
        """What a loss of ``num`` images is computed with, from the model's own state.

        Returns:
            ``timesteps`` (num,), uniform, and ``latents`` (num, H·W·C), the noise.
        """
        timesteps = keras.random.randint((num,), 0, self.timesteps, seed=self.noise)
        return {"timesteps": timesteps, "latents": self.normal(num)}

    def _loss(self, batch: Batch) -> Loss:
        """Of the draws that the batch holds, or else of new ones."""
        images = batch["images"]
        drawn = batch if "latents" in batch else self.draws(ops.shape(images)[0])
        for name in self.augment:
            images = ops.clip(AUGMENTATIONS[name](images, self.noise), -1.0, 1.0)
        timesteps = drawn["timesteps"]
        noise = ops.reshape(drawn["latents"], (-1, *self.image_shape))
        noisy = self.add_noise(images, noise, timesteps)
        predicted = self.network([noisy, timesteps], training=True)
        target = noise
        if self.prediction == "v":
            of_image, of_noise = self.schedule.scales(timesteps)
            target = of_image * noise - of_noise * images
        squared = ops.square(target - ops.cast(predicted, "float32"))
        return Loss(ops.mean(squared, axis=(1, 2, 3)))

    def denoise(self, noisy: Tensor, timestep: Tensor) -> Tensor:
        """The image that the network sees in x_t, x̂_0.

        Args:
            noisy: x_t, (n, H, W, C).
            timestep: t, a scalar integer.

        Returns:
            (n, H, W, C) float32, clipped to [−1, 1].
        """
        timesteps = ops.broadcast_to(timestep, (ops.shape(noisy)[0],))
        predicted = ops.cast(self.network([noisy, timesteps], training=False), "float32")
        of_image, of_noise = self.schedule.scales(timesteps)
        if self.prediction == "v":
            denoised = of_image * noisy - of_noise * predicted
        else:
            denoised = (noisy - of_noise * predicted) / of_image
        return ops.clip(denoised, -1.0, 1.0)

    def sample(
        self,
        num_samples: int,
        seed: int,
        fast: bool = False,
        progress: Progress = SILENT,
        num_steps: int | None = None,
        eta: float | None = None,
    ) -> np.ndarray:
        """Draw images.

        Args:
            num_samples: how many, at least 1.
            seed: of the latents x_T and of the sampler's noise.
            fast: 25 steps with η = 0.
            progress: called with (done, total) passes of the network over a batch.
            num_steps: if not the model's.
            eta: η, if not the model's.

        Returns:
            (num_samples, H, W, C) float32 in [−1, 1].

        Raises:
            RgfError: arguments out of range.
        """
        default_steps, default_eta = FAST if fast else (self.num_steps, self.eta)
        num_steps = min(default_steps, self.timesteps) if num_steps is None else num_steps
        eta = default_eta if eta is None else eta
        check_sampler(num_steps, eta, self.timesteps)
        steps = sampling_steps(self.schedule, num_steps, eta)
        return self._walk(self.sample_latents(num_samples, seed), steps, seed, progress)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Latents x_T (n, H·W·C) to images (n, H, W, C) in [−1, 1], with η = 0."""
        return self._walk(latents, sampling_steps(self.schedule, self.num_steps, 0.0), 0, SILENT)

    def _walk(self, latents: np.ndarray, steps: Steps, seed: int, progress: Progress) -> np.ndarray:
        """Takes latents through the steps, batch by batch."""
        latents = latents.reshape(-1, *self.image_shape)
        batches = _whole_batches(len(latents))
        done, total = 0, len(batches) * len(steps.timesteps)
        images = []
        for batch in batches:
            x = latents[batch]
            for rows in calls(steps, batch, self.image_shape, seed):
                x = self._compiled_steps(x, *rows)
                done += len(rows[0])
                progress(done, total)
            images.append(ops.convert_to_numpy(x))
        return np.concatenate(images)[: len(latents)]

    def _steps(self, noisy, timesteps, of_denoised, of_noisy, of_noise, noise):
        """Takes x_t (n, H, W, C) through all steps, see :mod:`rgf_keras.models.sampling`."""

        def step(i, noisy):
            denoised = self.denoise(noisy, timesteps[i])
            return of_denoised[i] * denoised + of_noisy[i] * noisy + of_noise[i] * noise[i]

        return ops.fori_loop(0, timesteps.shape[0], step, noisy)

    def log_prob(self, images: np.ndarray, num_samples: int, seed: int = 0) -> np.ndarray:
        """A lower bound of log p(x), see :mod:`rgf_keras.models.variational_bound`.

        All images are given the same draws, so that differences between them are more accurate
        than their values. The estimate's expectation does not depend on ``num_samples``.

        Args:
            images: (n, H, W, C) uint8.
            num_samples: timesteps, with noise, that the bound is estimated from, at least 1.
            seed: of these draws.

        Returns:
            (n,) float32 in nats.
        """
        rng = np.random.default_rng(seed)
        timesteps, weights = stratified_timesteps(self.schedule, num_samples, rng)
        noise = rng.standard_normal((num_samples + 1, *self.image_shape), np.float32)
        # The last pass, at t = 0, is the decoder's. It is repeated until all calls are alike.
        num_calls = -(-(num_samples + 1) // STEPS_PER_CALL)
        length = -(-(num_samples + 1) // num_calls)
        rows = np.minimum(np.arange(num_calls * length), num_samples).reshape(num_calls, length)
        draws = (np.append(timesteps, np.int32(0)), np.append(weights, 0).astype("f4"), noise)
        found = []
        for batch in _whole_batches(len(images)):
            pixels = to_float(images[batch])
            calls = (self._compiled_errors(pixels, *(x[part] for x in draws)) for part in rows)
            parts = [[ops.convert_to_numpy(x) for x in results] for results in calls]
            error = prior_divergence(ops.convert_to_numpy(pixels), self.schedule)
            error += sum(part[0].astype(np.float64) for part in parts)
            found.append(decoder_log_prob(images[batch], parts[-1][1], self.schedule) - error)
        return np.concatenate(found)[: len(images)].astype(np.float32)

    def _errors(self, images, timesteps, weights, noise):
        """Σ weight · ‖x_0 − x̂_0(x_t)‖² over the timesteps, (n,), and the last x̂_0."""

        def step(i, carry):
            of_image, of_noise = self.schedule.scales(timesteps[i])
            denoised = self.denoise(of_image * images + of_noise * noise[i], timesteps[i])
            squared = ops.sum(ops.square(images - denoised), axis=(1, 2, 3))
            return carry[0] + weights[i] * squared, denoised

        start = ops.zeros((images.shape[0],)), ops.zeros_like(images)
        return ops.fori_loop(0, timesteps.shape[0], step, start)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.pop("latent_dim")
        return {
            **config,
            "size": self.size,
            "width": self.width,
            "backbone": self.backbone,
            "prediction": self.prediction,
            "noise_schedule": self.noise_schedule,
            "timesteps": self.timesteps,
            "dropout": self.dropout,
            "augment": self.augment,
            "num_steps": self.num_steps,
            "eta": self.eta,
        }


def _whole_batches(num: int) -> np.ndarray:
    """Positions in [0, num) as batches of equal size, (batches, size); the last one is repeated."""
    num_batches = -(-num // IMAGES_PER_BATCH)
    size = -(-num // num_batches)
    return np.minimum(np.arange(num_batches * size), num - 1).reshape(num_batches, size)


def check_sampler(num_steps: int, eta: float, timesteps: int) -> None:
    """Raises an RgfError if a sampler's arguments are out of range."""
    if timesteps < 2:
        raise RgfError(f"timesteps must be at least 2, received {timesteps}")
    if not 1 <= num_steps <= timesteps:
        raise RgfError(
            f"num_steps must lie in [1, {timesteps}] (the model's timesteps), received {num_steps}"
        )
    if not 0 <= eta <= 1:
        raise RgfError(f"eta must lie in [0, 1], received {eta}")
