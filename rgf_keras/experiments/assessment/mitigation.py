"""The hooks that a configuration asks for: spectral decoupling, memorization rejection."""

from typing import Any

import numpy as np

from rgf_keras.cache import Cache
from rgf_keras.datasets import Dataset
from rgf_keras.experiments.assessment.oracles import Oracles
from rgf_keras.experiments.config import AssessConfig, RejectionConfig
from rgf_keras.metrics import neighbours
from rgf_keras.metrics.features import Application, FeatureExtractor, OracleFeatures, Pixels
from rgf_keras.training import (
    MemorizationRejection,
    Regularizer,
    SpectralDecoupling,
    after,
    until,
)

# A distance is never below 0, so nothing is rejected at this threshold.
NOTHING = -1.0


def regularizers(
    config: AssessConfig, dataset: Dataset, oracles: Oracles, cache: Cache
) -> list[Regularizer]:
    """The hooks for one training.

    Args:
        config: what to train and how.
        dataset: the training images, which rejection compares with.
        oracles: one of them may be the embedding.
        cache: where features of the training images are kept.
    """
    steps = steps_per_epoch(config, dataset)
    return [
        *_spectral_decoupling(config, steps),
        *_rejection(config.rejection, dataset, oracles, cache, steps),
    ]


def steps_per_epoch(config: AssessConfig, dataset: Dataset) -> int:
    """Training steps in a pass over the images."""
    turns = max([1, *config.training.player_turns.values()])
    return len(dataset) // (config.training.batch_size * turns)


def extractor(name: str, weights: str, oracles: Oracles) -> FeatureExtractor:
    """An embedding by its name: ``"oracle"``, ``"pixels"`` or a network of ``APPLICATIONS``."""
    if name == "oracle":
        return OracleFeatures(oracles.classes)
    if name == "pixels":
        return Pixels()
    return Application(name, weights)


def threshold(config: RejectionConfig, references: np.ndarray) -> float:
    """τ as a number.

    Args:
        config: a number, ``"auto"`` or a quantile.
        references: (N, d) embeddings of the training images.
    """
    if isinstance(config.threshold, float):
        return config.threshold
    own, _ = neighbours.nearest(references, references, leave_one_out=True)
    typical = own.mean() if config.quantile is None else np.quantile(own, config.quantile)
    return float(np.clip(config.factor * typical, 0, 2))


def _spectral_decoupling(config: AssessConfig, steps: int) -> list[Regularizer]:
    decoupling = config.spectral_decoupling
    if not decoupling.weight:
        return []
    weight: Any = decoupling.weight
    if decoupling.stop_epoch is not None:
        weight = until(weight, decoupling.stop_epoch * steps, decoupling.shape)
    return [SpectralDecoupling(weight)]


def _rejection(
    config: RejectionConfig, dataset: Dataset, oracles: Oracles, cache: Cache, steps: int
) -> list[Regularizer]:
    if not config.active:
        return []
    embedding = extractor(config.embedding, config.embedding_weights, oracles)
    references = embedding.extract(dataset.images, cache)
    strength = after(threshold(config, references), config.warm_up_epochs * steps, NOTHING)
    hooks: list[Regularizer] = [
        MemorizationRejection(
            strength, embedding, references, mode=config.mode, num_redraws=config.num_redraws
        )
    ]
    if config.reject_for_discriminator:
        hooks.append(MemorizationRejection(strength, embedding, references, player="discriminator"))
    return hooks
