"""What experiments would cost, from a few steps of each kind."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import keras
import numpy as np

from rgf_keras.cache import Cache
from rgf_keras.config import AssessConfig, ExperimentConfig, ScoreConfig
from rgf_keras.datasets import Dataset, shape_factors
from rgf_keras.experiments.assessment.data import planted, source
from rgf_keras.experiments.assessment.models import build_model
from rgf_keras.experiments.scores.folds import load_images, number_of_folds
from rgf_keras.models import DDPM, Oracle
from rgf_keras.models.base import GenerativeModel, LikelihoodModel
from rgf_keras.models.diffusion import FAST
from rgf_keras.reports.cost import Experiment, steps
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.training import Trainer

MEASURED_STEPS = 4
MEASURED_SECONDS = 1.0
MEASURED_IMAGES = 32
ON_TOP = "data to be prepared, mitigations and comparing many images come on top"
SECONDS_PER_RUN = 8.0  # features, tests, pictures and records of a small run, on two cores


@dataclass(frozen=True)
class Cost:
    """What experiments do, and how long that takes here.

    Attributes:
        steps: of training, the oracles' not counted.
        training_seconds: of these steps.
        seconds: of all.
    """

    steps: int
    training_seconds: float
    seconds: float


@dataclass(frozen=True)
class Speed:
    """How long parts of a training take, in seconds.

    Attributes:
        start: of making and compiling a model.
        step: one of training.
        draw: an image that is sampled, or a draw of an image's log p.
    """

    start: float
    step: float
    draw: float = 0.0


class Work(NamedTuple):
    """Trainings that are alike.

    Attributes:
        name: those of one name are made once.
        kind: a step of those of one kind takes as long.
        measure: makes some steps.
        starts: how often a model is compiled.
        steps: of training.
        draws: images that are sampled, or draws of log p, afterwards.
        is_oracle: whether it trains an oracle.
    """

    name: str
    kind: str
    measure: Callable[[], Speed]
    starts: int
    steps: int
    draws: int
    is_oracle: bool = False


def estimate(
    configs: Iterable[ExperimentConfig],
    cache: Cache,
    progress: Progress = SILENT,
    measured: dict[str, Speed] | None = None,
) -> Cost:
    """What experiments do if nothing is kept from before, what they share counted once.

    :data:`ON_TOP` is not counted. The steps are made on a few of the images that the
    experiments are about.

    Args:
        configs: assessments and scores.
        cache: where images that are costly to make are kept.
        progress: is told how far the work is.
        measured: how long parts of a kind take, as far as that is known; what is measured is
            added.

    Raises:
        RgfError: data that cannot be had.
    """
    measured = {} if measured is None else measured
    sets: dict[str, Dataset] = {}
    configs = list(configs)
    works = {work.name: work for config in configs for work in _works(config, cache, sets)}
    kinds = {work.kind: work.measure for work in works.values()}
    task = progress.task("measuring steps of each model", "models")
    for i, (kind, measure) in enumerate(kinds.items(), 1):
        if kind not in measured:
            measured[kind] = measure()
        task(i, len(kinds))
    num_steps, training, others = 0, 0.0, SECONDS_PER_RUN * len(configs)
    for work in works.values():
        speed = measured[work.kind]
        others += work.starts * speed.start + work.draws * speed.draw
        if work.is_oracle:
            others += work.steps * speed.step
        else:
            num_steps += work.steps
            training += work.steps * speed.step
    return Cost(num_steps, training, training + others)


def _works(config: ExperimentConfig, cache: Cache, sets: dict[str, Dataset]) -> Iterator[Work]:
    """The trainings of an experiment; ``sets`` are loaded once."""
    assert isinstance(config, AssessConfig | ScoreConfig)
    training = config.training
    kind = f"{config.model} {training.batch_size} {training.player_turns} {config.data.name}"
    if isinstance(config, ScoreConfig):
        yield from _works_of_score(config, kind, sets)
        return
    data = config.data.model_copy(update={"rare_class": 0, "rarity": 1.0})
    images = _once(data.key, sets, lambda: source(data, "train"))
    evaluation, oracle = config.evaluation, config.oracle
    num_steps = steps(config, len(images))

    measure = partial(_measure_assessment, config, cache)
    evaluations = -(-training.epochs // evaluation.every) if evaluation.every else 1
    for number in range(evaluation.num_trainings):
        draws = evaluation.num_samples * (evaluations if number == 0 else 1)
        yield Work(config.of_training(number).key, kind, measure, 1, num_steps, draws)
    balanced = config.unmitigated() if evaluation.reference == "shared" else config
    for number in range(evaluation.references):
        name = f"balanced {balanced.of_training(number).key}"
        yield Work(name, kind, measure, 1, num_steps, evaluation.num_samples)
    per_epoch = (oracle.num_train or len(images)) // oracle.batch_size
    has = {"class": images.num_classes > 1, "factor": config.data.factor != "none"}
    for which in ("class", "factor"):
        if not has[which]:
            continue
        name = f"{which} oracle {oracle.recipe(which).key} {data.key} {config.seed}"
        num_steps = per_epoch * oracle.recipe(which).epochs
        kind = f"oracle {oracle.batch_size} {config.data.name}"
        measure = partial(_measure_oracle, config, cache)
        yield Work(name, kind, measure, 1, num_steps, 0, is_oracle=True)


def _works_of_score(config: ScoreConfig, kind: str, sets: dict[str, Dataset]) -> Iterator[Work]:
    num = len(_once(config.data.key, sets, lambda: load_images(config.data)[0]))
    num_folds = number_of_folds(config, num)
    fits = config.num_repeats * num_folds
    draws = num * config.num_samples * len(config.scored_epochs)
    num_steps = steps(config, num - num // num_folds)

    measure = partial(_measure_score, config)
    yield Work(config.key, kind, measure, 1, fits * num_steps, fits * draws)
    if config.full_run:
        yield Work(f"full {config.key}", kind, measure, 0, steps(config, num), draws)


def _once(name: str, sets: dict[str, Dataset], load: Callable[[], Dataset]) -> Dataset:
    if name not in sets:
        sets[name] = load()
    return sets[name]


def _measure_assessment(config: AssessConfig, cache: Cache) -> Speed:
    images = _few(config, config.training.images_per_step, cache)
    start, step, model = _train(config, images)
    return Speed(start, step, _seconds_per_image(model, config.evaluation.fast))


def _measure_score(config: ScoreConfig) -> Speed:
    images = _some(load_images(config.data)[0], config.training.images_per_step)
    start, step, model = _train(config, images)
    assert isinstance(model, LikelihoodModel)
    few = images.images[:MEASURED_IMAGES]
    seconds = _second_call(lambda: model.log_prob(few, config.num_samples))
    return Speed(start, step, seconds / (len(few) * config.num_samples))


def _measure_oracle(config: AssessConfig, cache: Cache) -> Speed:
    recipe = config.oracle
    images = _few(config, recipe.batch_size, cache)
    began = time.perf_counter()
    oracle = Oracle(images.image_shape, 2)
    data = {"images": images.images, "labels": np.arange(len(images)) % 2}
    optimizer = keras.optimizers.SGD(recipe.learning_rate, momentum=recipe.momentum)
    batch_size = min(recipe.batch_size, len(images))
    trainer = Trainer(oracle, data, {"oracle": optimizer}, batch_size)
    return Speed(*_seconds_of(trainer, began))


def _train(config: Experiment, images: Dataset) -> tuple[float, float, GenerativeModel]:
    """Seconds of making and compiling a model, and of a step, and the model."""
    training = config.training
    began = time.perf_counter()
    model = build_model(config, images)
    data = {"images": images.images} | ({"labels": images.labels} if model.conditional else {})
    turns = training.images_per_step // training.batch_size
    trainer = Trainer(
        model,
        data,
        training.build_optimizers([player.name for player in model.players()]),
        batch_size=min(training.batch_size, len(images) // turns),
        turns=training.player_turns,
        ema_decay=training.ema_decay,
    )
    return *_seconds_of(trainer, began), model


def _seconds_of(trainer: Trainer, began: float) -> tuple[float, float]:
    """Seconds since ``began`` without those of steps, and of a step."""
    trainer.fit(1)
    start = time.perf_counter() - began
    epochs, elapsed, began = 1, 0.0, time.perf_counter()
    while elapsed < MEASURED_SECONDS:
        epochs += 1
        trainer.fit(epochs)
        elapsed = time.perf_counter() - began
    step = elapsed / ((epochs - 1) * trainer.steps_per_epoch)
    return max(start - trainer.steps_per_epoch * step, 0.0), step


def _seconds_per_image(model: GenerativeModel, fast: bool) -> float:
    """Sampling; all steps of a sampler are as long as its first."""
    if isinstance(model, DDPM):
        num_steps = FAST[0] if fast else model.num_steps
        one_step = _second_call(lambda: model.sample(MEASURED_IMAGES, seed=0, num_steps=1))
        return num_steps * one_step / MEASURED_IMAGES
    return _second_call(lambda: model.sample(MEASURED_IMAGES, seed=0)) / MEASURED_IMAGES


def _second_call(function: Callable[[], object]) -> float:
    """Seconds of a call that need not compile any more."""
    function()
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def _few(config: AssessConfig, per_step: int, cache: Cache) -> Dataset:
    # A step is as long whatever the images show.
    is_shape = config.data.factor in shape_factors()
    data = config.data.model_copy(update={"factor": "colour"} if is_shape else {})
    return _some(planted(data, "train", config.seed, cache)[1], per_step)


def _some(images: Dataset, per_step: int) -> Dataset:
    """Images for a few steps."""
    num = per_step * MEASURED_STEPS
    return images.split(num)[0] if num < len(images) else images
