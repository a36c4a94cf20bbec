"""The folds of a memorization score, and the fits that they take."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from rgf_keras import datasets
from rgf_keras.config import ScoreConfig
from rgf_keras.config.data import ImagesConfig
from rgf_keras.config.score import LEAVE_ONE_OUT
from rgf_keras.datasets import Dataset
from rgf_keras.errors import RgfError


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


Group = tuple[Fit, ...]  # fits that are trained at once

FULL = Fit(0, None)


def load_images(config: ImagesConfig) -> tuple[Dataset, Dataset]:
    """The images to score and held-out ones.

    Raises:
        RgfError: see :func:`rgf_keras.datasets.load`.
    """
    images = _load(config.name, "train", config.num_images)
    if config.without is not None:
        images = _leave_out(images, read_indices(Path(config.without)))
    return images, _load(config.name, config.held_out_split, config.num_held_out)


def _load(name: str, split: str, num: int | None) -> Dataset:
    dataset = datasets.load(name, split)
    return dataset.split(num)[0] if num and num < len(dataset) else dataset


def read_indices(path: Path) -> np.ndarray:
    """The column ``index`` of a CSV, (n,) integers.

    Raises:
        RgfError: the file cannot be read, or has no such column of integers.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return np.array([int(row["index"]) for row in csv.DictReader(file)], np.int64)
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError, csv.Error) as error:
        reason = f"no column index of integers ({error})"
        reason = reason if not isinstance(error, OSError) else str(error.strerror)
        raise RgfError(f"data.without: cannot read {path}: {reason}") from None


def _leave_out(images: Dataset, indices: np.ndarray) -> Dataset:
    """All images but those with these indices."""
    known = np.isin(indices, images.indices)
    if not known.all():
        raise RgfError(
            f"data.without: {images.name} has no image {indices[~known][0]}; give the list of a "
            "score of the same images"
        )
    kept = np.flatnonzero(~np.isin(images.indices, indices))
    if not len(kept):
        raise RgfError(f"data.without: no image of {images.name} is left")
    return images.take(kept)


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


def fit_groups(config: ScoreConfig, labels: np.ndarray, repeat: int, size: int) -> Iterator[Group]:
    """A repeat's fits, in groups of at most ``size`` that make equally many steps.

    Each leave-one-out repeat has a fit of all images; else the first one has, if that is wanted.

    Args:
        config: how many folds.
        labels: (n,) classes.
        repeat: counted from 0.
        size: fits that are trained at once.
    """
    if config.num_folds == LEAVE_ONE_OUT or (config.full_run and repeat == 0):
        yield (Fit(repeat, None),)
    sizes = np.bincount(folds(config, labels, repeat))
    steps = (len(labels) - sizes) // config.training.images_per_step
    for _, group in groupby(range(len(sizes)), key=lambda fold: steps[fold]):
        members = [Fit(repeat, fold) for fold in group]
        for first in range(0, len(members), size):
            yield tuple(members[first : first + size])
