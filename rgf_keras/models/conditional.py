"""Class-conditional GANs: SAGAN (Zhang et al. 2019) and BigGAN (Brock et al. 2019)."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from rgf_keras.models import resnets
from rgf_keras.models.adversarial import HINGE, AdversarialModel
from rgf_keras.models.arguments import require
from rgf_keras.models.augmentation import diff_augment, flip
from rgf_keras.models.base import Batch, Loss, Tensor
from rgf_keras.models.inference import infer
from rgf_keras.runtime.progress import SILENT, Progress


class ConditionalGAN(AdversarialModel):
    """A GAN that is given the class, with the hinge loss.

    The discriminator minimises max(0, 1 − D(x, y)) + max(0, 1 + D(G(z, y'), y')), the generator
    −D(G(z, y'), y'). Real labels y are the batch's ``labels``, those y' to generate are uniform.

    Args:
        image_shape: (H, W, C); H and W are multiples of 4.
        num_classes: labels lie in [0, num_classes).
        width: of the networks, at least 4, see :mod:`rgf_keras.models.resnets`.
        latent_dim: length of a latent vector.
        augment: whether the discriminator sees all images through DiffAugment.
        flip: whether half of the real images are mirrored.
        seed: of the weights and of everything random in training.
        shared_dim: None for SAGAN's generator, else of BigGAN's class embedding.

    Raises:
        ArgumentError: arguments out of range.
    """

    conditional = True
    adversarial = HINGE

    def __init__(
        self,
        image_shape: Sequence[int] = (32, 32, 3),
        num_classes: int = 10,
        width: int = 64,
        latent_dim: int = 128,
        augment: bool = False,
        flip: bool = False,
        seed: int = 0,
        *,
        shared_dim: int | None = None,
        **kwargs,
    ):
        super().__init__(image_shape, latent_dim, seed, **kwargs)
        self.num_classes, self.width, self.shared_dim = num_classes, width, shared_dim
        self.augment, self.flip = augment, flip
        self.generator = resnets.generator(
            image_shape, num_classes, width, latent_dim, shared_dim, seed
        )
        self.discriminator = resnets.discriminator(image_shape, num_classes, width, seed + 1)

    def draw_noise(self, num: int) -> dict[str, Tensor]:
        labels = keras.random.randint((num,), 0, self.num_classes, seed=self.noise)
        return {**super().draw_noise(num), "generated_labels": labels}

    def generate(self, noise: Batch) -> dict[str, Tensor]:
        labels = noise["generated_labels"]
        images = self.generator([noise["latents"], labels], training=True)
        return {"images": images, "labels": labels}

    def discriminate(self, *batches: Batch) -> Tensor:
        images = ops.concatenate([batch["images"] for batch in batches])
        labels = ops.concatenate([ops.cast(batch["labels"], "int32") for batch in batches])
        if self.augment:
            images = diff_augment(images, self.noise)
        return self.discriminator([images, labels], training=True)

    def _discriminator_loss(self, batch: Batch) -> Loss:
        require("labels" in batch, f"{type(self).__name__} needs data with labels")
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
        """Draw images, see :meth:`GenerativeModel.sample`.

        Args:
            num_samples: how many, at least 1.
            seed: of the latents.
            fast: without effect, as is ``progress``.
            progress: see above.
            labels: (num_samples,) integers; see :meth:`requested_labels` for the default.

        Raises:
            ArgumentError: labels of another shape or that are no classes.
        """
        return self.decode(self.sample_latents(num_samples, seed), labels)

    def requested_labels(self, num_samples: int) -> np.ndarray:
        """Labels of samples that none were asked for: 0, 1, ..., num_classes − 1, again and again.

        Returns:
            (num_samples,) integers.
        """
        return np.resize(np.arange(self.num_classes), num_samples)

    def decode(self, latents: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """Latents (n, latent_dim), and labels as for :meth:`sample`, to images in [−1, 1]."""
        classes = np.arange(self.num_classes)
        labels = self.requested_labels(len(latents)) if labels is None else np.asarray(labels)
        require(
            labels.shape == (len(latents),),
            f"labels must be ({len(latents)},), received {labels.shape}",
        )
        strangers = labels[~np.isin(labels, classes)]
        require(
            not len(strangers),
            f"labels must be integers in [0, {classes[-1]}], received {strangers[:1].tolist()}",
        )
        return infer(self.generator, latents, labels.astype(np.int32))


@keras.saving.register_keras_serializable("rgf_keras")
class SAGAN(ConditionalGAN):
    """SAGAN with a projection discriminator; by default the paper's, 4.39 M generator parameters.

    Spectral normalization in both networks, self-attention after the generator's second and the
    discriminator's first block, and batch normalization with a gain and bias per class. Arguments
    and errors are those of :class:`ConditionalGAN`, without ``shared_dim``.
    """


@keras.saving.register_keras_serializable("rgf_keras")
class BigGAN(ConditionalGAN):
    """BigGAN at 32×32; by default the paper's, 9.42 M generator parameters.

    Like :class:`SAGAN`, but the gains and biases of the batch normalizations are linear in a class
    embedding of length ``shared_dim`` and in a part of the latents that each block has for itself,
    so that ``latent_dim`` is a multiple of 4. Other arguments are those of :class:`ConditionalGAN`.
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
        arguments = (image_shape, num_classes, width, latent_dim, augment, flip, seed)
        super().__init__(*arguments, shared_dim=shared_dim, **kwargs)
