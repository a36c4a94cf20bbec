"""Memorization rejection: the generator learns only from samples that are no near-copies.

*Reducing Training Sample Memorization in GANs by Training with Memorization Rejection*
(arXiv 2210.12231). A sample's distance is d(x̂) = min over training images of 1 − cos(f(x̂), f(x)),
with f an embedding; samples with d ≤ τ are rejected.
"""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from keras import ops

from rgf_keras.models.arguments import require, require_choice
from rgf_keras.models.base import Batch, Loss, Tensor
from rgf_keras.training.regularizers import Regularizer, Strength, at

Embedding = Callable[[Tensor], Tensor]
Mode = Literal["mask", "resample", "weight"]

# Names in a batch: unit references (d, N); after redraws, what accept says of the batch.
REFERENCES = "rejection/references"
ACCEPTANCE = "rejection/acceptance"


@dataclass(frozen=True, eq=False)
class MemorizationRejection(Regularizer):
    """Rejects generated samples that lie too near to a training image.

    With ``mode="mask"``, as published, rejected samples of a batch have weight 0 and the loss is
    the mean over the others. With ``mode="resample"`` (Algorithm 1, with a bound) 1 +
    ``num_redraws`` batches are generated at once, the first accepted samples make up the batch, and
    what is missing then has weight 0. As batch normalization makes other images of the same noise
    in another batch, the batch is judged again as it is trained on: without that, 25 to 38 % of it
    lay within τ early in training. With ``mode="weight"``, ours, rejected samples teach a little:
    their weight is d/τ, so that copies have none and samples just within τ nearly all. A batch
    without any weight changes nothing: neither the weights nor the optimizer's state.

    Adds the metrics ``acceptance`` (share of samples with d > τ) and ``distance`` (mean d).

    Attributes:
        threshold: τ in [0, 2], a number or a schedule.
        embedding: images (n, H, W, C) in [−1, 1] to (n, d); its weights are not trained.
        references: (N, d) embeddings of the training images.
        mode: ``"mask"``, ``"resample"`` or ``"weight"``.
        num_redraws: further batches generated in mode ``"resample"``.
        player: ``"generator"``, or ``"discriminator"`` to keep rejected samples from it too (the
            paper's "GD", much worse there; mode ``"mask"`` only).
        max_bytes: of the distance matrix that is held at a time.
        metrics: see :class:`Regularizer`, as for ``may_skip`` and ``arrays``.
        may_skip: for batches without an accepted sample.
        arrays: the references of unit length, (d, N).

    Raises:
        ArgumentError: τ out of range, no references, or ones that are not finite or all zero.
    """

    threshold: Strength
    embedding: Embedding
    references: np.ndarray
    _: KW_ONLY
    mode: Mode = "mask"
    num_redraws: int = 3
    player: str = "generator"
    max_bytes: int = 256 * 2**20
    metrics: tuple[str, ...] = ("acceptance", "distance")
    may_skip: bool = True
    arrays: Mapping[str, np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        references = np.asarray(self.references)
        require(
            callable(self.threshold) or 0 <= self.threshold <= 2,
            f"the rejection threshold must lie in [0, 2], received {self.threshold}",
        )
        require(
            references.ndim == 2 and references.size,
            f"rejection needs references (N, d), N and d at least 1, received {references.shape}",
        )
        require(
            self.mode != "resample" or (self.player == "generator" and self.num_redraws >= 1),
            "mode 'resample' needs the generator's turn and num_redraws ≥ 1, "
            f"received the {self.player}'s and {self.num_redraws}",
        )
        require_choice("mode", self.mode, get_args(Mode))
        lengths = np.linalg.norm(references.astype(np.float64), axis=1, keepdims=True)
        require(
            np.isfinite(lengths).all() and lengths.all(),
            "rejection needs references that are finite and not zero",
        )
        unit = np.ascontiguousarray((references / lengths).astype(np.float32).T)
        object.__setattr__(self, "arrays", {REFERENCES: unit})

    def before(self, model: Any, batch: Batch, step: Tensor) -> Batch:
        """In mode ``"resample"``: the batch with what to generate from, the accepted first."""
        if self.mode != "resample":
            return batch
        num = int(batch["images"].shape[0])
        num_candidates = num * (1 + self.num_redraws)
        noise = model.draw_noise(num_candidates)
        images = ops.stop_gradient(model.generate(noise)["images"])
        accepted, metrics = self.accept(images, batch[REFERENCES], step)
        # A stable order: accepted ones first, each group as it was drawn.
        rank = accepted * 2 - ops.arange(num_candidates, dtype="float32") / num_candidates
        _, first = ops.top_k(rank, num)
        return {
            **batch,
            **{name: ops.take(values, first, axis=0) for name, values in noise.items()},
            ACCEPTANCE: (ops.take(accepted, first, axis=0), metrics),
        }

    def __call__(self, loss: Loss, batch: Batch, step: Tensor) -> Loss:
        generated = ops.stop_gradient(loss.tensors["generated"])
        accepted, metrics = self.accept(generated, batch[REFERENCES], step)
        if self.mode == "resample":
            _, metrics = batch[ACCEPTANCE]  # of all candidates
        survivors = ops.sum(accepted)
        # Counts are 0 or at least 1, sums of weights may be small; 0 is no update.
        weights = accepted * (accepted.shape[0] / ops.maximum(survivors, 1e-6))
        return replace(
            loss,
            per_example=loss.per_example + (weights - 1) * loss.tensors["generated_losses"],
            metrics={**loss.metrics, **metrics},
            update=survivors > 0,
        )

    def accept(
        self, images: Tensor, references: Tensor, step: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Weights in [0, 1] of images (n,), 1 where they are accepted, and the metrics.

        See :meth:`distance` for the images and references.
        """
        distances, threshold = self.distance(images, references), at(self.threshold, step)
        accepted = ops.cast(distances > threshold, "float32")
        metrics = {"acceptance": ops.mean(accepted), "distance": ops.mean(distances)}
        if self.mode == "weight":
            partly = ops.clip(distances / ops.maximum(threshold, 1e-12), 0.0, 1.0)
            return accepted + (1.0 - accepted) * partly, metrics
        return accepted, metrics

    def distance(self, images: Tensor, references: Tensor) -> Tensor:
        """(n,) distances of images (n, H, W, C) in [−1, 1] to the nearest unit column of (d, N)."""
        features = self.embedding(images)
        width, num_references = references.shape
        require(
            features.shape[1] == width,
            f"the embedding is {features.shape[1]} wide but the references are {width}; "
            "embed both with the same extractor",
        )
        features = ops.cast(features, references.dtype)
        features = features / ops.maximum(ops.norm(features, axis=1, keepdims=True), 1e-12)
        columns = max(1, self.max_bytes // (4 * int(features.shape[0])))
        nearest = [
            ops.max(ops.matmul(features, references[:, start : start + columns]), axis=1)
            for start in range(0, num_references, columns)
        ]
        return 1.0 - ops.max(ops.stack(nearest), axis=0)
