"""What the models of an assessment share: data, oracles, an embedding."""

from dataclasses import dataclass
from functools import partial

import keras
import numpy as np

from rgf_keras.cache import Cache
from rgf_keras.config import AssessConfig
from rgf_keras.datasets import Dataset
from rgf_keras.errors import RgfError
from rgf_keras.experiments.assessment.data import Sets, make_sets, planted
from rgf_keras.experiments.assessment.models import (
    AnyTrainer,
    build_trainer,
    check_model,
)
from rgf_keras.experiments.assessment.oracles import (
    Labels,
    Oracles,
    check_oracles,
    train_oracles,
)
from rgf_keras.metrics import rgf_table
from rgf_keras.metrics.features import FeatureExtractor, extractor
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.training import RealLossByFactor

GRID_SIZE = 64


@dataclass(frozen=True)
class Materials:
    """What every model of an assessment shares.

    Attributes:
        data: D_u, D_r and held-out images.
        oracles: of class and factor.
        embedding: in which distances are measured.
        held_out_features: (n, d) of the balanced held-out images.
        cache: where features are kept.
    """

    data: Sets
    oracles: Oracles
    embedding: FeatureExtractor
    held_out_features: np.ndarray
    cache: Cache

    def count(self, labels: Labels) -> np.ndarray:
        """Labelled samples per class and value of the factor, (C + 1, V)."""
        balanced = self.data.balanced
        num_classes, num_values = balanced.num_classes, len(balanced.factor_values)
        return rgf_table.count(labels.classes, labels.factor, num_classes, num_values)

    def features(self, images: np.ndarray, labels: Labels) -> np.ndarray:
        """(n, d) features of images that were labelled."""
        return _features(self.embedding, images, labels)

    def copying_features(self) -> tuple[np.ndarray, np.ndarray]:
        """Features of the skewed training images and of held-out ones of their kind."""
        images = self.data.skewed.images, self.data.held_out_skewed.images
        train, test = (self.embedding.extract(each, self.cache) for each in images)
        return train, test

    def trainer(self, config: AssessConfig, dataset: Dataset, checkpoints) -> AnyTrainer:
        """A model as configured, ready to be trained on one of the sets."""
        find = partial(extractor, oracle=self.oracles.classes)
        return build_trainer(config, dataset, find, self.cache, checkpoints)


def prepare(config: AssessConfig, cache: Cache, progress: Progress = SILENT) -> Materials:
    """Load and plant the data, and train the oracles unless they are cached.

    Raises:
        RgfError: bad data; what the model, the oracles or their batches cannot take.
    """
    sets = make_sets(config.data, config.seed, cache, progress)
    check_model(config, sets.skewed)
    check_embeddings(config, sets.balanced)
    balanced = sets.balanced
    if config.oracle.num_train is not None:
        data = config.data.model_copy(update={"num_train": config.oracle.num_train})
        balanced, _ = planted(data, "train", config.seed, cache, progress)
    check_oracles(balanced, config.oracle)
    oracles = train_oracles(balanced, sets.held_out, config.oracle, config.seed, cache, progress)
    evaluation = config.evaluation
    embedding = extractor(evaluation.embedding, evaluation.embedding_weights, oracles.classes)
    images = sets.held_out.images
    features = _features(embedding, images, oracles.label(images))
    return Materials(sets, oracles, embedding, features, cache)


def check_embeddings(config: AssessConfig, images: Dataset) -> None:
    """Refuse embeddings that do not exist, or of an oracle that has nothing to tell apart.

    Raises:
        RgfError: nobody knows an embedding or has its weights; it is the class oracle's, and there
            is a single class.
    """
    used = {"evaluation": (config.evaluation.embedding, config.evaluation.embedding_weights)}
    if config.rejection.active:
        used["rejection"] = config.rejection.embedding, config.rejection.embedding_weights
    for key, (name, weights) in used.items():
        if name == "oracle" and images.num_classes == 1:
            raise RgfError(
                f"{key}.embedding: the images of {images.name} have a single class, so that there "
                f"is no class oracle whose features tell them apart; set {key}.embedding=pixels or "
                "to the name of a network"
            )
        if name != "oracle":
            try:
                extractor(name, weights)
            except RgfError as error:
                raise RgfError(f"{key}.embedding: {error}") from error


def real_loss_callbacks(
    model: keras.Model, held_out: Dataset, config: AssessConfig
) -> list[keras.callbacks.Callback]:
    """Figure 3's curves, for models with a discriminator and data with a factor."""
    if not hasattr(model, "real_loss") or len(held_out.factor_values) == 1:
        return []
    rare = held_out.take(np.flatnonzero(held_out.labels == config.data.rare_class))
    return [RealLossByFactor(rare.images, rare.planted == len(rare.factor_values) - 1)]


def _features(embedding: FeatureExtractor, images: np.ndarray, labels: Labels) -> np.ndarray:
    """The class oracle has embedded images already when it labelled them."""
    if embedding.name == "oracle" and labels.features is not None:
        return labels.features
    return embedding.extract(images)
