"""A sweep over rejection thresholds as a table, JSON and pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rgf_keras import outputs, strict_json
from rgf_keras.experiments.rejection.reject import Point
from rgf_keras.figures import copying, rejection
from rgf_keras.figures.images import grids
from rgf_keras.metrics import catalogue
from rgf_keras.reports.terminal import Table
from rgf_keras.reports.values import number

# By what C_T is shown, in which file, and what the axis is called.
BARS = {
    "class": ("classes.png", "class"),
    "embedding": ("embeddings.png", "embedding"),
    "reference": ("references.png", "test images of"),
}


def table(points: Sequence[Point]) -> Table:
    """One line per threshold."""
    caption = f"d̄ of the training images: {points[0].mean_distance:.4f} (where τ of .10 to .16 are "
    caption += "meant, in torchvision's Inception on CIFAR-10, about 0.15)"
    view = Table(title="memorization rejection", caption=caption)
    for column in (
        *("τ", "Fréchet", "best Fréchet (epoch)", "C_T", "p of copying", "C_T by class"),
        *("C_T in pixels", "distance", "accepted"),
    ):
        view.add_column(column, justify="right")
    for point in points:
        c_t, acceptance = point.copying.c_t, point.metrics.get("generator/acceptance")
        view.add_row(
            point.label,
            f"{point.frechet:.1f}",
            _best(point),
            f"{c_t.value:.2f} [{c_t.low:.2f}, {c_t.high:.2f}]",
            f"{point.copying.p_value:.3f}",
            number(next(iter(point.c_t_by["class mean"].values()), None), ".2f"),
            f"{point.c_t_by['embedding']['pixels']:.2f}",
            f"{point.copying.distance:.4f}",
            "–" if acceptance is None else f"{acceptance:.0%}",
        )
    return view


def _best(point: Point) -> str:
    """The best Fréchet distance while training and its epoch; a dash if there was one look."""
    key = next((name for name in point.best.get("metrics", {}) if "frechet_" in name), None)
    return "–" if key is None else f"{point.best['metrics'][key]:.1f} ({point.best['epoch']})"


def records(points: Sequence[Point]) -> list[dict[str, object]]:
    """All numbers of the thresholds, JSON-able."""
    return [
        {
            "threshold": point.threshold,
            "metrics": point.metrics,
            "mean_distance": point.mean_distance,
            "best": point.best,
            **{f"c_t_by_{name.replace(' ', '_')}": values for name, values in point.c_t_by.items()},
        }
        for point in points
    ]


def write(folder: Path, points: Sequence[Point], train: np.ndarray) -> list[Path]:
    """Write the paper's figures and ``reject.json``.

    Args:
        folder: for the files.
        points: of :func:`rgf_keras.experiments.rejection.reject.sweep`.
        train: (l, H, W, C) uint8 training images.
    """
    labels = catalogue.label("quality/frechet_{space}"), catalogue.label("copying/c_t")
    tradeoff = {point.label: (point.frechet, point.copying.c_t) for point in points}
    samples = {f"τ = {point.label}": point.images[:64] for point in points}
    spectrum = {point.label: point.copying.generated for point in points}
    files = [
        rejection.plot_tradeoff(folder / "tradeoff.png", tradeoff, *labels),
        copying.plot_spectrum(folder / "spectrum.png", spectrum, points[0].copying.test),
        grids(folder / "samples.png", samples),
    ]
    for kind, (name, x_label) in BARS.items():
        c_t = {point.label: point.c_t_by[kind] for point in points}
        files.append(rejection.plot_bars(folder / name, c_t, x_label))
    for point in points:
        files += write_pictures(folder, point, f"-{point.label}")
        distances, pairs = (
            folder / f"{name}-{point.label}.png" for name in ("distances", "copies")
        )
        files.append(copying.plot_distances(distances, point.copying))
        files.append(copying.plot_pairs(pairs, point.images, train, point.copying))
    text = strict_json.dumps(records(points), indent=1)
    return [*files, outputs.write_text(folder / "reject.json", text)]


def write_pictures(folder: Path, point: Point, suffix: str = "") -> list[Path]:
    """Write what the paper shows of a single model, with a suffix to the files' names."""
    names = ("percentiles", "class", "class-nearest", "tsne")
    paths = {name: folder / f"{name}{suffix}.png" for name in names}
    images, copies, title = point.images, point.copying, f"τ = {point.label}"
    rows = np.flatnonzero(point.classes == point.classes.min())  # of the first class
    copying.plot_percentiles(paths["percentiles"], images, copies)
    copying.plot_percentiles(paths["class"], images, copies, (20, 40, 60, 80, 100), rows)
    copying.plot_percentiles(paths["class-nearest"], images, copies, (4, 8, 12, 16, 20), rows)
    near = copies.generated <= point.mean_distance
    rejection.plot_tsne(paths["tsne"], title, point.train_features, point.features, near)
    return [*paths.values()]
