"""What adversarial models share: two players' turns, whatever their networks and losses are."""

import keras
import numpy as np
from keras import ops

from rgf_keras.models.base import Batch, GenerativeModel, Loss, Player, Tensor


class AdversarialModel(GenerativeModel):
    """A generator and a discriminator, each with its turn in a step; the discriminator is first.

    Both turns draw what they generate from anew. Subclasses build the two networks and write
    :meth:`generate`, :meth:`judge` and the three losses.
    """

    generator: keras.Model
    discriminator: keras.Model

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

    def draw(self, num: int) -> dict[str, Tensor]:
        """What ``num`` images are generated from, by name, out of the model's own state."""
        return {"latents": self.normal(num)}

    def generate(self, drawn: Batch) -> dict[str, Tensor]:
        """A training batch of generated images in [−1, 1], like one of real images.

        Args:
            drawn: what :meth:`draw` returned, or a batch that holds the same names.
        """
        raise NotImplementedError

    def judge(self, *batches: Batch) -> Tensor:
        """Logits (n, 1) of batches of real or generated images, in training, one after another.

        One pass over several batches costs less than several passes.
        """
        raise NotImplementedError

    def real_losses(self, logits: Tensor) -> Tensor:
        """The discriminator's losses on real images, of the logits' shape."""
        raise NotImplementedError

    def generated_losses(self, logits: Tensor) -> Tensor:
        """The discriminator's losses on generated images, of the logits' shape."""
        raise NotImplementedError

    def generator_losses(self, logits: Tensor) -> Tensor:
        """The generator's losses, of the logits' shape."""
        raise NotImplementedError

    def _discriminator_loss(self, batch: Batch) -> Loss:
        generated = self.generate(self._drawn(batch))
        real_logits, generated_logits = ops.split(self.judge(batch, generated), 2)
        generated_losses = self.generated_losses(generated_logits)[:, 0]
        return Loss(
            per_example=self.real_losses(real_logits)[:, 0] + generated_losses,
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
        generated = self.generate(self._drawn(batch))
        losses = self.generator_losses(self.judge(generated))[:, 0]
        return Loss(losses, {"generated": generated["images"], "generated_losses": losses})

    def _drawn(self, batch: Batch) -> Batch:
        """The batch itself if it has latents, else fresh draws, one per image."""
        return batch if "latents" in batch else self.draw(ops.shape(batch["images"])[0])

    def decode(self, latents: np.ndarray) -> np.ndarray:
        return self.generator.predict(latents, batch_size=500, verbose=0)
