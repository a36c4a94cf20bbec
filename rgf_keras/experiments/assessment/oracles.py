"""The two oracles that label generated images: class and factor."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import keras
import numpy as np

from rgf_keras.cache import Arrays, Cache
from rgf_keras.config import OracleConfig
from rgf_keras.datasets import Dataset
from rgf_keras.errors import RgfError
from rgf_keras.experiments.assessment.limits import check_oracles
from rgf_keras.models import Oracle
from rgf_keras.runtime.progress import Progress
from rgf_keras.training import ReportProgress, Trainer


@dataclass(frozen=True)
class Labels:
    """Images as the oracles see them.

    Attributes:
        classes: (n,) integers.
        factor: (n,) integers.
        confidence: (n,) in [0, 1], the class oracle's softmax of the class it names; None without
            a class oracle.
        features: (n, feature_dim), the class oracle's hidden layer; None likewise.
    """

    classes: np.ndarray
    factor: np.ndarray
    confidence: np.ndarray | None
    features: np.ndarray | None


@dataclass(frozen=True)
class Oracles:
    """Class and factor oracle, trained on the balanced set.

    Attributes:
        classes: None if there is a single class.
        factor: None if there is a single value.
        accuracies: on held-out images, by ``"class"`` and ``"factor"``.
    """

    classes: Oracle | None
    factor: Oracle | None
    accuracies: Mapping[str, float]

    def label(self, images: np.ndarray) -> Labels:
        """Label images (n, H, W, C) uint8."""
        confidence = features = None
        classes = factor = np.zeros(len(images), np.int64)
        if self.classes:
            classes, confidence, features = self.classes.classify(images)
        if self.factor:
            factor, _, _ = self.factor.classify(images)
        return Labels(classes, factor, confidence, features)


def train_oracles(
    train: Dataset,
    test: Dataset,
    config: OracleConfig,
    seed: int,
    cache: Cache,
    progress: Progress,
) -> Oracles:
    """Train both oracles on D_u, or take them from the cache.

    Args:
        train: the balanced training set.
        test: balanced held-out images.
        config: the recipe.
        seed: of weights and data order.
        cache: where trained oracles are kept.
        progress: is told how far the work is.

    Raises:
        RgfError: an oracle's held-out accuracy is below ``config.min_accuracy``.
    """
    check_oracles(train, config)
    labels = {"class": (train.labels, test.labels), "factor": (train.planted, test.planted)}
    num_outputs = {"class": train.num_classes, "factor": len(train.factor_values)}
    names = {"class": "class", "factor": str(train.factor_name)}
    oracles: dict[str, Oracle | None] = {"class": None, "factor": None}
    accuracies: dict[str, float] = {}
    kinds: tuple[Literal["class", "factor"], ...] = ("class", "factor")
    for kind in (kind for kind in kinds if num_outputs[kind] > 1):  # else all are alike
        name, (known, held_out), recipe = names[kind], labels[kind], config.recipe(kind)
        identity = recipe.identity()
        del identity["min_accuracy"]
        oracle = Oracle(train.image_shape, num_outputs[kind], seed=seed)
        description = {
            "oracle": name,
            "config": identity,
            "train": train.fingerprint,
            "seed": seed,
            "backend": keras.backend.backend(),
            "keras": keras.__version__,
        }
        task = progress.task(f"{name} oracle")
        compute = partial(_train, oracle, train.images, known, recipe, seed, task)
        arrays = cache.get("oracle", description, compute)
        oracle.set_weights([arrays[key] for key in sorted(arrays)])
        accuracies[kind] = float(np.mean(oracle.classify(test.images)[0] == held_out))
        oracles[kind] = oracle
        if accuracies[kind] < config.min_accuracy:
            key = f"oracle.{kind}_epochs" if recipe.epochs != config.epochs else "oracle.epochs"
            raise RgfError(
                f"the {name} oracle is right on {accuracies[kind]:.1%} of held-out images, less "
                f"than oracle.min_accuracy {config.min_accuracy:.0%}; raise {key} "
                f"(e.g. --set {key}={3 * recipe.epochs}) or use more images"
            )
    return Oracles(oracles["class"], oracles["factor"], accuracies)


def _train(
    oracle: Oracle,
    images: np.ndarray,
    labels: np.ndarray,
    config: OracleConfig,
    seed: int,
    progress: Progress,
) -> Arrays:
    optimizer = keras.optimizers.SGD(config.learning_rate, momentum=config.momentum)
    data = {"images": images, "labels": labels}
    trainer = Trainer(oracle, data, {"oracle": optimizer}, config.batch_size, seed)
    trainer.fit(config.epochs, [ReportProgress(progress)])
    return {f"{i:02d}": weight for i, weight in enumerate(oracle.get_weights())}
