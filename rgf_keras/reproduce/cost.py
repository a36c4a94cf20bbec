"""What trainings would cost, from a few steps of each kind."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rgf_keras.cache import Cache
from rgf_keras.config import AssessConfig, ExperimentConfig, ScoreConfig
from rgf_keras.datasets import Dataset, shape_factors
from rgf_keras.experiments.assessment.data import planted, source
from rgf_keras.experiments.scores.folds import load_images, number_of_folds
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.training import Trainer

MEASURED_STEPS = 4
MEASURED_SECONDS = 1.0


@dataclass(frozen=True)
class Cost:
    """Training steps, and how long one takes here."""

    steps: int
    seconds_per_step: float

    @property
    def seconds(self) -> float:
        return self.steps * self.seconds_per_step


def estimate(
    configs: Iterable[ExperimentConfig], cache: Cache, progress: Progress = SILENT
) -> Cost:
    """All that is to be trained for these experiments, what they share counted once.

    Oracles, sampling and measuring come on top, as do mitigations. The steps are made on a few of
    the images that the experiments are about.

    Args:
        configs: assessments and scores.
        cache: where images that are costly to make are kept.
        progress: is told how far the work is.

    Raises:
        RgfError: data that cannot be had.
    """
    steps: dict[str, int] = {}
    kinds: dict[str, ExperimentConfig] = {}
    for config in configs:
        kind = _kind(config)
        kinds.setdefault(kind, config)
        for training, number in _trainings(config):
            steps[f"{kind} {training}"] = number
    task = progress.task("measuring steps of each model", "models")
    seconds = {}
    for i, (kind, config) in enumerate(kinds.items(), 1):
        seconds[kind] = _seconds_per_step(config, cache)
        task(i, len(kinds))
    total = sum(steps.values())
    spent = sum(number * seconds[name.split(" ", 1)[0]] for name, number in steps.items())
    return Cost(total, spent / total)


def _kind(config: ExperimentConfig) -> str:
    """What decides how long a step takes, as a word."""
    assert isinstance(config, AssessConfig | ScoreConfig)
    model = config.model.model_dump(mode="json")
    return json.dumps(
        [model, config.training.batch_size, config.data.name], separators=(",", ":")
    ).replace(" ", "")


def _trainings(config: ExperimentConfig) -> Iterator[tuple[str, int]]:
    """Each training of an experiment: what tells it from others, and its steps."""
    if isinstance(config, ScoreConfig):
        num = len(load_images(config.data)[0])
        num_folds = number_of_folds(config, num)
        fits = config.num_repeats * num_folds
        yield config.to_yaml(), fits * _steps(config, num - num // num_folds)
        if config.full_run:
            yield f"full {config.to_yaml()}", _steps(config, num)
        return
    assert isinstance(config, AssessConfig)
    num = len(source(config.data, "train"))
    yield config.to_yaml(), _steps(config, num)
    balanced = config.unmitigated() if config.evaluation.reference == "shared" else config
    yield f"balanced {balanced.to_yaml()}", _steps(config, num)


def _steps(config: ExperimentConfig, num_images: int) -> int:
    return num_images // config.training.batch_size * config.training.epochs


def _seconds_per_step(config: ExperimentConfig, cache: Cache) -> float:
    assert isinstance(config, AssessConfig | ScoreConfig)
    images = _few(config, cache)
    model = config.model.build(images.image_shape, images.num_classes, config.seed)
    data = {"images": images.images}
    if model.conditional:
        data["labels"] = images.labels
    batch_size = min(config.training.batch_size, len(images))
    trainer = Trainer(
        model,
        data,
        config.training.build_optimizers([player.name for player in model.players()]),
        batch_size=batch_size,
        turns=config.training.player_turns,
        ema_decay=config.training.ema_decay,
    )
    trainer.fit(1)  # compiles
    epochs, began = 1, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < MEASURED_SECONDS:
        epochs += 1
        trainer.fit(epochs)
    return elapsed / ((epochs - 1) * (len(images) // batch_size))


def _few(config: AssessConfig | ScoreConfig, cache: Cache) -> Dataset:
    num = config.training.batch_size * MEASURED_STEPS
    if isinstance(config, ScoreConfig):
        images = load_images(config.data)[0]
        return images.split(num)[0] if num < len(images) else images
    data = config.data
    # A step is as long whatever the images show.
    factor = "colour" if data.factor in shape_factors() else data.factor
    skewed = planted(data.model_copy(update={"factor": factor}), "train", config.seed, cache)[1]
    return skewed.split(num)[0] if num < len(skewed) else skewed
