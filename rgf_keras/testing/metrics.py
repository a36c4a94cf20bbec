"""What a metric must do."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from rgf_keras.metrics import catalogue, rgf_table
from rgf_keras.metrics.catalogue import Metric
from rgf_keras.metrics.evidence import Evidence, SetName

CLASSES = ("first", "second")


def check_metric(metric: Metric | Callable[[Evidence], catalogue.Value]) -> None:
    """Check a metric: one of :data:`rgf_keras.metrics.catalogue.METRICS` or of one's own.

    Args:
        metric: as ``evaluation.metrics`` may name it: a ``Metric`` or a function of ``Evidence``.

    Raises:
        AssertionError: no key or label; values that are not finite or not the same again; an
            interval that does not hold its value.
    """
    checked = metric if isinstance(metric, Metric) else Metric("guest", metric.__name__, metric)
    assert checked.key.strip("/"), "a metric must have a key"
    assert checked.label, f"{checked.key} must have a label"
    assert checked.unit in ("", "%", "nats"), f"{checked.key} has the unknown unit {checked.unit}"
    assert checked.better in ("", "lower", "higher"), f"{checked.key}: better is {checked.better}"
    for while_training in (False, True):
        measure = partial(catalogue.measure, metrics=[checked], while_training=while_training)
        values = measure(make_evidence())
        assert values == measure(make_evidence()), f"{checked.key} must be the same again"
        for name, value in values.items():
            assert math.isfinite(value), f"{name} must be finite, received {value}"
            low, high = (values.get(f"{name}_{end}", value) for end in ("low", "high"))
            assert low <= value <= high, f"{name} is {value}, outside its [{low}, {high}]"
            assert checked.unit != "%" or 0 <= value <= 1, f"{name} must lie in [0, 1]"


def make_evidence(num_images: int = 40, seed: int = 0) -> Evidence:
    """What is known of a small generator of two classes, random but always the same.

    Args:
        num_images: m, at least 20.
        seed: of images, labels and features.
    """
    rng = np.random.default_rng(seed)
    names: list[SetName] = ["train", "test", "held_out", "generated"]
    sets = dict(zip(names, rng.standard_normal((4, num_images, 6)), strict=True))
    classes, factor = rng.integers(2, size=(2, num_images))
    counts = rgf_table.count(classes, factor, num_classes=2, num_values=2)
    table = rgf_table.build(counts, counts[:, ::-1], CLASSES, 1, "two_sample", 0.05, 5)
    return Evidence(
        images=rng.integers(0, 256, (num_images, 28, 28, 1), np.uint8),
        table=table,
        embedding="oracle",
        embed=lambda space, name: sets[name],
        copying_spaces=["oracle", "pixels"],
        confidence=rng.uniform(size=num_images),
        accuracies={"class": 0.9, "factor": 1.0},
        min_class_samples=5,
        num_resamples=5,
        seed=seed,
    )
