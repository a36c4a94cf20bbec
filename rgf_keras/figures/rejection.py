"""The figures of the memorization rejection paper (arXiv 2210.12231), for one sweep."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.manifold import TSNE

from rgf_keras.experiments.rejection.reject import Point, records
from rgf_keras.figures import copying
from rgf_keras.figures.images import grids, save, tile

NUM_PANELS = 4  # checkpoints in a row of the t-SNE figure
NUM_EMBEDDED = 400  # images per set in it


def draw(folder: Path, points: Sequence[Point], train: np.ndarray) -> list[Path]:
    """Draw everything and write the numbers beside it.

    Args:
        folder: where the PNGs and ``reject.json`` go.
        points: of :func:`rgf_keras.experiments.rejection.reject.sweep`.
        train: (l, H, W, C) uint8 training images.
    """
    titled = {f"τ = {point.label}": point.images[:64] for point in points}
    files = [
        _tradeoff(folder / "tradeoff.png", points),
        _bars(folder / "classes.png", {p.label: p.by_class for p in points}, "class"),
        _bars(folder / "embeddings.png", {p.label: p.by_embedding for p in points}, "embedding"),
        _bars(
            folder / "references.png", {p.label: p.by_reference for p in points}, "test images of"
        ),
        grids(folder / "samples.png", titled),
    ]
    for point in points:
        name = point.label
        files.append(_percentiles(folder / f"percentiles-{name}.png", point))
        files.append(_tsne(folder / f"tsne-{name}.png", point))
        files.append(copying.plot_distances(folder / f"distances-{name}.png", point.copying))
        path = folder / f"copies-{name}.png"
        files.append(copying.plot_pairs(path, point.images, train, point.copying))
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


def _bars(path: Path, c_t: Mapping[str, Mapping[str, float]], of: str) -> Path:
    """C_T by class, embedding or reference set, a group of bars each, a colour per threshold."""
    names = sorted({name for found in c_t.values() for name in found})
    figure, axis = plt.subplots(figsize=(7, 3.5))
    width = 0.8 / len(c_t)
    for i, (label, found) in enumerate(c_t.items()):
        values = [found.get(name, np.nan) for name in names]
        axis.bar(np.arange(len(names)) + i * width, values, width, label=f"τ = {label}")
    axis.axhline(0, color="grey", linewidth=0.8)
    axis.set_xticks(np.arange(len(names)) + 0.4 - width / 2, names)
    axis.set(xlabel=of, ylabel="C_T")
    axis.legend(fontsize=7)
    return save(figure, path)


def _tsne(path: Path, point: Point) -> Path:
    """Training images and what the generator drew at up to four evaluations (Figures 4 and 12)."""
    epochs = sorted(point.features)
    chosen = [
        epochs[round(i)] for i in np.linspace(0, len(epochs) - 1, min(NUM_PANELS, len(epochs)))
    ]
    sets = [x[:NUM_EMBEDDED] for x in (point.train_features, *(point.features[e] for e in chosen))]
    together = np.concatenate(sets)
    perplexity = min(30.0, (len(together) - 1) / 3)
    found = TSNE(perplexity=perplexity, random_state=0).fit_transform(together)
    train, *generated = np.split(found, np.cumsum([len(x) for x in sets])[:-1])
    figure, axes = plt.subplots(1, len(chosen), figsize=(3 * len(chosen), 3.3), squeeze=False)
    for axis, epoch, drawn in zip(axes[0], chosen, generated, strict=True):
        axis.scatter(*train.T, s=3, color="C7", label="training")
        axis.scatter(*drawn.T, s=3, color="C3", label="generated")
        axis.set_title(f"τ = {point.label}, epoch {epoch}", fontsize=9)
        axis.set(xticks=[], yticks=[])
    axes[0, 0].legend(fontsize=7)
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
