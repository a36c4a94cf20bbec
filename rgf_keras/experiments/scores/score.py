"""The K-fold memorization score: L × K fits, resumed where they were left, and what they say."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from rgf_keras.cache import Cache, key_of
from rgf_keras.config import ScoreConfig
from rgf_keras.datasets import Dataset
from rgf_keras.errors import RgfError
from rgf_keras.experiments.scores import folds, report, workers
from rgf_keras.experiments.scores.fits import Fits
from rgf_keras.experiments.scores.folds import number_of_folds
from rgf_keras.experiments.scores.result import LogProbs, Score, gather
from rgf_keras.experiments.scores.workers import ALONE, Resources
from rgf_keras.runtime import locks
from rgf_keras.runtime.progress import Progress
from rgf_keras.tracking.tracker import Context, Run

# Fewer repeats tell nothing of their spread.
MIN_REPEATS = 3


def evaluate(config: ScoreConfig, context: Context) -> Score:
    """:func:`score` for a study: of the configured images, within the study's folder for a trial.

    The context's cache is not used: fits are kept in its folder.
    """
    return score(config, *folds.load_images(config.data), context)


def score(
    config: ScoreConfig,
    images: Dataset,
    held_out: Dataset,
    context: Context,
    resources: Resources = ALONE,
    others: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> Score:
    """Train what is missing, and say how much a model memorizes of each image.

    A run that was killed continues in the middle of the fit it was at. More repeats can be added
    to finished ones.

    Args:
        config: what to train and how often.
        images: to score.
        held_out: images of the same kind, for the full-data run's loss and for ρ.
        context: its folder holds this configuration's results; its cache is not used.
        resources: how many fits are trained at a time.
        others: scores of other runs by name, to be drawn beside.

    Raises:
        Diverged: a loss is not finite.
        RgfError: a model without a likelihood, bad folds, a folder with another configuration's
            results or in use by another process, an ensemble on another backend than JAX.
    """
    check(config, images, resources)
    run, folder = context.run, context.folder
    with locks.exclusive(folder / "lock", f"the score in {folder}"):
        fits = Fits.of(config, images, held_out, folder)
        run.log_params(config.flat())
        run.set_tags({"data_sha256": images.fingerprint[:16], "seed": config.seed})
        run.log_datasets(training=images, testing=held_out)
        num_repeats = _train(fits, resources, context.progress)
        result = gather(fits, num_repeats)
        report.record(result, run, folder, others)
    return result


def default_folder(config: ScoreConfig, workspace: Path) -> Path:
    """Where results go if no folder is named: scores that may share fits share it."""
    described = {**config.fit_identity(), "backend": keras.backend.backend()}
    return workspace / "work" / f"score-{key_of(described)}"


def check(config: ScoreConfig, images: Dataset, resources: Resources) -> None:
    """Refuse what cannot be scored.

    Raises:
        RgfError: a model without a likelihood, bad folds, ensembles on another backend than JAX.
    """
    if resources.ensemble > 1 and keras.backend.backend() != "jax":
        raise RgfError(f"ensembles need the jax backend, not {keras.backend.backend()}")
    largest_fold = -(-len(images) // number_of_folds(config, len(images)))
    model = config.model.build(images.image_shape, images.num_classes, seed=0)
    if not callable(getattr(model, "log_prob", None)):
        raise RgfError(
            f"a {type(model).__name__} draws images but cannot tell how likely a given one is, "
            "and the score compares likelihoods; set model.family to vae or diffusion, or to a "
            "custom one with log_prob"
        )
    if not callable(getattr(model, "players", None)):
        raise RgfError(
            f"model.target: the score trains a {type(model).__name__} many times by our Trainer, "
            "which needs its players(); add them"
        )
    config.training.check_privacy(model)
    height, width, _ = images.image_shape
    if config.full_run and (height % 2 or width % 2):
        raise RgfError(
            f"full_run: its ρ compares images of half size, which {height}×{width} images do not "
            "have; set full_run=false, or use images of an even height and width"
        )
    fewest = len(images) - largest_fold
    if config.training.images_per_step > fewest:
        raise RgfError(
            f"training.batch_size: a step takes {config.training.images_per_step} images, but a "
            f"fit has {fewest}; set it to at most {fewest}"
        )


def _train(fits: Fits, resources: Resources, progress: Progress) -> int:
    """Train all that is missing; returns how many repeats there are in the end."""
    config, labels = fits.config, fits.images.labels
    repeats = range(config.num_repeats)
    # Without a tolerance all repeats are wanted anyway: one round.
    for these in [repeats] if config.tolerance is None else [[repeat] for repeat in repeats]:
        groups = [
            group
            for repeat in these
            for group in folds.fit_groups(config, labels, repeat, resources.ensemble)
            if not fits.finished(group)
        ]
        if groups:
            workers.train(fits, groups, resources, progress.task("training fits", "steps"))
        if _settled(fits, these[-1] + 1):
            return these[-1] + 1
    return config.num_repeats


def _settled(fits: Fits, num_repeats: int) -> bool:
    """Whether a quantile is known as well as was asked for."""
    if num_repeats < MIN_REPEATS or fits.config.tolerance is None:
        return False
    interval = LogProbs.read(fits, num_repeats).interval(fits.config.quantile, fits.config.seed)
    return interval.high - interval.low <= fits.config.tolerance


def __getattr__(name: str) -> Any:
    """What :func:`evaluate` was called before 0.2: ``judge(config, run, folder, cache, track)``."""
    if name != "judge":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        "scores.score.judge is now evaluate(config, context); judge will go with the next release",
        DeprecationWarning,
        stacklevel=2,
    )

    def judge(config: ScoreConfig, run: Run, folder: Path, cache: Cache, track: Any) -> Score:
        progress = Progress()
        progress.task = track  # type: ignore[method-assign]
        return evaluate(config, Context(run, folder, cache, progress))

    return judge
