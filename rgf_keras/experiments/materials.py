"""What the models of an assessment are made from: data, oracles, trainers, the balanced model."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from rgf_keras.cache import Arrays, Cache, key_of
from rgf_keras.datasets import Dataset
from rgf_keras.experiments import rgf_table
from rgf_keras.experiments.config import AssessConfig, OptimizerConfig
from rgf_keras.experiments.data import Sets, make_sets, planted
from rgf_keras.experiments.mitigation import regularizers
from rgf_keras.experiments.oracles import Labelled, Oracles, train_oracles
from rgf_keras.experiments.progress import Track, silent
from rgf_keras.metrics.features import OracleFeatures
from rgf_keras.models import GAN, SAGAN, VAE, BigGAN, GenerativeModel, to_uint8
from rgf_keras.training import (
    Progress,
    RealLossByFactor,
    Trainer,
)

FAMILIES: dict[str, type[GenerativeModel]] = {
    "gan": GAN,
    "sagan": SAGAN,
    "biggan": BigGAN,
    "vae": VAE,
}
GRID_SIZE = 64


@dataclass(frozen=True)
class Materials:
    """What every model of an assessment shares: data, oracles, features of held-out images."""

    data: Sets
    oracles: Oracles
    real_features: np.ndarray

    def count(self, found: Labelled) -> np.ndarray:
        """Labelled samples per class and value of the factor, (C + 1, V)."""
        return rgf_table.count(
            found.classes,
            found.factor,
            self.data.balanced.num_classes,
            len(self.data.balanced.factor_values),
        )

    def copying_features(self, cache: Cache) -> tuple[np.ndarray, np.ndarray]:
        """Oracle features of the skewed training images and of held-out ones of their kind."""
        extractor = OracleFeatures(self.oracles.classes)
        return (
            extractor.extract(self.data.skewed.images, cache),
            extractor.extract(self.data.held_out_skewed.images, cache),
        )


def prepare(config: AssessConfig, cache: Cache, track: Track = silent) -> Materials:
    """Load and plant the data, and train the oracles unless they are cached."""
    sets = make_sets(config.data, config.seed, cache, track)
    balanced = sets.balanced
    if config.oracle.num_train is not None:
        data = config.data.model_copy(update={"num_train": config.oracle.num_train})
        balanced, _ = planted(data, "train", config.seed, cache, track)
    oracles = train_oracles(balanced, sets.held_out, config.oracle, config.seed, cache, track)
    return Materials(sets, oracles, oracles.label(sets.held_out.images).features)


def reference_model(
    config: AssessConfig, materials: Materials, cache: Cache, track: Track
) -> Arrays:
    """The balanced model's counts per class, its first samples, and its curves for Figure 3."""
    if config.evaluation.reference == "shared":
        config = config.unmitigated()
    description = {
        "config": config.model_dump(
            mode="json",
            include={"model", "training", "spectral_decoupling", "rejection", "oracle", "seed"},
        ),
        "num_samples": config.evaluation.num_samples,
        "balanced": materials.data.balanced.fingerprint,
        "held_out": materials.data.held_out.fingerprint,
        "rare_class": config.data.rare_class,
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
    }

    def compute() -> Arrays:
        partial_work = cache.folder / f"reference-{key_of(description)}.partial"
        trainer = build_trainer(
            config, materials.data.balanced, materials.oracles, cache, partial_work
        )
        trainer.fit(
            config.training.epochs,
            [
                *real_loss_callbacks(trainer.model, materials.data.held_out, config),
                Progress(track("model on balanced data")),
            ],
        )
        with trainer.averaged_weights():
            images = to_uint8(trainer.model.sample(config.evaluation.num_samples, config.seed))
        found = materials.oracles.label(images)
        shutil.rmtree(partial_work, ignore_errors=True)
        curves = json.dumps(trainer.history.epochs).encode()
        return {
            "counts": materials.count(found),
            "images": images[:GRID_SIZE],
            "epochs": np.frombuffer(curves, np.uint8),
        }

    return cache.get("reference", description, compute)


def build_trainer(
    config: AssessConfig, dataset: Dataset, oracles: Oracles, cache: Cache, checkpoint_dir: Path
) -> Trainer:
    """A model as configured, ready to be trained on a data set."""
    training = config.training
    family = FAMILIES[config.model.family]
    arguments = config.model.model_dump(exclude={"family"})
    data = {"images": dataset.images}
    if family.conditional:
        arguments["num_classes"] = dataset.num_classes
        data["labels"] = dataset.labels
    model = family(image_shape=dataset.image_shape, seed=config.seed, **arguments)
    optimizers = {
        player.name: _optimizer(training.player_optimizers.get(player.name, training.optimizer))
        for player in model.players()
    }
    return Trainer(
        model,
        data,
        optimizers,
        batch_size=training.batch_size,
        seed=config.seed,
        regularizers=regularizers(config, dataset, oracles, cache),
        turns=training.player_turns,
        ema_decay=training.ema_decay,
        ema_start=training.ema_start,
        checkpoint_dir=checkpoint_dir,
    )


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
    return [RealLossByFactor(rare.images, rare.planted == len(rare.factor_values) - 1)]
