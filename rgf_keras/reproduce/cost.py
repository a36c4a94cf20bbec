"""What trainings would cost, from a few steps of each kind."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from rgf_keras.cache import Cache
from rgf_keras.config import AssessConfig, ExperimentConfig, ScoreConfig
from rgf_keras.datasets import Dataset, shape_factors
from rgf_keras.experiments.assessment.data import planted
from rgf_keras.experiments.assessment.models import build_model
from rgf_keras.experiments.scores.folds import load_images
from rgf_keras.reports.cost import Experiment, trainings
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
        """How long all of them take."""
        return self.steps * self.seconds_per_step


def estimate(
    configs: Iterable[ExperimentConfig],
    cache: Cache,
    progress: Progress = SILENT,
    measured: dict[str, float] | None = None,
) -> Cost:
    """All that is to be trained for these experiments, what they share counted once.

    Oracles, sampling and measuring come on top, as do mitigations. The steps are made on a few of
    the images that the experiments are about.

    Args:
        configs: assessments and scores.
        cache: where images that are costly to make are kept.
        progress: is told how far the work is.
        measured: how long steps of a kind take, in seconds, as far as that is known; what is
            measured is added.

    Raises:
        RgfError: data that cannot be had.
    """
    measured = {} if measured is None else measured
    steps: dict[str, int] = {}  # by training
    sizes: dict[str, int] = {}  # by data
    kinds: dict[str, tuple[Experiment, set[str]]] = {}  # trainings whose steps take as long
    for config in configs:
        assert isinstance(config, AssessConfig | ScoreConfig)
        new = {name: number for name, number in trainings(config, sizes) if name not in steps}
        steps |= new
        training = config.training
        kind = f"{config.model} {training.batch_size} {training.player_turns} {config.data.name}"
        kinds.setdefault(kind, (config, set()))[1].update(new)
    task = progress.task("measuring steps of each model", "models")
    seconds = 0.0
    for i, (kind, (config, names)) in enumerate(kinds.items(), 1):
        if kind not in measured:
            measured[kind] = _seconds_per_step(config, cache)
        seconds += measured[kind] * sum(steps[name] for name in names)
        task(i, len(kinds))
    total = sum(steps.values())
    return Cost(total, seconds / max(total, 1))


def _seconds_per_step(config: Experiment, cache: Cache) -> float:
    images, training = _few(config, cache), config.training
    model = build_model(config, images)
    data = {"images": images.images} | ({"labels": images.labels} if model.conditional else {})
    turns = training.images_per_step // training.batch_size
    batch_size = min(training.batch_size, len(images) // turns)
    trainer = Trainer(
        model,
        data,
        training.build_optimizers([player.name for player in model.players()]),
        batch_size=batch_size,
        turns=training.player_turns,
        ema_decay=training.ema_decay,
    )
    trainer.fit(1)  # compiles
    epochs, elapsed, began = 1, 0.0, time.perf_counter()
    while elapsed < MEASURED_SECONDS:
        epochs += 1
        trainer.fit(epochs)
        elapsed = time.perf_counter() - began
    return elapsed / ((epochs - 1) * trainer.steps_per_epoch)


def _few(config: Experiment, cache: Cache) -> Dataset:
    """Images for a few steps."""
    if isinstance(config, ScoreConfig):
        images = load_images(config.data)[0]
    else:
        # A step is as long whatever the images show.
        is_shape = config.data.factor in shape_factors()
        data = config.data.model_copy(update={"factor": "colour"} if is_shape else {})
        images = planted(data, "train", config.seed, cache)[1]
    num = config.training.images_per_step * MEASURED_STEPS
    return images.split(num)[0] if num < len(images) else images
