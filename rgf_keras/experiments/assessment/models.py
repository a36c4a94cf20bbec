"""From a configuration to a model: trained by our Trainer, or by a guest's own ``fit``."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rgf_keras import archive, outputs
from rgf_keras.cache import Cache
from rgf_keras.config import AssessConfig, Config, CustomConfig, ExperimentConfig, Setting
from rgf_keras.config.base import parse
from rgf_keras.datasets import Dataset
from rgf_keras.errors import RgfError
from rgf_keras.experiments.assessment.limits import check_batches
from rgf_keras.metrics.features import FeatureExtractor
from rgf_keras.models import load_model, sample_uint8
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.training import Ensemble, FitTrainer, Trainer

AnyTrainer = Trainer | FitTrainer


def check_model(config: AssessConfig, dataset: Dataset) -> keras.Model:
    """Build the model, to refuse at the start what it cannot take.

    Raises:
        RgfError: images that the architecture cannot take, batches larger than the data, optimizers
            that Keras does not have, mitigations of a player that the model does not have.
    """
    model = build_model(config, dataset)
    check_batches(config.training, dataset)
    _check_players(config, model)
    if isinstance(config.model, CustomConfig):
        drawn = sample_uint8(model, 2, config.seed).shape[1:]
        if drawn != dataset.image_shape:
            raise RgfError(
                f"model.target: {type(model).__name__}.sample draws images {drawn}, but those of "
                f"{dataset.name} are {dataset.image_shape}"
            )
    return model


def _check_players(config: AssessConfig, model: keras.Model) -> None:
    """Refuse what is asked of players that the model does not have."""
    training, kind = config.training, type(model).__name__
    names = [player.name for player in model.players()] if hasattr(model, "players") else []
    training.build_optimizers(names)
    training.check_privacy(model)
    asked = {key: mitigation.needs for key, mitigation in config.mitigations() if mitigation.active}
    for name, hook in config.regularizers.items():
        if hook.active:
            asked[f"regularizers.{name}"] = hook.player(f"regularizers.{name}")
    if training.privacy.active:
        asked["training.privacy"] = None
    if training.ema_decay is not None:
        asked["training.ema_decay"] = None
    for key in ("player_optimizers", "player_turns"):
        asked |= {f"training.{key}.{name}": name for name in getattr(training, key)}
    for key, needed in asked.items():
        if not names:
            raise RgfError(
                f"{key} needs a model with players(), which {kind} does not have; add them, or "
                "leave it out"
            )
        if needed and needed not in names:
            raise RgfError(f"{key} needs a player '{needed}', but {kind} has {', '.join(names)}")
    if not names and not (model.compiled or type(model).fit is not keras.Model.fit):
        raise RgfError(
            f"model.target: {kind} has neither players() nor was compiled, so that its fit cannot "
            "train it; call its compile where it is made"
        )


def build_model(config: ExperimentConfig, dataset: Dataset) -> keras.Model:
    """A model as configured, for images like those of a data set."""
    return config.model.build(dataset.image_shape, dataset.num_classes, config.seed)


def build_trainer(
    config: AssessConfig,
    dataset: Dataset,
    extractor: Callable[[str, str], FeatureExtractor],
    cache: Cache,
    checkpoints: Path,
) -> AnyTrainer:
    """A model as configured, ready to be trained on a data set.

    Args:
        config: what to train and how.
        dataset: the training images.
        extractor: (name, weights) → an embedding that mitigations may ask for.
        cache: where features of the training images are kept.
        checkpoints: folder; a guest's own ``fit`` has none.
    """
    training = config.training
    model = build_model(config, dataset)
    data, rows = _training_data(model, config, dataset)
    if not hasattr(model, "players"):
        data = {name: array[rows] for name, array in data.items()}
        return FitTrainer(model, data, batch_size=training.batch_size, seed=config.seed)
    steps = len(rows) // training.images_per_step
    setting = Setting(dataset.images, steps, extractor, cache)
    return Trainer(
        model,
        data,
        training.build_optimizers([player.name for player in model.players()]),
        batch_size=training.batch_size,
        seed=config.seed,
        rows=rows,
        regularizers=[
            *config.model.regularizers(model),
            *(
                hook
                for _, mitigation in config.mitigations()
                for hook in mitigation.regularizers(setting)
            ),
        ],
        turns=training.player_turns,
        privacy=training.privacy.build(),
        ema_decay=training.ema_decay,
        ema_start=training.ema_start,
        checkpoint_dir=checkpoints,
    )


def _training_data(
    model: keras.Model, config: AssessConfig, dataset: Dataset
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """What a model is trained on, and (n,) positions in it that an epoch passes through."""
    data = {"images": dataset.images}
    if getattr(model, "conditional", False):
        data["labels"] = dataset.labels
    return data, np.tile(np.arange(len(dataset)), config.training.passes_per_epoch)


def build_ensemble(
    configs: Sequence[AssessConfig], dataset: Dataset, checkpoints: Path
) -> Ensemble:
    """Models that differ in their seeds alone, to be trained in one program (JAX).

    Args:
        configs: what to train; without mitigations, which hook into single trainings.
        dataset: the training images.
        checkpoints: folder.
    """
    training = configs[0].training
    first, *others = (build_model(config, dataset) for config in configs)
    data, rows = _training_data(first, configs[0], dataset)
    return Ensemble(
        [first, *others],
        data,
        training.build_optimizers([player.name for player in first.players()]),
        seeds=[config.seed for config in configs],
        regularizers=configs[0].model.regularizers(first),
        rows=[rows] * len(configs),
        checkpoint_dir=checkpoints,
        batch_size=training.batch_size,
        turns=training.player_turns,
        ema_decay=training.ema_decay,
        ema_start=training.ema_start,
    )


def draw_samples(
    model: keras.Model, config: AssessConfig, progress: Progress = SILENT
) -> np.ndarray:
    """The samples by which a model is evaluated, (M, H, W, C) uint8."""
    evaluation = config.evaluation
    return sample_uint8(model, evaluation.num_samples, config.seed, evaluation.fast, progress)


def save(
    model: keras.Model, config: AssessConfig, dataset: Dataset, folder: Path, stem: str = "model"
) -> Path:
    """Write a trained model, so that :func:`load` brings it back on any backend.

    A guest's is an archive of its weights and of what built it: its class need not be Keras'
    to save.
    """
    if not isinstance(config.model, CustomConfig):
        path = folder / f"{stem}.keras"
        with outputs.replacing(path) as temporary:
            model.save(temporary)
        return path
    weights = {f"{i:05d}": weight for i, weight in enumerate(model.get_weights())}
    header: dict[str, Any] = {
        "model": config.model.model_dump(mode="json"),
        "image_shape": dataset.image_shape,
        "num_classes": dataset.num_classes,
        "seed": config.seed,
    }
    return archive.save(folder / f"{stem}.npz", weights, header)


def load(path: Path) -> keras.Model:
    """A model that an assessment has saved.

    A guest's code is looked for where its configuration says, from the current folder.

    Raises:
        RgfError: the file is missing, corrupt, or no generative model; a guest's code has changed.
    """
    if path.suffix != ".npz":
        return load_model(path)
    weights, header = archive.load(path)
    if "model" not in header:
        raise RgfError(f"{path} holds no model; give a model.keras or model.npz of a run")
    config: Config = parse(header["model"], CustomConfig)
    assert isinstance(config, CustomConfig)
    model = config.build(header["image_shape"], header["num_classes"], header["seed"])
    arrays = [weights[name] for name in sorted(weights)]
    if [w.shape for w in model.get_weights()] != [w.shape for w in arrays]:
        raise RgfError(
            f"{path} was saved by another version of {config.target}: its weights have other shapes"
        )
    model.set_weights(arrays)
    return model
