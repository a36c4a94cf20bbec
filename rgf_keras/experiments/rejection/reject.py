"""Memorization rejection over several thresholds: quality against copying (arXiv 2210.12231)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rgf_keras import archive, outputs, strict_json
from rgf_keras.cache import Cache
from rgf_keras.config import AssessConfig
from rgf_keras.datasets import Dataset
from rgf_keras.errors import RgfError
from rgf_keras.experiments.assessment import models
from rgf_keras.experiments.assessment.assess import assess
from rgf_keras.experiments.assessment.data import Sets, planted
from rgf_keras.experiments.assessment.materials import Materials, check, prepare
from rgf_keras.metrics import copying, data_copying
from rgf_keras.metrics.copying import Copying
from rgf_keras.metrics.features import FeatureExtractor, Pixels
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.tracking.tracker import Context, Tracker, environment_tags

Threshold = float | str | None


@dataclass(frozen=True)
class Point:
    """One threshold of a sweep.

    Attributes:
        threshold: τ as it was asked for; None is no rejection.
        metrics: of the assessment.
        frechet: the Fréchet distance among them.
        c_t_by: C_T by ``"embedding"`` and, in the assessment's, by ``"reference"`` set of held-out
            images and by ``"class"`` that has enough samples; each by name.
        images: (m, H, W, C) uint8 samples of the generator.
        copying: how near they lie to the training images.
        train_features: (l, d) of the training images.
        features: by epoch, (m, d) of the samples that were evaluated then.
    """

    threshold: Threshold
    metrics: dict[str, float]
    frechet: float
    c_t_by: dict[str, dict[str, float]]
    images: np.ndarray
    copying: Copying
    train_features: np.ndarray
    features: dict[int, np.ndarray]

    @property
    def label(self) -> str:
        """The threshold as tables and names of files have it, e.g. ``auto``."""
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

    Raises:
        RgfError: a threshold that is named twice; a reference of other images or that is the data
            itself; a folder with results of other images or another backend; what an assessment
            refuses.
    """
    if len(set(thresholds)) < len(thresholds):
        raise RgfError("a threshold is named twice")
    data = check(config, cache, progress)
    held_out = _held_out(config, references, data, cache, progress)
    materials = prepare(config, cache, progress, data)
    points = []
    for threshold in thresholds:
        folder = work / f"threshold-{_label(threshold)}"
        folder.mkdir(parents=True, exist_ok=True)
        record = _assess_once(config, threshold, data.skewed, tracker, folder, cache, progress)
        model = models.load(folder / record["model"])
        images = models.draw_samples(model, config, progress.task("samples"))
        metrics = record["metrics"]
        points.append(_point(threshold, metrics, images, folder, materials, held_out, config.seed))
    return points


def _held_out(
    config: AssessConfig, names: Sequence[str], sets: Sets, cache: Cache, progress: Progress
) -> dict[str, Dataset]:
    """By name: the data's own test images, and those of other data sets with the same factor."""
    found = {config.data.name: sets.held_out_skewed}
    for name in names:
        if name == config.data.name:
            raise RgfError(f"{name} is the data itself: its test images are used anyway")
        data = config.data.model_copy(update={"name": name, "num_test": None})
        _, found[name] = planted(data, "test", config.seed, cache, progress)
        expected, shape = sets.skewed.image_shape, found[name].image_shape
        if shape != expected:
            raise RgfError(f"{name} cannot be a reference: {shape} images, not {expected}")
    return found


def _assess_once(
    config: AssessConfig,
    threshold: Threshold,
    train: Dataset,
    tracker: Tracker,
    folder: Path,
    cache: Cache,
    progress: Progress,
) -> dict[str, Any]:
    """Metrics, and the model's file, of one threshold; trained unless that was finished before."""
    path = folder / "metrics.json"
    origin = {"backend": keras.backend.backend(), "data": train.fingerprint[:16]}
    run_id = folder / "mlflow.run"
    if not path.exists() or run_id.exists():
        chosen = config.with_values({"rejection.threshold": threshold, "rejection.quantile": None})
        name = f"threshold-{_label(threshold)}"
        with tracker.resumable_run(name, environment_tags(), run_id) as run:
            assessment = assess(chosen, Context(run, folder, cache, progress))
            model = next(name for name in assessment.files if name.startswith("model."))
            record = {"metrics": assessment.metrics, "model": model, "origin": origin}
            outputs.write_text(path, strict_json.dumps(record))
    record = json.loads(path.read_text())
    if record.get("origin", origin) != origin:
        raise RgfError(
            f"{folder} holds results of {_named(record['origin'])}, not of {_named(origin)}; "
            "give another --workspace, or move it away"
        )
    # before 0.2 the metrics alone
    return record if "metrics" in record else {"metrics": record, "model": "model.keras"}


def _named(origin: dict[str, str]) -> str:
    return f"{origin['backend']} and the images {origin['data']}"


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
    train, cache, embedding = materials.data.skewed, materials.cache, materials.embedding

    def features(extractor: FeatureExtractor, test: Dataset) -> list[np.ndarray]:
        of_sets = [extractor.extract(each.images, cache) for each in (train, test)]
        return [*of_sets, extractor.extract(images)]

    def nearness(extractor: FeatureExtractor, test: Dataset) -> Copying:
        of_train, of_test, generated = features(extractor, test)
        return copying.measure(of_train, of_test, generated, seed, extractor.name)

    by_reference = {name: nearness(embedding, test) for name, test in held_out.items()}
    (name, test), *_ = held_out.items()
    own, pixels = by_reference[name], nearness(Pixels(), test)
    labels = (train.labels, test.labels, materials.oracles.label(images).classes)
    return Point(
        threshold,
        metrics,
        metrics[f"quality/frechet_{embedding.name}"],
        {
            "embedding": {embedding.name: own.c_t.value, "pixels": pixels.c_t.value},
            "reference": {name: each.c_t.value for name, each in by_reference.items()},
            "class": _by_class(features(embedding, test), labels, train.class_names),
        },
        images,
        own,
        embedding.extract(train.images, cache),
        {
            int(path.stem.split("-")[1]): archive.load(path)[0]["features"]
            for path in sorted(folder.glob("features-*.npz"))
        },
    )


def _by_class(
    features: Sequence[np.ndarray], labels: Sequence[np.ndarray], class_names: Sequence[str]
) -> dict[str, float]:
    """C_T of training, test and generated features of each class, as one cell."""
    values = {}
    for label, name in enumerate(class_names):
        own = [x[y == label] for x, y in zip(features, labels, strict=True)]
        if min(map(len, own)) >= copying.MIN_SAMPLES_PER_CELL:
            cells = [np.zeros(len(x), np.int64) for x in own]
            values[name] = data_copying.c_t(*own, *cells, min_cell_fraction=0.0).c_t  # type: ignore[misc]
    return values
