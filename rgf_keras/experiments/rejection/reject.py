"""Memorization rejection over several thresholds: quality against copying (arXiv 2210.12231)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from rgf_keras import archive
from rgf_keras.cache import Cache
from rgf_keras.config import AssessConfig
from rgf_keras.datasets import Dataset
from rgf_keras.errors import RgfError
from rgf_keras.experiments.assessment import models
from rgf_keras.experiments.assessment.assess import assess
from rgf_keras.experiments.assessment.data import planted
from rgf_keras.experiments.assessment.materials import Materials, prepare
from rgf_keras.metrics import copying, data_copying
from rgf_keras.metrics.copying import Copying
from rgf_keras.metrics.features import FeatureExtractor, Pixels
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.tracking.tracker import Context, Tracker, environment_tags

Threshold = float | str | None


@dataclass(frozen=True)
class Point:
    """One threshold.

    Args:
        threshold: τ as it was asked for; None is no rejection.
        metrics: of the assessment.
        by_embedding: C_T in each embedding.
        by_reference: C_T against each set of held-out images, in the oracle's features.
        by_class: C_T of each class that has enough samples, in the oracle's features.
        images: (m, H, W, C) uint8, what the generator drew.
        copying: distances to the training set, in the oracle's features.
        train_features: (l, d) of the training images.
        features: by epoch (m, d) of what the generator drew at that evaluation.
    """

    threshold: Threshold
    metrics: dict[str, float]
    by_embedding: dict[str, float]
    by_reference: dict[str, float]
    by_class: dict[str, float]
    images: np.ndarray
    copying: Copying
    train_features: np.ndarray
    features: dict[int, np.ndarray]

    @property
    def label(self) -> str:
        return _label(self.threshold)


def sweep(
    config: AssessConfig,
    thresholds: Sequence[Threshold],
    tracker: Tracker,
    work: Path,
    cache: Cache,
    progress: Progress = SILENT,
    references: Sequence[str] = (),
) -> list[Point]:
    """Train with each threshold and measure quality and copying.

    Runs that were killed continue from their checkpoints; finished thresholds are assessed once.

    Args:
        config: what to train; its own threshold is not used.
        thresholds: τ in [0, 2], ``"auto"`` or None for no rejection; one may be named once.
        tracker: one run per threshold.
        work: folder for checkpoints and files.
        cache: where oracles and features are kept.
        progress: is told how far the work is.
        references: data sets whose test images C_T is measured against as well.
    """
    if len(set(thresholds)) < len(thresholds):
        raise RgfError("a threshold is named twice")
    materials = prepare(config, cache, progress)
    held_out = _held_out(config, references, materials, progress)
    points = []
    for threshold in thresholds:
        folder = work / f"threshold-{_label(threshold)}"
        folder.mkdir(parents=True, exist_ok=True)
        metrics = _metrics(config, threshold, tracker, folder, cache, progress)
        model = models.load(folder / metrics["model"])
        images = models.draw_samples(model, config, progress.task("samples"))
        points.append(
            _point(threshold, metrics["metrics"], images, folder, materials, held_out, config.seed)
        )
    return points


def _held_out(
    config: AssessConfig,
    names: Sequence[str],
    materials: Materials,
    progress: Progress,
) -> dict[str, Dataset]:
    """By name: the data's own test images, and those of other data sets with the same factor."""
    found = {config.data.name: materials.data.held_out_skewed}
    for name in names:
        if name == config.data.name:
            raise RgfError(f"{name} is the data itself: its test images are used anyway")
        data = config.data.model_copy(update={"name": name, "num_test": None})
        _, found[name] = planted(data, "test", config.seed, materials.cache, progress)
        expected, shape = materials.data.skewed.image_shape, found[name].image_shape
        if shape != expected:
            raise RgfError(f"{name} cannot be a reference: {shape} images, not {expected}")
    return found


def _metrics(
    config: AssessConfig,
    threshold: Threshold,
    tracker: Tracker,
    folder: Path,
    cache: Cache,
    progress: Progress,
) -> dict[str, Any]:
    """Train and assess with one threshold, unless that was finished before."""
    record = folder / "metrics.json"
    if not record.exists():
        chosen = config.with_values({"rejection.threshold": threshold, "rejection.quantile": None})
        with tracker.run(f"threshold-{_label(threshold)}", environment_tags()) as run:
            assessment = assess(chosen, Context(run, folder, cache, progress))
        name = next(name for name in assessment.files if name.startswith("model."))
        record.write_text(json.dumps({"metrics": assessment.metrics, "model": name}))
    found = json.loads(record.read_text())
    # before 0.2 the metrics alone
    return found if "metrics" in found else {"metrics": found, "model": "model.keras"}


def _label(threshold: Threshold) -> str:
    return "none" if threshold is None else str(threshold)


def _point(
    threshold: Threshold,
    metrics: dict[str, float],
    images: np.ndarray,
    folder: Path,
    materials: Materials,
    held_out: Mapping[str, Dataset],
    seed: int,
) -> Point:
    train, (test, *_) = materials.data.skewed, held_out.values()
    oracle, cache = materials.embedding, materials.cache

    def measured(extractor: FeatureExtractor, reference: Dataset) -> Copying:
        of_train, of_test = (extractor.extract(x.images, cache) for x in (train, reference))
        return copying.measure(of_train, of_test, extractor.extract(images), seed)

    own = measured(oracle, test)
    further = {name: measured(oracle, each) for name, each in list(held_out.items())[1:]}
    by_reference = {next(iter(held_out)): own, **further}
    by_embedding = {oracle.name: own, "pixels": measured(Pixels(), test)}
    of_train = oracle.extract(train.images, cache)
    three = (of_train, oracle.extract(test.images, cache), oracle.extract(images))
    labels = (train.labels, test.labels, materials.oracles.label(images).classes)
    return Point(
        threshold,
        metrics,
        {name: result.c_t.value for name, result in by_embedding.items()},
        {name: result.c_t.value for name, result in by_reference.items()},
        _by_class(three, labels, train.class_names),
        images,
        own,
        of_train,
        {
            int(path.stem.split("-")[1]): archive.load(path)[0]["features"]
            for path in sorted(folder.glob("features-*.npz"))
        },
    )


def _by_class(
    features: Sequence[np.ndarray], labels: Sequence[np.ndarray], class_names: Sequence[str]
) -> dict[str, float]:
    """C_T of training, test and generated features of each class, as one cell."""
    found = {}
    for label, name in enumerate(class_names):
        own = [x[y == label] for x, y in zip(features, labels, strict=True)]
        if min(map(len, own)) >= copying.MIN_SAMPLES_PER_CELL:
            cells = [np.zeros(len(x), np.int64) for x in own]
            found[name] = data_copying.c_t(*own, *cells, min_cell_fraction=0.0).c_t  # type: ignore[misc]
    return found


def table(points: Sequence[Point]) -> Table:
    """One line per threshold."""
    view = Table(title="memorization rejection")
    for column in ("τ", "Fréchet", "C_T", "p of copying", "C_T in pixels", "distance", "accepted"):
        view.add_column(column, justify="right")
    for point in points:
        m = point.metrics
        acceptance = m.get("generator/acceptance")
        view.add_row(
            point.label,
            f"{m['quality/frechet_oracle']:.1f}",
            f"{m['copying/c_t']:.2f} [{m['copying/c_t_low']:.2f}, {m['copying/c_t_high']:.2f}]",
            f"{m['copying/c_t_p']:.3f}",
            f"{point.by_embedding['pixels']:.2f}",
            f"{m['copying/distance']:.4f}",
            "–" if acceptance is None else f"{acceptance:.0%}",
        )
    return view


def records(points: Sequence[Point]) -> list[dict[str, object]]:
    """The same and more, JSON-able."""
    return [
        {
            "threshold": point.threshold,
            "metrics": point.metrics,
            "c_t_by_embedding": point.by_embedding,
            "c_t_by_reference": point.by_reference,
            "c_t_by_class": point.by_class,
        }
        for point in points
    ]
