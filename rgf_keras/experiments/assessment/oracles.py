"""The two oracles that label generated images: class and factor."""

from dataclasses import dataclass

import keras
import numpy as np

from rgf_keras.cache import Arrays, Cache
from rgf_keras.datasets import Dataset
from rgf_keras.errors import RgfError
from rgf_keras.experiments.config import OracleConfig
from rgf_keras.experiments.progress import Advance, Track
from rgf_keras.models import Oracle
from rgf_keras.training import Progress, Trainer


@dataclass(frozen=True)
class Labelled:
    """Images as the oracles see them.

    Args:
        classes: (n,) integers.
        factor: (n,) integers.
        confidence: (n,) in [0, 1], the class oracle's softmax of the class it names.
        features: (n, feature_dim), the class oracle's hidden layer.
    """

    classes: np.ndarray
    factor: np.ndarray
    confidence: np.ndarray
    features: np.ndarray


@dataclass(frozen=True)
class Oracles:
    """Class and factor oracle, trained on the balanced set, with their held-out accuracies."""

    classes: Oracle
    factor: Oracle
    class_accuracy: float
    factor_accuracy: float

    def label(self, images: np.ndarray) -> Labelled:
        """Label images (n, H, W, C) uint8."""
        classes, confidence, features = self.classes.classify(images)
        return Labelled(classes, self.factor.classify(images)[0], confidence, features)


def train_oracles(
    train: Dataset,
    test: Dataset,
    config: OracleConfig,
    seed: int,
    cache: Cache,
    track: Track,
) -> Oracles:
    """Train both oracles on D_u, or take them from the cache.

    Args:
        train: the balanced training set.
        test: balanced held-out images.
        config: the recipe.
        seed: of weights and data order.
        cache: where trained oracles are kept.
        track: given a description, returns where progress is reported.

    Raises:
        RgfError: an oracle's held-out accuracy is below ``config.min_accuracy``.
    """
    tasks = {
        "class": (train.labels, test.labels, train.num_classes),
        str(train.factor_name): (train.planted, test.planted, len(train.factor_values)),
    }
    oracles, accuracies = [], []
    for name, (labels, test_labels, num_outputs) in tasks.items():
        oracle = Oracle(train.image_shape, num_outputs, seed=seed)
        description = {
            "oracle": name,
            "config": config.model_dump(exclude={"min_accuracy"}),
            "train": train.fingerprint,
            "seed": seed,
            "backend": keras.backend.backend(),
            "keras": keras.__version__,
        }
        if num_outputs == 1:  # no factor: there is nothing to tell apart
            oracles.append(oracle)
            accuracies.append(1.0)
            continue
        arrays = cache.get(
            "oracle",
            description,
            lambda o=oracle, y=labels, n=name: _train(  # type: ignore[misc]
                o, train.images, y, config, seed, track(f"{n} oracle")
            ),
        )
        oracle.set_weights([arrays[key] for key in sorted(arrays)])
        accuracy = float(np.mean(oracle.classify(test.images)[0] == test_labels))
        if accuracy < config.min_accuracy:
            raise RgfError(
                f"the {name} oracle is right on {accuracy:.1%} of held-out images, less than "
                f"oracle.min_accuracy {config.min_accuracy:.0%}; raise oracle.epochs "
                f"(e.g. --set oracle.epochs={3 * config.epochs}) or use more images"
            )
        oracles.append(oracle)
        accuracies.append(accuracy)
    return Oracles(*oracles, *accuracies)


def _train(
    oracle: Oracle,
    images: np.ndarray,
    labels: np.ndarray,
    config: OracleConfig,
    seed: int,
    advance: Advance,
) -> Arrays:
    optimizer = keras.optimizers.SGD(config.learning_rate, momentum=config.momentum)
    trainer = Trainer(
        oracle,
        {"images": images, "labels": labels},
        {"oracle": optimizer},
        batch_size=config.batch_size,
        seed=seed,
    )
    trainer.fit(config.epochs, [Progress(advance)])
    return {f"{i:02d}": weight for i, weight in enumerate(oracle.get_weights())}
