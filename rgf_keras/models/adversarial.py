"""What adversarial models share: two players' turns, whatever their networks and losses are."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from rgf_keras.models.base import Batch, GenerativeModel, Loss, Player, Tensor
from rgf_keras.models.inference import infer

LogitLoss = Callable[[Tensor], Tensor]


class AdversarialLosses(NamedTuple):
    """Elementwise losses of logits: the discriminator's on real images, on generated ones, and the
    generator's.
    """

    real: LogitLoss
    generated: LogitLoss
    generator: LogitLoss


# Functions with names: TensorFlow cannot read the source of several lambdas in one place.
def _softplus_of_minus(logits: Tensor) -> Tensor:
    return ops.softplus(-logits)


def _hinge_real(logits: Tensor) -> Tensor:
    return ops.relu(1.0 - logits)


def _hinge_generated(logits: Tensor) -> Tensor:
    return ops.relu(1.0 + logits)


# Goodfellow et al. 2014, Algorithm 1 and the remark under Eq. 1.
NON_SATURATING = AdversarialLosses(_softplus_of_minus, ops.softplus, _softplus_of_minus)
HINGE = AdversarialLosses(_hinge_real, _hinge_generated, ops.negative)


class AdversarialModel(GenerativeModel):
    """A generator and a discriminator, each with its turn in a step; the discriminator is first.

    Each turn generates from new noise. Subclasses build the two networks, choose the losses, and
    write :meth:`generate` and :meth:`discriminate`.
    """

    generator: keras.Model
    discriminator: keras.Model
    adversarial: AdversarialLosses

    def players(self) -> list[Player]:
        return [
            Player(
                "discriminator",
                self.discriminator.trainable_variables,
                self._discriminator_loss,
                ("real_logit", "generated_logit"),
            ),
            Player("generator", self.generator.trainable_variables, self._generator_loss),
        ]

    def draw_noise(self, num: int) -> dict[str, Tensor]:
        """What ``num`` images are generated from, by name, out of the model's own state."""
        return {"latents": self.normal(num)}

    def generate(self, noise: Batch) -> dict[str, Tensor]:
        """A batch of images in [−1, 1], like a real one, from what :meth:`draw_noise` returned."""
        raise NotImplementedError

    def discriminate(self, *batches: Batch) -> Tensor:
        """Logits (n, 1) of batches of real or generated images, in training, one after another.

        One pass over several batches costs less than several passes.
        """
        raise NotImplementedError

    def _discriminator_loss(self, batch: Batch) -> Loss:
        generated = self._generate_beside(batch)
        real_logits, generated_logits = ops.split(self.discriminate(batch, generated), 2)
        generated_losses = self.adversarial.generated(generated_logits)[:, 0]
        return Loss(
            per_example=self.adversarial.real(real_logits)[:, 0] + generated_losses,
            tensors={
                "real_logits": real_logits,
                "generated_logits": generated_logits,
                "generated": generated["images"],
                "generated_losses": generated_losses,
            },
            metrics={
                "real_logit": ops.mean(real_logits),
                "generated_logit": ops.mean(generated_logits),
            },
        )

    def _generator_loss(self, batch: Batch) -> Loss:
        generated = self._generate_beside(batch)
        losses = self.adversarial.generator(self.discriminate(generated))[:, 0]
        return Loss(losses, {"generated": generated["images"], "generated_losses": losses})

    def _generate_beside(self, batch: Batch) -> dict[str, Tensor]:
        """As many images as the batch holds, from its latents if it has them."""
        has_noise = "latents" in batch
        return self.generate(batch if has_noise else self.draw_noise(ops.shape(batch["images"])[0]))

    def decode(self, latents: np.ndarray) -> np.ndarray:
        return infer(self.generator, latents)
