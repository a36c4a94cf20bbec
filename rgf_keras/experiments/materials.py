"""What the models of an assessment are made from: data, oracles, trainers, the balanced model."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rgf_keras import datasets
from rgf_keras.datasets import Dataset
from rgf_keras.experiments import rgf_table
from rgf_keras.experiments.cache import Arrays, Cache, key_of
from rgf_keras.experiments.config import AssessConfig, OptimizerConfig
from rgf_keras.experiments.oracles import Advance, Oracles, train_oracles
from rgf_keras.models import GAN, VAE, GenerativeModel, to_uint8
from rgf_keras.training import (
    Progress,
    RealLossByFactor,
    Regularizer,
    SpectralDecoupling,
    Trainer,
    until,
)

FAMILIES: dict[str, type[GenerativeModel]] = {"gan": GAN, "vae": VAE}
GRID_SIZE = 64

Track = Callable[[str], Advance]


def silent(description: str) -> Advance:
    """A :data:`Track` that shows nothing."""
    return lambda done, total: None


@dataclass(frozen=True)
class Materials:
    """What every model of an assessment shares: D_u, D_r, held-out images, oracles."""

    balanced: Dataset
    skewed: Dataset
    held_out: Dataset
    oracles: Oracles
    real_features: np.ndarray


def prepare(config: AssessConfig, cache: Cache, track: Track = silent) -> Materials:
    """Load and plant the data, and train the oracles unless they are cached.

    Quality is measured against *balanced* held-out images, so that a model is not rewarded for
    reproducing the skew of its training set.
    """
    data = config.data
    factor = datasets.factor(data.factor, data.factor_parameters)
    train = _limited(datasets.load(data.name, "train"), data.num_train)
    test = _limited(datasets.load(data.name, "test"), data.num_test)
    skewed = datasets.skewed(train, factor, data.rare_class, config.seed, data.rarity)
    balanced = datasets.balanced(train, factor, config.seed)
    held_out = datasets.balanced(test, factor, config.seed)
    oracles = train_oracles(balanced, held_out, config.oracle, config.seed, cache, track)
    features = oracles.label(held_out.images).features
    return Materials(balanced, skewed, held_out, oracles, features)


def reference_model(
    config: AssessConfig, materials: Materials, cache: Cache, track: Track
) -> Arrays:
    """The balanced model's counts per class, its first samples, and its curves for Figure 3."""
    if config.evaluation.reference == "shared":
        config = config.unmitigated()
    description = {
        "config": config.model_dump(
            mode="json", include={"model", "training", "spectral_decoupling", "oracle", "seed"}
        ),
        "num_samples": config.evaluation.num_samples,
        "balanced": materials.balanced.fingerprint,
        "held_out": materials.held_out.fingerprint,
        "rare_class": config.data.rare_class,
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
    }

    def compute() -> Arrays:
        partial_work = cache.folder / f"reference-{key_of(description)}.partial"
        trainer = build_trainer(config, materials.balanced, partial_work)
        trainer.fit(
            config.training.epochs,
            [
                *real_loss_callbacks(trainer.model, materials.held_out, config),
                Progress(track("model on balanced data")),
            ],
        )
        with trainer.averaged_weights():
            images = to_uint8(trainer.model.sample(config.evaluation.num_samples, config.seed))
        found = materials.oracles.label(images)
        counts, nobs = rgf_table.count(found.classes, found.factor, materials.balanced.num_classes)
        shutil.rmtree(partial_work, ignore_errors=True)
        curves = json.dumps(trainer.history.epochs).encode()
        return {
            "counts": counts,
            "nobs": nobs,
            "images": images[:GRID_SIZE],
            "epochs": np.frombuffer(curves, np.uint8),
        }

    return cache.get("reference", description, compute)


def build_trainer(config: AssessConfig, dataset: Dataset, checkpoint_dir: Path) -> Trainer:
    """A model as configured, ready to be trained on a data set."""
    training = config.training
    family = FAMILIES[config.model.family]
    arguments = config.model.model_dump(exclude={"family"})
    model = family(image_shape=dataset.image_shape, seed=config.seed, **arguments)
    optimizers = {
        player.name: _optimizer(training.player_optimizers.get(player.name, training.optimizer))
        for player in model.players()
    }
    return Trainer(
        model,
        {"images": dataset.images},
        optimizers,
        batch_size=training.batch_size,
        seed=config.seed,
        regularizers=_regularizers(config, len(dataset) // training.batch_size),
        ema_decay=training.ema_decay,
        checkpoint_dir=checkpoint_dir,
    )


def _regularizers(config: AssessConfig, steps_per_epoch: int) -> list[Regularizer]:
    decoupling = config.spectral_decoupling
    if not decoupling.weight:
        return []
    weight: Any = decoupling.weight
    if decoupling.stop_epoch is not None:
        weight = until(weight, decoupling.stop_epoch * steps_per_epoch, decoupling.shape)
    return [SpectralDecoupling(weight)]


def _optimizer(config: OptimizerConfig) -> keras.optimizers.Optimizer:
    if config.name == "adam":
        return keras.optimizers.Adam(config.learning_rate, beta_1=config.beta_1)
    return keras.optimizers.SGD(config.learning_rate, momentum=config.momentum)


def real_loss_callbacks(
    model: GenerativeModel, held_out: Dataset, config: AssessConfig
) -> list[RealLossByFactor]:
    """Figure 3's curves, for models with a discriminator."""
    if not hasattr(model, "real_loss"):
        return []
    rare = held_out.take(np.flatnonzero(held_out.labels == config.data.rare_class))
    return [RealLossByFactor(rare.images, rare.planted)]


def _limited(dataset: Dataset, num: int | None) -> Dataset:
    if num is None or num >= len(dataset):
        return dataset
    return dataset.split(num, seed=0)[0]
