"""Denoising diffusion models: DDPM (Ho et al. 2020), with DDIM samplers (Song et al. 2021)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import keras
import numpy as np
from keras import ops

from rgf_keras.models import augmentation, unet
from rgf_keras.models.arguments import require_choice, require_range
from rgf_keras.models.base import Batch, LikelihoodModel, Loss, Player, Tensor
from rgf_keras.models.noise_schedules import SCHEDULES
from rgf_keras.models.sampling import Denoiser, Prediction, Sampler, check_sampler
from rgf_keras.models.variational_bound import VariationalBound
from rgf_keras.runtime.progress import SILENT, Progress

FAST = (25, 0.0)  # num_steps and eta
AUGMENTATIONS = {
    "flip": augmentation.flip,
    "translation": lambda images, seed: augmentation.translation(images + 1, seed) - 1,  # on black
    "brightness": augmentation.brightness,
    "saturation": augmentation.saturation,
    "contrast": augmentation.contrast,
}
Augmentation = Literal["flip", "translation", "brightness", "saturation", "contrast"]
Backbone = Literal["keras", "keras_cv_attention", "keras_cv"]


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
        backbone: the U-Net's layers: ``"keras_cv_attention"`` for KerasCV's blocks, ``"keras_cv"``
            for these with its spatial transformers, which cost more, or ``"keras"`` for plain
            ones. The first two need TensorFlow, on any backend, and a width that is a multiple of
            32.
        prediction: what the network predicts: ``"epsilon"``, the noise, or ``"v"``,
            α_t ε − σ_t x_0 (Salimans and Ho 2022).
        noise_schedule: ``"linear"`` or ``"cosine"``.
        timesteps: T, at least 2.
        dropout: in the U-Net's residual blocks, in [0, 1).
        augment: changes of the training images, of which the network is told nothing, so that
            generated images have them too.
        num_steps: of the sampler, in [1, T].
        eta: of the sampler, in [0, 1]: 0 is DDIM's; 1 with T steps is DDPM's.
        seed: of the weights and of everything random in training.

    Attributes:
        schedule: how much noise each timestep has.
        denoiser: x_t to x̂_0, by the network.
        sampler: latents x_T to images, by the denoiser.

    Raises:
        ArgumentError: arguments out of range.
        RgfError: KerasCV is missing.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        size: Literal["tiny", "small", "base"] = "small",
        width: int | None = None,
        backbone: Backbone = "keras_cv_attention",
        prediction: Prediction = "epsilon",
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
        self._check_arguments()
        self.schedule = SCHEDULES[noise_schedule](timesteps)
        self._build_network(replace(unet.SIZES[size], width=width or unet.SIZES[size].width))
        self.denoiser = Denoiser(self.network, self.schedule, prediction)
        self.sampler = Sampler(self.denoiser)
        self.bound = VariationalBound(self.denoiser)

    def _check_arguments(self) -> None:
        require_choice("size", self.size, unet.SIZES)
        require_choice("backbone", self.backbone, get_args(Backbone))
        require_choice("prediction", self.prediction, get_args(Prediction))
        require_choice("noise_schedule", self.noise_schedule, SCHEDULES)
        for name in self.augment:
            require_choice("augment", name, AUGMENTATIONS)
        require_range("timesteps", self.timesteps, 2)
        require_range("dropout", self.dropout, 0, 1)
        check_sampler(self.num_steps, self.eta, self.timesteps)

    def _build_network(self, size: unet.Size) -> None:
        if self.backbone != "keras":
            from rgf_keras.models import unet_keras_cv

            cv_blocks = unet_keras_cv.BLOCKS[self.backbone](size.width, self.dropout, self.seed)
            self.network = unet_keras_cv.unet(self.image_shape, size, cv_blocks, self.seed)
            self.add_noise = unet_keras_cv.noise_scheduler(self.schedule).add_noise
        else:
            blocks = unet.Blocks(size.width, self.dropout, self.seed)
            self.network = unet.unet(self.image_shape, size, blocks, self.seed + 1)
            self.add_noise = self.schedule.add_noise

    def players(self) -> list[Player]:
        has_other_noise = self.dropout or self.augment
        draw_noise = None if has_other_noise else self.draw_noise
        return [Player("diffusion", self.trainable_variables, self._loss, draw_noise=draw_noise)]

    def draw_noise(self, num: int) -> dict[str, Tensor]:
        """The noise that a loss of ``num`` images takes, from the model's own state.

        Returns:
            ``timesteps`` (num,), uniform, and ``latents`` (num, H·W·C), the noise ε.
        """
        timesteps = keras.random.randint((num,), 0, self.timesteps, seed=self.noise)
        return {"timesteps": timesteps, "latents": self.normal(num)}

    def _loss(self, batch: Batch) -> Loss:
        """With the noise that the batch holds, or else with new noise."""
        images = batch["images"]
        if "latents" not in batch:
            batch = self.draw_noise(ops.shape(images)[0])
        for name in self.augment:
            images = ops.clip(AUGMENTATIONS[name](images, self.noise), -1.0, 1.0)
        timesteps = batch["timesteps"]
        noise = ops.reshape(batch["latents"], (-1, *self.image_shape))
        noisy = self.add_noise(images, noise, timesteps)
        prediction = ops.cast(self.network([noisy, timesteps], training=True), "float32")
        squares = ops.square(self.denoiser.target(images, noise, timesteps) - prediction)
        return Loss(ops.mean(squares, axis=(1, 2, 3)))

    def sample(
        self,
        num_samples: int,
        seed: int,
        fast: bool = False,
        progress: Progress = SILENT,
        num_steps: int | None = None,
        eta: float | None = None,
    ) -> np.ndarray:
        """Draw images, see :meth:`GenerativeModel.sample`.

        Args:
            num_samples: how many, at least 1.
            seed: of the latents x_T and of the sampler's noise.
            fast: 25 steps with η = 0.
            progress: called with (done, total) passes of the network over a batch.
            num_steps: if not the model's.
            eta: η, if not the model's.

        Raises:
            ArgumentError: arguments out of range.
        """
        default_steps, default_eta = FAST if fast else (self.num_steps, self.eta)
        num_steps = min(default_steps, self.timesteps) if num_steps is None else num_steps
        eta = default_eta if eta is None else eta
        latents = self.sample_latents(num_samples, seed).reshape(-1, *self.image_shape)
        return self.sampler(latents, num_steps, eta, seed, progress)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Latents x_T (n, H·W·C) to images (n, H, W, C) in [−1, 1], with η = 0."""
        latents = latents.reshape(-1, *self.image_shape)
        return self.sampler(latents, self.num_steps, 0.0, 0, SILENT)

    def log_prob(self, images: np.ndarray, num_samples: int, seed: int = 0) -> np.ndarray:
        """A lower bound of log p(x), see :mod:`rgf_keras.models.variational_bound`.

        All images are given the same draws, so that differences between them are more accurate
        than their values. The estimate's expectation does not depend on ``num_samples``.

        Other than that it is as :meth:`LikelihoodModel.log_prob`; ``num_samples`` timesteps, with
        noise, are what the bound is estimated from.
        """
        self.check_images(images, num_samples)
        return self.bound(images, num_samples, seed)
