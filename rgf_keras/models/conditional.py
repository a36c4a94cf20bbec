"""Class-conditional GANs: SAGAN (Zhang et al. 2019) and BigGAN (Brock et al. 2019)."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from rgf_keras.errors import RgfError
from rgf_keras.models import resnets
from rgf_keras.models.adversarial import AdversarialModel
from rgf_keras.models.augmentation import diff_augment, flip
from rgf_keras.models.base import Batch, Loss, Tensor
from rgf_keras.runtime.progress import SILENT, Progress


class ConditionalGAN(AdversarialModel):
    """A GAN that is given the class, with the hinge loss.

    The discriminator minimises max(0, 1 − D(x, y)) + max(0, 1 + D(G(z, y'), y')), the generator
    −D(G(z, y'), y'). Real labels y are the batch's ``labels``, those y' to generate are uniform.

    Args:
        image_shape: (H, W, C); H and W are multiples of 8.
        num_classes: labels lie in [0, num_classes).
        width: of the networks, see :mod:`rgf_keras.models.resnets`.
        latent_dim: length of a latent vector.
        shared_dim: None for SAGAN's generator, else of BigGAN's class embedding.
        augment: whether the discriminator sees all images through DiffAugment.
        flip: whether half of the real images are mirrored.
        seed: of the weights and of everything random in training.

    Raises:
        ValueError: arguments out of range.
    """

    conditional = True

    def __init__(
        self,
        image_shape: Sequence[int],
        num_classes: int,
        width: int,
        latent_dim: int,
        shared_dim: int | None,
        augment: bool,
        flip: bool,
        seed: int,
        **kwargs,
    ):
        super().__init__(image_shape, latent_dim, seed, **kwargs)
        self.num_classes, self.width, self.shared_dim = num_classes, width, shared_dim
        self.augment, self.flip = augment, flip
        self.generator = resnets.generator(
            image_shape, num_classes, width, latent_dim, shared_dim, seed
        )
        self.discriminator = resnets.discriminator(image_shape, num_classes, width, seed + 1)

    def draw(self, num: int) -> dict[str, Tensor]:
        labels = keras.random.randint((num,), 0, self.num_classes, seed=self.noise)
        return {**super().draw(num), "generated_labels": labels}

    def generate(self, drawn: Batch) -> dict[str, Tensor]:
        labels = drawn["generated_labels"]
        images = self.generator([drawn["latents"], labels], training=True)
        return {"images": images, "labels": labels}

    def judge(self, *batches: Batch) -> Tensor:
        images = ops.concatenate([batch["images"] for batch in batches])
        labels = ops.concatenate([ops.cast(batch["labels"], "int32") for batch in batches])
        if self.augment:
            images = diff_augment(images, self.noise)
        return self.discriminator([images, labels], training=True)

    def real_losses(self, logits: Tensor) -> Tensor:
        return ops.relu(1.0 - logits)

    def generated_losses(self, logits: Tensor) -> Tensor:
        return ops.relu(1.0 + logits)

    def generator_losses(self, logits: Tensor) -> Tensor:
        return -logits

    def _discriminator_loss(self, batch: Batch) -> Loss:
        if "labels" not in batch:
            raise RgfError(f"{type(self).__name__} needs data with labels")
        if self.flip:
            batch = {**batch, "images": flip(batch["images"], self.noise)}
        return super()._discriminator_loss(batch)

    def sample(
        self,
        num_samples: int,
        seed: int,
        fast: bool = False,
        progress: Progress = SILENT,
        labels: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw images.

        Args:
            num_samples: how many, at least 1.
            seed: of the latents.
            fast: without effect.
            progress: never called.
            labels: (num_samples,) integers; by default 0, 1, ..., num_classes − 1, again and again.

        Returns:
            (num_samples, H, W, C) float32 in [−1, 1].

        Raises:
            ValueError: labels of another shape or that are no classes.
        """
        return self.decode(self.sample_latents(num_samples, seed), labels)

    def decode(self, latents: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Latents (n, latent_dim), and labels as for :meth:`sample`, to images in [−1, 1]."""
        if labels is None:
            labels = np.arange(len(latents)) % self.num_classes
        labels = np.asarray(labels)
        if labels.shape != (len(latents),):
            raise ValueError(f"labels must be ({len(latents)},), received {labels.shape}")
        if not np.isin(labels, np.arange(self.num_classes)).all():
            raise ValueError(f"labels must be integers in [0, {self.num_classes - 1}]")
        return self.generator.predict([latents, labels.astype(np.int32)], batch_size=500, verbose=0)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "width": self.width,
            "augment": self.augment,
            "flip": self.flip,
        }


@keras.saving.register_keras_serializable("rgf_keras")
class SAGAN(ConditionalGAN):
    """SAGAN with a projection discriminator; by default the paper's, 4.39 M generator parameters.

    Spectral normalization in both networks, self-attention after the generator's second and the
    discriminator's first block, and batch normalization with a gain and bias per class.

    Args:
        image_shape: (H, W, C); H and W are multiples of 8.
        num_classes: labels lie in [0, num_classes).
        width: of the networks, at least 4.
        latent_dim: length of a latent vector.
        augment: whether the discriminator sees all images through DiffAugment.
        flip: whether half of the real images are mirrored.
        seed: of the weights and of everything random in training.

    Raises:
        ValueError: arguments out of range.
    """

    def __init__(
        self,
        image_shape: Sequence[int] = (32, 32, 3),
        num_classes: int = 10,
        width: int = 64,
        latent_dim: int = 128,
        augment: bool = False,
        flip: bool = False,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(
            image_shape, num_classes, width, latent_dim, None, augment, flip, seed, **kwargs
        )


@keras.saving.register_keras_serializable("rgf_keras")
class BigGAN(ConditionalGAN):
    """BigGAN at 32×32; by default the paper's, 9.42 M generator parameters.

    Like :class:`SAGAN`, but the gains and biases of the batch normalizations are linear in a class
    embedding that they share and in a part of the latents that each block has for itself.

    Args:
        image_shape: (H, W, C); H and W are multiples of 8.
        num_classes: labels lie in [0, num_classes).
        width: of the networks, at least 4.
        latent_dim: length of a latent vector, a multiple of 4.
        shared_dim: length of the class embedding.
        augment: whether the discriminator sees all images through DiffAugment.
        flip: whether half of the real images are mirrored.
        seed: of the weights and of everything random in training.

    Raises:
        ValueError: arguments out of range.
    """

    def __init__(
        self,
        image_shape: Sequence[int] = (32, 32, 3),
        num_classes: int = 10,
        width: int = 96,
        latent_dim: int = 80,
        shared_dim: int = 128,
        augment: bool = False,
        flip: bool = False,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(
            image_shape, num_classes, width, latent_dim, shared_dim, augment, flip, seed, **kwargs
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shared_dim": self.shared_dim}
