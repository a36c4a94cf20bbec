"""Memorization rejection over several thresholds: quality against copying (arXiv 2210.12231)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from rich.table import Table

from rgf_keras.cache import Cache
from rgf_keras.errors import RgfError
from rgf_keras.experiments import copying
from rgf_keras.experiments.assess import assess
from rgf_keras.experiments.config import AssessConfig
from rgf_keras.experiments.copying import Copying
from rgf_keras.experiments.figures import save, tile
from rgf_keras.experiments.materials import Materials, prepare
from rgf_keras.experiments.materials import draw as draw_samples
from rgf_keras.experiments.progress import Track, silent
from rgf_keras.experiments.tracking import Tracker, environment_tags
from rgf_keras.metrics import data_copying
from rgf_keras.metrics.features import FeatureExtractor, OracleFeatures, Pixels
from rgf_keras.models import load_model

Threshold = float | str | None


@dataclass(frozen=True)
class Point:
    """One threshold.

    Args:
        threshold: τ as it was asked for; None is no rejection.
        metrics: of the assessment.
        by_embedding: C_T in each embedding.
        by_class: C_T of each class that has enough samples, in the oracle's features.
        images: (m, H, W, C) uint8, what the generator drew.
        copying: distances to the training set, in the oracle's features.
    """

    threshold: Threshold
    metrics: dict[str, float]
    by_embedding: dict[str, float]
    by_class: dict[str, float]
    images: np.ndarray
    copying: Copying

    @property
    def label(self) -> str:
        return _label(self.threshold)


def sweep(
    config: AssessConfig,
    thresholds: Sequence[Threshold],
    tracker: Tracker,
    work: Path,
    cache: Cache,
    track: Track = silent,
) -> list[Point]:
    """Train with each threshold and measure quality and copying.

    Runs that were killed continue from their checkpoints; finished thresholds are assessed once.

    Args:
        config: what to train; its own threshold is not used.
        thresholds: τ in [0, 2], ``"auto"`` or None for no rejection; one may be named once.
        tracker: one run per threshold.
        work: folder for checkpoints and files.
        cache: where oracles and features are kept.
        track: given a description, returns where progress is reported.
    """
    if len(set(thresholds)) < len(thresholds):
        raise RgfError("a threshold is named twice")
    materials = prepare(config, cache, track)
    points = []
    for threshold in thresholds:
        folder = work / f"threshold-{_label(threshold)}"
        folder.mkdir(parents=True, exist_ok=True)
        metrics = _metrics(config, threshold, tracker, folder, cache, track)
        model = load_model(folder / "model.keras")
        images = draw_samples(model, config, track("samples"))
        points.append(_point(threshold, metrics, images, materials, cache, config.seed))
    return points


def _metrics(
    config: AssessConfig,
    threshold: Threshold,
    tracker: Tracker,
    folder: Path,
    cache: Cache,
    track: Track,
) -> dict[str, float]:
    """Train and assess with one threshold, unless that was finished before."""
    record = folder / "metrics.json"
    if not record.exists():
        chosen = config.with_values({"rejection.threshold": threshold, "rejection.quantile": None})
        run = tracker.start(f"threshold-{_label(threshold)}", environment_tags())
        try:
            metrics = assess(chosen, run, folder, cache, track).metrics
        except BaseException:
            run.finish("FAILED")
            raise
        run.finish()
        record.write_text(json.dumps(metrics))
    return json.loads(record.read_text())


def _label(threshold: Threshold) -> str:
    return "none" if threshold is None else str(threshold)


def _point(
    threshold: Threshold,
    metrics: dict[str, float],
    images: np.ndarray,
    materials: Materials,
    cache: Cache,
    seed: int,
) -> Point:
    train, test = materials.data.skewed, materials.data.held_out_skewed
    extractors: tuple[FeatureExtractor, ...] = (OracleFeatures(materials.oracles.classes), Pixels())
    features = {
        extractor.name: (
            extractor.extract(train.images, cache),
            extractor.extract(test.images, cache),
            extractor.extract(images),
        )
        for extractor in extractors
    }
    found = {name: copying.measure(*three, seed) for name, three in features.items()}
    labels = (train.labels, test.labels, materials.oracles.label(images).classes)
    return Point(
        threshold,
        metrics,
        {name: result.metrics["copying/c_t"] for name, result in found.items()},
        _by_class(features["oracle"], labels, train.class_names),
        images,
        found["oracle"],
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
            "c_t_by_class": point.by_class,
        }
        for point in points
    ]


def draw(folder: Path, points: Sequence[Point], train: np.ndarray) -> list[Path]:
    """The paper's figures: the trade-off, C_T per class, samples by distance, worst copies.

    Args:
        folder: where the PNGs go.
        points: of :func:`sweep`.
        train: (l, H, W, C) uint8 training images.
    """
    files = [_tradeoff(folder / "tradeoff.png", points), _classes(folder / "classes.png", points)]
    for point in points:
        name = point.label
        files.append(_percentiles(folder / f"percentiles-{name}.png", point))
        files.append(copying.draw_distances(folder / f"distances-{name}.png", point.copying))
        path = folder / f"copies-{name}.png"
        files.append(copying.draw_pairs(path, point.images, train, point.copying))
    text = folder / "reject.json"
    text.write_text(json.dumps(records(points), indent=1))
    return [*files, text]


def _tradeoff(path: Path, points: Sequence[Point]) -> Path:
    figure, axis = plt.subplots(figsize=(6, 4))
    for point in points:
        m = point.metrics
        x, y = m["quality/frechet_oracle"], m["copying/c_t"]
        spread = np.abs([[y - m["copying/c_t_low"]], [m["copying/c_t_high"] - y]])
        axis.errorbar(x, y, yerr=spread, fmt="o", color="C0", capsize=2)
        axis.annotate(f"τ = {point.label}", (x, y), xytext=(5, 5), textcoords="offset points")
    axis.axhline(0, color="grey", linewidth=0.8)
    axis.set(
        xlabel="Fréchet distance of oracle features (lower is better)",
        ylabel="C_T (below 0: copies)",
    )
    return save(figure, path)


def _classes(path: Path, points: Sequence[Point]) -> Path:
    names = sorted({name for point in points for name in point.by_class})
    figure, axis = plt.subplots(figsize=(7, 3.5))
    width = 0.8 / len(points)
    for i, point in enumerate(points):
        values = [point.by_class.get(name, np.nan) for name in names]
        axis.bar(np.arange(len(names)) + i * width, values, width, label=f"τ = {point.label}")
    axis.axhline(0, color="grey", linewidth=0.8)
    axis.set_xticks(np.arange(len(names)) + 0.4 - width / 2, names)
    axis.set(xlabel="class", ylabel="C_T")
    axis.legend(fontsize=7)
    return save(figure, path)


def _percentiles(path: Path, point: Point) -> Path:
    rows = np.concatenate(copying.percentile_rows(point.copying))
    num = len(rows) // len(copying.PERCENTILES)
    figure, axis = plt.subplots(figsize=(0.6 * num + 1, 0.6 * len(copying.PERCENTILES) + 0.6))
    axis.imshow(tile(point.images[rows], num))
    side = point.images.shape[1] + 2
    axis.set_yticks(
        (np.arange(len(copying.PERCENTILES)) + 0.5) * side, [f"{p} %" for p in copying.PERCENTILES]
    )
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.set_title("samples by percentile of distance to the training set", fontsize=9)
    return save(figure, path)
