"""What a memorization score is made of: configuration, folds, fits."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from pydantic import Field

from rgf_keras import datasets
from rgf_keras.datasets import Dataset
from rgf_keras.errors import RgfError
from rgf_keras.experiments.config import (
    ExperimentConfig,
    OptimizerConfig,
    TrainingConfig,
)
from rgf_keras.experiments.model_config import Config, ModelConfig, Positive, VAEConfig

LEAVE_ONE_OUT = "leave-one-out"


class ImagesConfig(Config):
    """Which images are scored.

    Attributes:
        name: a data set that ``rgf_keras.datasets.load`` knows; its training split is scored.
        num_images: use only so many of it; None for all.
        num_held_out: images of the test split, which the full-data run is compared on; None for
            all.
    """

    name: str = "mnist-10k"
    num_images: Positive | None = None
    num_held_out: Positive | None = None


class ScoreConfig(ExperimentConfig):
    """Everything that determines a memorization score (NeurIPS 2021, section 3).

    Attributes:
        data: which images.
        model: what is trained; it must have a likelihood.
        training: how; the paper's recipe if not given.
        num_repeats: L, how often all folds are trained; more may be added to finished ones.
        num_folds: K in [2, number of images], or ``leave-one-out``: one fit without each image and
            one with all per repeat, which is the score's definition, for few images.
        stratified: whether every fold has the same mix of classes.
        num_samples: draws per image in log p.
        every: epochs between two times at which all images' log p is taken, besides the last one;
            None for the last only.
        quantile: of the score; what studies minimise and early stopping watches.
        tolerance: no further repeats when the quantile's 95 % interval, by bootstrap over the
            repeats, is at most this wide, in nats; None for all repeats.
        full_run: whether to train on all images too, for loss curves and samples.
    """

    data: ImagesConfig = ImagesConfig()
    model: ModelConfig = VAEConfig(architecture="mnist_mlp")
    training: TrainingConfig = TrainingConfig(
        epochs=100, optimizer=OptimizerConfig(learning_rate=1e-3, beta_1=0.9)
    )
    num_repeats: Positive = 10
    num_folds: int | Literal["leave-one-out"] = 10
    stratified: bool = False
    num_samples: Positive = 256
    every: Positive | None = 5
    quantile: float = Field(0.95, gt=0, lt=1)
    tolerance: float | None = Field(None, gt=0)
    full_run: bool = True

    @property
    def scored_epochs(self) -> list[int]:
        """The epochs (counted from 1) at which log p is taken."""
        last = self.training.epochs
        return sorted({*range(self.every or last, last, self.every or last), last})

    def fits_alike(self) -> dict[str, object]:
        """What fits of one folder must share: all but how many there are and what is read off."""
        return self.model_dump(
            mode="json", exclude={"num_repeats", "quantile", "tolerance", "full_run"}
        )


@dataclass(frozen=True)
class Fit:
    """One training: without a fold of a repeat, or on all images if ``fold`` is None."""

    repeat: int
    fold: int | None

    @property
    def name(self) -> str:
        fold = "full" if self.fold is None else f"k{self.fold:05d}"
        return f"r{self.repeat:03d}-{fold}"

    def seed(self, seed: int, *purpose: int) -> int:
        """A seed of this fit alone, in [0, 2³¹)."""
        key = [seed, self.repeat, 0 if self.fold is None else self.fold + 1, *purpose]
        return int(np.random.SeedSequence(key).generate_state(1)[0] >> 1)


FULL = Fit(0, None)


def load_images(config: ImagesConfig) -> tuple[Dataset, Dataset]:
    """The images to score and held-out ones.

    Raises:
        RgfError: see :func:`rgf_keras.datasets.load`.
    """
    found = []
    for split, num in (("train", config.num_images), ("test", config.num_held_out)):
        dataset = datasets.load(config.name, split)
        found.append(dataset.split(num)[0] if num and num < len(dataset) else dataset)
    return found[0], found[1]


def folds(config: ScoreConfig, labels: np.ndarray, repeat: int) -> np.ndarray:
    """Which fold each image belongs to in a repeat.

    Args:
        config: K, whether stratified, and the seed.
        labels: (n,) classes.
        repeat: counted from 0.

    Returns:
        (n,) integers in [0, K); fold sizes differ by at most one, and so do the numbers of images
        of a class per fold if stratified.

    Raises:
        RgfError: K is not in [2, n].
    """
    num_folds = number_of_folds(config, len(labels))
    order = np.random.default_rng([config.seed, repeat]).permutation(len(labels))
    if config.stratified:
        order = order[np.argsort(labels[order], kind="stable")]
    assigned = np.empty(len(labels), np.int64)
    assigned[order] = np.arange(len(labels)) % num_folds
    return assigned


def number_of_folds(config: ScoreConfig, num_images: int) -> int:
    """K as a number.

    Raises:
        RgfError: K is not in [2, n].
    """
    num_folds = num_images if config.num_folds == LEAVE_ONE_OUT else config.num_folds
    if not 2 <= num_folds <= num_images:  # type: ignore[operator]
        raise RgfError(
            f"num_folds must lie in [2, {num_images}], the number of images, "
            f"or be {LEAVE_ONE_OUT}; received {num_folds}"
        )
    return num_folds  # type: ignore[return-value]


def jobs(config: ScoreConfig, labels: np.ndarray, repeat: int, size: int) -> Iterator[list[Fit]]:
    """A repeat's fits, those in groups that are trained at once.

    Args:
        config: how many folds.
        labels: (n,) classes.
        repeat: counted from 0.
        size: of the groups, at most. Fits of a group make equally many steps.
    """
    sizes = np.bincount(folds(config, labels, repeat))
    steps = (len(labels) - sizes) // config.training.batch_size
    for _, group in groupby(range(len(sizes)), key=lambda fold: steps[fold]):
        members = list(group)
        for first in range(0, len(members), size):
            yield [Fit(repeat, fold) for fold in members[first : first + size]]
