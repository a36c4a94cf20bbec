"""What the models of an assessment share: data, oracles, an embedding."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np

from rgf_keras.cache import Cache
from rgf_keras.config import AssessConfig
from rgf_keras.datasets import Dataset
from rgf_keras.errors import RgfError
from rgf_keras.experiments.assessment.data import Sets, oracle_images
from rgf_keras.experiments.assessment.limits import check_data
from rgf_keras.experiments.assessment.models import (
    AnyTrainer,
    build_trainer,
    check_model,
)
from rgf_keras.experiments.assessment.oracles import (
    Labels,
    Oracles,
    train_oracles,
)
from rgf_keras.metrics import catalogue, frechet, rgf_table
from rgf_keras.metrics.evidence import Embed, SetName
from rgf_keras.metrics.features import FeatureExtractor, OracleFeatures, extractor
from rgf_keras.metrics.frechet import Moments
from rgf_keras.metrics.inception import NUM_FEATURES
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.training import RealLossByFactor

GRID_SIZE = 64


@dataclass(frozen=True)
class Materials:
    """What every model of an assessment shares.

    Attributes:
        data: D_u, D_r and held-out images.
        oracles: of class and factor.
        embedding: in which quality is measured.
        copying_embeddings: in which copying is measured.
        cache: where features are kept.
        metric_embeddings: of metrics that have their own.
        statistics: of reference images in the space of FID.
    """

    data: Sets
    oracles: Oracles
    embedding: FeatureExtractor
    copying_embeddings: Sequence[FeatureExtractor]
    cache: Cache
    metric_embeddings: Sequence[FeatureExtractor] = ()
    statistics: Moments | None = None

    def count(self, labels: Labels) -> np.ndarray:
        """Labelled samples per class and value of the factor, (C + 1, V)."""
        balanced = self.data.balanced
        num_classes, num_values = balanced.num_classes, len(balanced.factor_values)
        return rgf_table.count(labels.classes, labels.factor, num_classes, num_values)

    def embed(self, images: np.ndarray, labels: Labels) -> Embed:
        """Features of the data and of images that were labelled, in any space."""
        data = self.data
        sets = {"held_out": data.held_out, "train": data.skewed, "test": data.held_out_skewed}
        known = *self.metric_embeddings, *self.copying_embeddings, self.embedding
        embeddings = {each.name: each for each in known}

        def features(space: str, name: SetName) -> np.ndarray:
            embedding = embeddings[space]
            if name != "generated":
                return embedding.extract(sets[name].images, self.cache)
            if isinstance(embedding, OracleFeatures) and labels.features is not None:
                return labels.features  # computed when it labelled them
            return embedding.extract(images)

        return features

    def trainer(self, config: AssessConfig, dataset: Dataset, checkpoints) -> AnyTrainer:
        """A model as configured, ready to be trained on one of the sets."""
        find = partial(extractor, oracle=self.oracles.classes)
        return build_trainer(config, dataset, find, self.cache, checkpoints)


def check(config: AssessConfig, cache: Cache, progress: Progress = SILENT) -> Sets:
    """The data, once all is refused that can be known to fail.

    Raises:
        RgfError: bad data; what the model, the oracles or their batches cannot take; embeddings
            that cannot be had.
    """
    sets = check_data(config, cache, progress)
    check_model(config, sets.skewed)
    check_embeddings(config, sets.balanced)
    return sets


def prepare(
    config: AssessConfig, cache: Cache, progress: Progress = SILENT, sets: Sets | None = None
) -> Materials:
    """Load and plant the data, and train the oracles unless they are cached.

    Args:
        config: of the assessment.
        cache: where oracles and features are kept.
        progress: is told how far the work is.
        sets: what :func:`check` gave, if it was asked.

    Raises:
        RgfError: see :func:`check`; an oracle that is not accurate enough.
    """
    sets = sets or check(config, cache, progress)
    balanced = oracle_images(config, sets.balanced, cache, progress)
    oracles = train_oracles(balanced, sets.held_out, config.oracle, config.seed, cache, progress)
    quality, spaces = config.evaluation.embedding, config.copying_spaces
    made = {
        name: extractor(name, config.weights_of(name), oracles.classes)
        for name in dict.fromkeys((quality, *spaces))
    }
    names = [each.name for each in made.values()]
    if twice := [name for name in names if names.count(name) > 1]:
        raise RgfError(
            f"evaluation.copying_embeddings: two embeddings call themselves '{twice[0]}'; rename "
            "one, for results are recorded by these names"
        )
    of_metrics = [extractor(name) for name in _spaces_of_metrics(config)]
    statistics = _statistics(config)
    copying = [made[name] for name in spaces]
    return Materials(sets, oracles, made[quality], copying, cache, of_metrics, statistics)


def _spaces_of_metrics(config: AssessConfig) -> list[str]:
    """Embeddings that metrics need beside those of the evaluation."""
    evaluation = config.evaluation
    needed = (space for each in catalogue.guests(evaluation.metrics) for space in each.spaces)
    return [name for name in dict.fromkeys(needed) if name != evaluation.embedding]


def _statistics(config: AssessConfig) -> Moments | None:
    """Those of reference images in the space of FID; None if there are none."""
    path = config.evaluation.reference_statistics
    found = frechet.read_moments(path) if path else None
    if found and len(found.mean) != NUM_FEATURES:
        raise RgfError(
            f"evaluation.reference_statistics: {path} is of {len(found.mean)} features, but FID's "
            f"network has {NUM_FEATURES}; give statistics of these"
        )
    return found


def check_embeddings(config: AssessConfig, images: Dataset) -> None:
    """Refuse embeddings that do not exist, or of an oracle that has nothing to tell apart.

    Raises:
        RgfError: nobody knows an embedding or has its weights; it is the class oracle's, and there
            is a single class.
    """
    evaluation, rejection = config.evaluation, config.rejection
    used = [("evaluation.embedding", evaluation.embedding, evaluation.embedding_weights)]
    for name in config.copying_spaces:
        used.append(("evaluation.copying_embeddings", name, config.weights_of(name)))
    if rejection.active:
        used.append(("rejection.embedding", rejection.embedding, rejection.embedding_weights))
    used += [("evaluation.metrics", name, "imagenet") for name in _spaces_of_metrics(config)]
    _statistics(config)
    for key, name, weights in used:
        if name == "oracle" and images.num_classes == 1:
            raise RgfError(
                f"{key}: the images of {images.name} have a single class, so that there "
                f"is no class oracle whose features tell them apart; set {key}=pixels or "
                "to the name of a network"
            )
        if name != "oracle":
            try:
                made = extractor(name, weights)
            except RgfError as error:
                raise RgfError(f"{key}: {error}") from error
            if key == "rejection.embedding" and not made.traceable:
                raise RgfError(f"{key}: {name} cannot be used in training; use fid")


def real_loss_callbacks(
    model: keras.Model, held_out: Dataset, config: AssessConfig
) -> list[keras.callbacks.Callback]:
    """Figure 3's curves, for models with a discriminator and data with a factor."""
    if not hasattr(model, "real_loss") or len(held_out.factor_values) == 1:
        return []
    rare = held_out.take(np.flatnonzero(held_out.labels == config.data.rare_class))
    return [RealLossByFactor(rare.images, rare.planted == len(rare.factor_values) - 1)]
