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
from rgf_keras.datasets.sources import DATASETS, FileSource
from rgf_keras.errors import RgfError
from rgf_keras.experiments.assessment import models
from rgf_keras.experiments.assessment.assess import BEST, assess
from rgf_keras.experiments.assessment.data import Sets, planted
from rgf_keras.experiments.assessment.materials import Materials, check, prepare
from rgf_keras.metrics import copying, data_copying, neighbours
from rgf_keras.metrics.copying import Copying
from rgf_keras.metrics.features import FeatureExtractor, Pixels
from rgf_keras.models.base import to_uint8
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.tracking.tracker import Context, Tracker, environment_tags

Threshold = float | str | None
LabelledFeatures = tuple[np.ndarray, np.ndarray]  # features (n, d) and classes (n,)


@dataclass(frozen=True)
class Point:
    """One threshold of a sweep.

    Attributes:
        threshold: τ as it was asked for; None is no rejection.
        metrics: of the assessment.
        frechet: the Fréchet distance among them.
        c_t_by: C_T by ``"embedding"`` and, in the assessment's, by ``"reference"`` set of held-out
            images and by ``"class"`` that has enough samples; each by name. ``"class mean"`` is
            the mean of all classes by reference set, as arXiv 2210.12231 computes it, where every
            class has enough.
        images: (m, H, W, C) uint8 samples of the generator.
        copying: how near they lie to the training images.
        train_features: (l, d) of the training images.
        features: by epoch, (m, d) of the samples that were evaluated then.
        classes: (m,) of the samples: those asked for, else what an oracle says.
        mean_distance: d̄, the training images' mean distance to their nearest other one.
        best: epoch and metrics of the evaluation with the best Fréchet distance; empty if there was
            a single one.
    """

    threshold: Threshold
    metrics: dict[str, float]
    frechet: float
    c_t_by: dict[str, dict[str, float]]
    images: np.ndarray
    copying: Copying
    train_features: np.ndarray
    features: dict[int, np.ndarray]
    classes: np.ndarray
    mean_distance: float
    best: dict[str, Any]

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
    samples_per_class: int | None = None,
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
        samples_per_class: for C_T by class, of models that are asked for classes (10,000 in arXiv
            2210.12231); None for those of the evaluation.

    Raises:
        RgfError: a threshold that is named twice; a reference of other images or that is the data
            itself; a folder with results of other images or another backend; what an assessment
            refuses.
    """
    if len(set(thresholds)) < len(thresholds):
        raise RgfError("a threshold is named twice")
    comparison = ThresholdComparison.of(config, cache, progress, references, samples_per_class)
    points = []
    for threshold in thresholds:
        folder = work / f"threshold-{_label(threshold)}"
        folder.mkdir(parents=True, exist_ok=True)
        train = comparison.materials.data.skewed
        record = _assess_once(config, threshold, train, tracker, folder, cache, progress)
        path = folder / record["model"]
        points.append(comparison.point(threshold, record["metrics"], path, progress))
    return points


@dataclass(frozen=True)
class ThresholdComparison:
    """What models of a configuration are compared with, once they are trained.

    Attributes:
        config: how they were trained, but for the threshold.
        materials: what they share.
        held_out: test images by the name of their data set, the data's own first.
        mean_distance: d̄.
        samples_per_class: see :func:`sweep`.
    """

    config: AssessConfig
    materials: Materials
    held_out: Mapping[str, Dataset]
    mean_distance: float
    samples_per_class: int | None

    @classmethod
    def of(
        cls,
        config: AssessConfig,
        cache: Cache,
        progress: Progress,
        references: Sequence[str] = (),
        samples_per_class: int | None = None,
    ) -> "ThresholdComparison":
        """Load and measure all that does not depend on the threshold, see :func:`sweep`."""
        data = check(config, cache, progress)
        held_out = _held_out(config, references, data, cache, progress)
        materials = prepare(config, cache, progress, data)
        train = materials.embedding.extract(data.skewed.images, cache)
        own, _ = neighbours.nearest(train, train, leave_one_out=True)
        return cls(config, materials, held_out, float(own.mean()), samples_per_class)

    def point(
        self, threshold: Threshold, metrics: dict[str, float], path: Path, progress: Progress
    ) -> Point:
        """How a model copies.

        Args:
            threshold: that it was trained with.
            metrics: of its assessment.
            path: its file, beside those of its assessment.
            progress: is told how far the work is.
        """
        best = path.parent / BEST
        drawn = self._draw(models.load(path), progress.task("samples"))
        train, cache, embedding = self.materials.data.skewed, self.materials.cache, self.embedding

        def nearness(extractor: FeatureExtractor, test: Dataset) -> Copying:
            of_train, of_test = (extractor.extract(each.images, cache) for each in (train, test))
            generated = extractor.extract(drawn.images)
            return copying.measure(of_train, of_test, generated, self.config.seed, extractor.name)

        by_reference = {name: nearness(embedding, test) for name, test in self.held_out.items()}
        (name, test), *_ = self.held_out.items()
        own, pixels = by_reference[name], nearness(Pixels(), test)
        by_class = embedding.extract(drawn.of_classes), drawn.their_classes
        whole = embedding.extract(train.images, cache), train.labels
        sets = {
            name: (whole, (embedding.extract(each.images, cache), each.labels), by_class)
            for name, each in self.held_out.items()
        }
        return Point(
            threshold,
            metrics,
            metrics[f"quality/frechet_{embedding.name}"],
            {
                "embedding": {embedding.name: own.c_t.value, "pixels": pixels.c_t.value},
                "reference": {name: each.c_t.value for name, each in by_reference.items()},
                "class": _by_class(sets[name], train.class_names),
                "class mean": _class_means(sets, train.num_classes, self.config.seed),
            },
            drawn.images,
            own,
            whole[0],
            {
                int(file.stem.split("-")[1]): archive.load(file)[0]["features"]
                for file in sorted(path.parent.glob("features-*.npz"))
            },
            drawn.classes,
            self.mean_distance,
            json.loads(best.read_text()) if best.exists() else {},
        )

    @property
    def embedding(self) -> FeatureExtractor:
        """In which distances are measured."""
        return self.materials.embedding

    def _draw(self, model: Any, progress: Progress) -> "Samples":
        own = self.config.of_training(self.config.evaluation.first_training)  # as it was assessed
        images = models.draw_samples(model, own, progress)
        if not hasattr(model, "requested_labels"):
            classes = self.materials.oracles.label(images).classes
            return Samples(images, classes, images, classes)
        classes = model.requested_labels(len(images))
        if self.samples_per_class is None:
            return Samples(images, classes, images, classes)
        num_classes = self.materials.data.skewed.num_classes
        every = np.repeat(np.arange(num_classes), self.samples_per_class)
        drawn = to_uint8(model.sample(len(every), own.seed, labels=every))
        return Samples(images, classes, drawn, every)


@dataclass(frozen=True)
class Samples:
    """Samples of a model.

    Attributes:
        images: (m, H, W, C) uint8.
        classes: (m,).
        of_classes: (k, H, W, C) uint8 samples to compare within classes.
        their_classes: (k,).
    """

    images: np.ndarray
    classes: np.ndarray
    of_classes: np.ndarray
    their_classes: np.ndarray


def newer_test_images(name: str) -> list[str]:
    """CIFAR-10.1 for CIFAR-10, as the paper has it, if its files are there; else none."""
    newer = DATASETS["cifar10.1"]
    assert isinstance(newer, FileSource)
    return ["cifar10.1"] if name == "cifar10" and newer.place(None) is not None else []


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


def _by_class(sets: Sequence[LabelledFeatures], class_names: Sequence[str]) -> dict[str, float]:
    """C_T of training, test and generated features of each class, as one cell."""
    values = {}
    for label, name in enumerate(class_names):
        own = [x[y == label] for x, y in sets]
        train, *compared = map(len, own)
        if train and min(compared) > copying.MIN_SAMPLES_PER_CELL:
            cells = [np.zeros(len(x), np.int64) for x in own]
            values[name] = data_copying.c_t(*own, *cells, min_cell_fraction=0.0).c_t  # type: ignore[misc]
    return values


def _class_means(
    sets: Mapping[str, Sequence[LabelledFeatures]], num_classes: int, seed: int
) -> dict[str, float]:
    """The mean of the classes' C_T by reference set, where every class has enough."""
    values = {}
    for name, ((x, y), (test, of_test), (generated, of_generated)) in sets.items():
        counts = [np.bincount(each, minlength=num_classes) for each in (of_test, of_generated)]
        if np.min(counts) > copying.MIN_SAMPLES_PER_CELL:
            parts = x, test, generated, y, of_test, of_generated
            values[name] = data_copying.c_t_per_class(*parts, seed).c_t
    return values
