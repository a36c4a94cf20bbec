"""The figures of the memorization rejection paper (arXiv 2210.12231), for one sweep."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rgf_keras.figures.images import save
from rgf_keras.figures.style import label_points, styled, turn_names
from rgf_keras.metrics.frechet import Estimate

NUM_PANELS = 4  # checkpoints in a row of the t-SNE figure
NUM_EMBEDDED = 400  # images per set in it


@styled
def plot_tradeoff(
    path: Path, points: Mapping[str, tuple[float, Estimate]], x_label: str, y_label: str
) -> Path:
    """Save copying (y, with its interval) against quality (x), by threshold."""
    axis = Figure((6, 4)).subplots()
    for x, y in points.values():
        spread = np.abs([[y.value - y.low], [y.high - y.value]])
        axis.errorbar(x, y.value, yerr=spread, fmt="o", color="C0", capsize=2)
    axis.axhline(0, color="grey", linewidth=0.8)
    axis.set(xlabel=x_label, ylabel=y_label)
    label_points(axis, [(f"τ = {name}", x, y.value, False) for name, (x, y) in points.items()])
    return save(axis, path)


@styled
def plot_repeats(path: Path, runs: Mapping[str, np.ndarray], x_label: str, y_label: str) -> Path:
    """Save means over trainings with their standard deviations (Figures 6 and 9).

    Args:
        path: PNG.
        runs: (r, 2) quality and copying of the trainings with a threshold, by its name.
        x_label, y_label: what they are.
    """
    axis = Figure((6, 4)).subplots()
    for points in runs.values():
        x, y = points.mean(axis=0)
        spread = points.std(axis=0, ddof=1) if len(points) > 1 else np.zeros(2)
        axis.errorbar(x, y, spread[1], spread[0], fmt="o", color="C0", capsize=2)
    axis.axhline(0, color="grey", linewidth=0.8)
    axis.set(xlabel=x_label, ylabel=y_label)
    means = {name: points.mean(axis=0) for name, points in runs.items()}
    label_points(axis, [(name, x, y, False) for name, (x, y) in means.items()])
    return save(axis, path)


@styled
def plot_bars(path: Path, c_t: Mapping[str, Mapping[str, float]], x_label: str) -> Path:
    """Save C_T by threshold and, within, by name: a group of bars for each name."""
    names = sorted({name for values in c_t.values() for name in values})
    axis = Figure((7, 3.5)).subplots()
    width = 0.8 / len(c_t)
    for i, (label, by_name) in enumerate(c_t.items()):
        values = [by_name.get(name, np.nan) for name in names]
        axis.bar(np.arange(len(names)) + i * width, values, width, label=f"τ = {label}")
    axis.axhline(0, color="grey", linewidth=0.8)
    axis.set_xticks(np.arange(len(names)) + 0.4 - width / 2, names)
    axis.set(xlabel=x_label, ylabel="C_T")
    axis.legend(fontsize=7)
    turn_names(axis)
    return save(axis, path)


@styled
def plot_tsne(
    path: Path,
    title: str,
    train: np.ndarray,
    generated: Mapping[int, np.ndarray],
    near: np.ndarray | None = None,
) -> Path:
    """Save a map of training and generated images at up to four epochs (Figures 4 and 12).

    Args:
        path: PNG.
        title: before the epoch.
        train: (l, d) features of the training images.
        generated: by epoch, (m, d) features of samples.
        near: (m,) booleans: which of the last epoch's samples lie within d̄ of a training image.
    """
    from sklearn.manifold import TSNE

    epochs = sorted(generated)
    panels = np.linspace(0, len(epochs) - 1, min(NUM_PANELS, len(epochs)))
    chosen = [epochs[round(i)] for i in panels]
    sets = [x[:NUM_EMBEDDED] for x in (train, *(generated[epoch] for epoch in chosen))]
    together = np.concatenate(sets)
    perplexity = min(30.0, (len(together) - 1) / 3)
    embedded = TSNE(perplexity=perplexity, random_state=0).fit_transform(together)
    first, *others = np.split(embedded, np.cumsum([len(x) for x in sets])[:-1])
    axes = Figure((3 * len(chosen), 3.3)).subplots(1, len(chosen), squeeze=False)[0]
    for axis, epoch, samples in zip(axes, chosen, others, strict=True):
        axis.scatter(*first.T, s=3, color="0.6", label="training")
        axis.scatter(*samples.T, s=3, color="C1", label="generated")
        axis.set_title(f"{title}, epoch {epoch}", fontsize=9)
        axis.set(xticks=[], yticks=[])
    if near is not None and len(others):
        beyond = others[-1][~near[: len(others[-1])]]
        axes[-1].scatter(*beyond.T, s=3, color="C0", label="generated, farther than d̄")
        axes[-1].legend(fontsize=7)
    axes[0].legend(fontsize=7)
    return save(axes[0], path)
