"""What the models of an assessment are made from: data, oracles, trainers, the balanced model."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from rgf_keras.cache import Arrays, Cache, key_of
from rgf_keras.datasets import Dataset
from rgf_keras.experiments.assessment import rgf_table
from rgf_keras.experiments.assessment.data import Sets, make_sets, planted
from rgf_keras.experiments.assessment.mitigation import regularizers
from rgf_keras.experiments.assessment.oracles import Labelled, Oracles, train_oracles
from rgf_keras.experiments.config import (
    AssessConfig,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
)
from rgf_keras.experiments.progress import Advance, Track, silent
from rgf_keras.metrics.features import OracleFeatures
from rgf_keras.models import DDPM, GAN, SAGAN, VAE, BigGAN, GenerativeModel, to_uint8
from rgf_keras.training import (
    Privacy,
    Progress,
    RealLossByFactor,
    Trainer,
)

FAMILIES: dict[str, type[GenerativeModel]] = {
    "gan": GAN,
    "sagan": SAGAN,
    "biggan": BigGAN,
    "vae": VAE,
    "diffusion": DDPM,
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
        "samples": [config.evaluation.num_samples, config.evaluation.fast],
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
            images = draw(trainer.model, config, track("samples of the balanced model"))
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
    model = build_model(config.model, dataset, config.seed)
    data = {"images": dataset.images}
    if model.conditional:
        data["labels"] = dataset.labels
    return Trainer(
        model,
        data,
        build_optimizers(training, model),
        batch_size=training.batch_size,
        seed=config.seed,
        regularizers=regularizers(config, dataset, oracles, cache),
        turns=training.player_turns,
        privacy=build_privacy(training),
        ema_decay=training.ema_decay,
        ema_start=training.ema_start,
        checkpoint_dir=checkpoint_dir,
    )


def draw(model: GenerativeModel, config: AssessConfig, advance: Advance) -> np.ndarray:
    """The samples that a model is judged by, (M, H, W, C) uint8."""
    evaluation = config.evaluation
    return to_uint8(model.sample(evaluation.num_samples, config.seed, evaluation.fast, advance))


def build_model(config: ModelConfig, dataset: Dataset, seed: int) -> GenerativeModel:
    """A model as configured, for images like those of a data set."""
    family = FAMILIES[config.family]
    arguments = config.model_dump(exclude={"family"})
    if family.conditional:
        arguments["num_classes"] = dataset.num_classes
    return family(image_shape=dataset.image_shape, seed=seed, **arguments)


def build_optimizers(
    config: TrainingConfig, model: GenerativeModel
) -> dict[str, keras.optimizers.Optimizer]:
    """One optimizer per player's name."""
    return {
        player.name: _optimizer(config.player_optimizers.get(player.name, config.optimizer))
        for player in model.players()
    }


def build_privacy(config: TrainingConfig) -> Privacy | None:
    """What makes updates private, if configured."""
    noise_multiplier, clip_norm = config.privacy.noise_multiplier, config.privacy.clip_norm
    return Privacy(noise_multiplier, clip_norm) if noise_multiplier is not None else None


def _optimizer(config: OptimizerConfig) -> keras.optimizers.Optimizer:
    if config.name == "adam":
        return keras.optimizers.Adam(config.learning_rate, beta_1=config.beta_1)
    return keras.optimizers.SGD(config.learning_rate, momentum=config.momentum)


def real_loss_callbacks(
    model: GenerativeModel, held_out: Dataset, config: AssessConfig
) -> list[RealLossByFactor]:
    """Figure 3's curves, for models with a discriminator and data with a factor."""
    if not hasattr(model, "real_loss") or len(held_out.factor_values) == 1:
        return []
    rare = held_out.take(np.flatnonzero(held_out.labels == config.data.rare_class))
    return [RealLossByFactor(rare.images, rare.planted == len(rare.factor_values) - 1)]
