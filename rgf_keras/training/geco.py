"""GECO: a VAE trained to reconstruct as well as is asked, and no better.

*Taming VAEs* (Rezende and Viola 2018, arXiv 1810.00597): minimise KL(q(z|x) ‖ p(z)) subject to
E[C] ≤ 0, with C the reconstruction's error less a tolerance, by a Lagrange multiplier that moves as
the constraint is missed (Algorithm 1). 1/λ takes the part of β.
"""

from collections.abc import Mapping
from dataclasses import replace

import keras
from keras import ops

from rgf_keras.models.arguments import require
from rgf_keras.models.base import Batch, Loss, Tensor
from rgf_keras.training.regularizers import Regularizer

LARGEST = 1e6  # of λ, and the inverse of the smallest


class GECO(Regularizer):
    """Minimises KL + λ·C, C = −log p(x|z) − κ, and moves λ.

    After every step λ ← λ·exp(ν·C̄), C̄ the moving average of C's mean over the batch, in nats per
    value of the image: λ grows while images are reconstructed worse than κ, and falls else.

    Adds the metrics ``constraint`` (C̄) and ``multiplier`` (λ).

    Args:
        tolerance: κ, −log p(x|z) in nats per value of the image (density or probability, as the
            likelihood has it; of densities it may be below 0).
        num_values: of an image as the likelihood sees it.
        decay: α of the moving average, in [0, 1).
        rate: ν > 0.

    Raises:
        ArgumentError: arguments out of range.
    """

    player = "vae"
    metrics = ("constraint", "multiplier")

    def __init__(self, tolerance: float, num_values: int, decay: float = 0.99, rate: float = 0.1):
        require(0 <= decay < 1, f"decay must lie in [0, 1), received {decay}")
        require(rate > 0, f"rate must be above 0, received {rate}")
        require(num_values >= 1, f"num_values must be at least 1, received {num_values}")
        self.tolerance, self.num_values, self.decay, self.rate = tolerance, num_values, decay, rate
        # The average of no step yet is the first step's.
        self.multiplier, self.average, self.begun = (
            keras.Variable(value, dtype="float32", trainable=False, name=f"geco_{name}")
            for name, value in (("multiplier", 1.0), ("average", 0.0), ("begun", 0.0))
        )
        self.variables = (self.multiplier, self.average, self.begun)

    def __call__(self, loss: Loss, batch: Batch, step: Tensor) -> Loss:
        reconstruction = loss.tensors["reconstruction"]
        constraint = ops.mean(reconstruction) / self.num_values - self.tolerance
        weight = self.decay * self.begun.value
        average = ops.stop_gradient(weight * self.average.value + (1 - weight) * constraint)
        multiplier = ops.copy(self.multiplier.value)  # as it is now: it moves before it is recorded
        return replace(
            loss,
            per_example=loss.per_example + (multiplier - 1.0) * reconstruction,
            metrics={**loss.metrics, "constraint": average, "multiplier": multiplier},
        )

    def after(self, metrics: Mapping[str, Tensor]) -> None:
        moved = self.multiplier.value * ops.exp(self.rate * metrics["constraint"])
        self.multiplier.assign(ops.clip(moved, 1 / LARGEST, LARGEST))
        self.average.assign(metrics["constraint"])
        self.begun.assign(ops.ones_like(self.begun.value))
