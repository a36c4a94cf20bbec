"""The data of an experiment: loaded, cut to size, and with the factor where it belongs."""

from dataclasses import dataclass
from functools import partial

from rgf_keras import datasets
from rgf_keras.cache import Cache
from rgf_keras.config import AssessConfig, DataConfig
from rgf_keras.datasets import Dataset, Factor
from rgf_keras.datasets.dataset import pool
from rgf_keras.errors import RgfError
from rgf_keras.runtime.progress import SILENT, Progress


@dataclass(frozen=True)
class Sets:
    """D_u, D_r and held-out images of both kinds.

    Quality is measured against *balanced* held-out images, so that a model is not rewarded for
    reproducing the skew of its training set; copying against skewed ones, so that only copies, and
    not the skew, bring generated images nearer to the training set than held-out ones are.
    """

    balanced: Dataset
    skewed: Dataset
    held_out: Dataset
    held_out_skewed: Dataset


def source(config: DataConfig, split: str) -> Dataset:
    """The images as they are before planting, with their own factor if it is the one asked for.

    Args:
        config: which data set, how much of it, and which factor.
        split: ``"train"`` or ``"test"``.

    Raises:
        RgfError: see :func:`rgf_keras.datasets.load`.
    """
    values = config.factor_parameters.get("values", ())
    load = partial(datasets.load, config.name, factor=config.factor, values=values)
    if config.per_class is None:
        dataset = load(split)
    else:
        dataset = pool(load("train"), load("test"), config.per_class)[split == "test"]
    num = config.num_train if split == "train" else config.num_test
    if num is not None and num < len(dataset):
        dataset = dataset.split(num, seed=0)[0]
    return dataset.with_values(values) if dataset.factor is not None and values else dataset


def factor_of(config: DataConfig, dataset: Dataset) -> Factor | None:
    """What to plant in these images; None if they have the factor already.

    Raises:
        RgfError: unknown factor or parameter.
    """
    if dataset.factor is None:
        return datasets.factor(config.factor, config.factor_parameters)
    unknown = set(config.factor_parameters) - {"values"}
    if unknown:
        raise RgfError(
            f"{dataset.name} comes with its own '{dataset.factor_name}', whose only parameter is "
            f"'values'; received '{min(unknown)}'"
        )
    return None


def planted(
    config: DataConfig, split: str, seed: int, cache: Cache, progress: Progress = SILENT
) -> tuple[Dataset, Dataset]:
    """The balanced and the skewed images of a split; arguments and errors as of `make_sets`."""
    images = source(config, split)
    factor = factor_of(config, images)
    task = progress.task(f"{config.factor} of {images.name}", "images")
    rare = (config.rare_class, seed, config.rarity)
    return (
        datasets.balanced(images, factor, seed, cache, task),
        datasets.skewed(images, factor, *rare, cache, task),
    )


def oracle_images(
    config: AssessConfig, balanced: Dataset, cache: Cache, progress: Progress = SILENT
) -> Dataset:
    """What the oracles are trained on: D_u, or as many images as they are given."""
    if config.oracle.num_train is None:
        return balanced
    data = config.data.model_copy(update={"num_train": config.oracle.num_train})
    return planted(data, "train", config.seed, cache, progress)[0]


def make_sets(config: DataConfig, seed: int, cache: Cache, progress: Progress = SILENT) -> Sets:
    """Load the images and plant the factor, or choose among images that have it.

    Args:
        config: what to load and plant.
        seed: which images receive which value, and whatever is random about it.
        cache: where images that are costly to make are kept.
        progress: is told how far the work is.

    Raises:
        RgfError: bad data, or a factor that does not fit it.
    """
    train = planted(config, "train", seed, cache, progress)
    return Sets(*train, *planted(config, "test", seed, cache, progress))
