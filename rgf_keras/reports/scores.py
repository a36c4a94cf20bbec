"""A memorization score for the terminal: before and after."""

from typing import Any

from rgf_keras.config import ScoreConfig
from rgf_keras.config.score import LEAVE_ONE_OUT
from rgf_keras.datasets import Dataset
from rgf_keras.experiments.scores.folds import number_of_folds
from rgf_keras.experiments.scores.report import summary
from rgf_keras.experiments.scores.result import Score
from rgf_keras.experiments.scores.score import check
from rgf_keras.experiments.scores.workers import Resources
from rgf_keras.reports.terminal import Table


def table(score: Score) -> Table:
    """One line per epoch that is scored."""
    title = (
        f"memorization score M (nats) of {len(score.images)} images of {score.images.name}, "
        f"{score.num_repeats} × {score.config.num_folds} fits"
    )
    view = Table(title=title)
    for column in ("epoch", "min", "median", "q0.95", "q0.999", "max", "held-out log p"):
        view.add_column(column, justify="right")
    for epoch, numbers in summary(score)["by_epoch"].items():
        names = ("min", "median", "q0.95", "q0.999", "max")
        cells = [numbers[f"memorization/{name}"] for name in names]
        cells.append(numbers["quality/held_out_log_prob"])
        view.add_row(str(epoch), *(f"{cell:.1f}" for cell in cells))
    return view


def plan(config: ScoreConfig, images: Dataset, resources: Resources) -> dict[str, Any]:
    """What a score would train, with nothing trained.

    Raises:
        RgfError: what :func:`score` refuses of its arguments.
    """
    check(config, images, resources)
    num_folds = number_of_folds(config, len(images))
    full = config.num_repeats if config.num_folds == LEAVE_ONE_OUT else config.full_run
    num_fits = config.num_repeats * num_folds + full
    batch, scored = config.training.images_per_step, len(config.scored_epochs)
    steps = len(images) * (num_folds - 1) // num_folds // batch * config.training.epochs
    return {
        "images": len(images),
        "fits": num_fits,
        "at_once": resources.num_workers * resources.ensemble,
        "steps_per_fit": steps,
        "scored_epochs": scored,
        "cost": f"{num_fits * steps} training steps of {batch} images, and log p of "
        f"{num_fits * scored * len(images)} images by {config.num_samples} draws each",
    }
