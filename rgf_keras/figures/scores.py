"""Pictures of a memorization score: the figures of NeurIPS 2021."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from rgf_keras.experiments.scores.result import QUANTILES, FullRun, Score
from rgf_keras.figures.images import grids, save

GALLERY_SIZE = 64
NUM_BINS = 20
Z_95 = 1.96


def gallery(path: Path, score: Score) -> Path:
    """Images with the lowest, median and highest score (Figures 2, 7–9)."""
    order = np.argsort(score.final.score)
    num = min(GALLERY_SIZE, max(1, len(order) // 3))
    first = (len(order) - num) // 2
    parts = {"lowest": order[:num], "median": order[first : first + num], "highest": order[-num:]}
    titled = {
        f"{name} M: {score.final.score[rows].min():.1f} to {score.final.score[rows].max():.1f}":
        score.images.images[rows]
        for name, rows in parts.items()
    }  # fmt: skip
    return grids(path, titled)


def log_prob_histogram(path: Path, score: Score) -> Path:
    """log p of highly memorized and other images, and the former's share per bin (Figure 3)."""
    log_prob, high = score.final.log_prob_in, score.highly_memorized
    edges = np.histogram_bin_edges(log_prob, 2 * NUM_BINS)
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(6, 5))
    for rows, label in ((~high, "others"), (high, "highly memorized (top 5 %)")):
        above.hist(log_prob[rows], edges, alpha=0.6, label=label)
    above.set(ylabel="images", yscale="log")
    above.legend(fontsize=8)
    of_all, of_high = (np.histogram(log_prob[rows], edges)[0] for rows in (high | True, high))
    filled = of_all > 0
    centres = (edges[:-1] + edges[1:]) / 2
    below.bar(centres[filled], of_high[filled] / of_all[filled], np.diff(edges)[filled], color="C1")
    below.set(xlabel="log p by models that saw the image (nats)", ylabel="highly memorized")
    return save(figure, path)


def quantiles(path: Path, score: Score) -> Path:
    """Quantiles of the score by epoch (Figure 4)."""
    figure, axis = plt.subplots(figsize=(6, 4))
    for q in QUANTILES:
        values = [np.quantile(found.score, q) for found in score.by_epoch.values()]
        axis.plot(list(score.by_epoch), values, "o-", label=f"{q} quantile")
    axis.set(xlabel="epoch", ylabel="memorization score M (nats)")
    axis.legend(fontsize=8)
    return save(figure, path)


def densities(path: Path, scores: Mapping[str, np.ndarray]) -> Path:
    """Distributions of the score in several runs, by name (Figure 4)."""
    pooled = np.concatenate(list(scores.values()))
    edges = np.linspace(np.quantile(pooled, 0.0005), np.quantile(pooled, 0.9995), 100)
    figure, axis = plt.subplots(figsize=(6, 4))
    for name, values in scores.items():
        axis.hist(values, edges.tolist(), density=True, histtype="step", label=name)
    axis.set(xlabel="memorization score M (nats)", ylabel="density", yscale="log")
    axis.legend(fontsize=8)
    return save(figure, path)


def losses(path: Path, score: Score) -> Path:
    """Training losses of the folds, and the full-data run's ELBO on both sides (Figure 4)."""
    epochs = np.arange(1, score.losses.shape[1] + 1)
    figure, axis = plt.subplots(figsize=(6, 4))
    axis.plot(epochs, score.losses.T, color="0.8", linewidth=0.7)
    axis.plot(epochs, score.losses.mean(axis=0), color="0.4", label="folds, training loss")
    for name, label in (("train", "all images, −ELBO"), ("held_out", "held out, −ELBO")):
        if score.full:
            values = [-epoch[f"elbo/{name}"] for epoch in score.full.curves]
            axis.plot(epochs, values, label=label)
    axis.set(xlabel="epoch", ylabel="loss (nats per image)")
    axis.legend(fontsize=8)
    return save(figure, path)


def nearest_neighbours(path: Path, score: Score, full: FullRun) -> Path:
    """ρ against the score, with means of equally filled bins and their 95 % intervals (Figure 5).

    ρ > 1: a generated image lies nearer than any held-out one.
    """
    figure, axis = plt.subplots(figsize=(6, 4))
    axis.scatter(score.final.score, full.rho, s=2, color="0.7", rasterized=True)
    centres, means, halves = binned(score.final.score, full.rho, NUM_BINS)
    axis.errorbar(centres, means, yerr=halves, fmt="o-", capsize=2, markersize=3)
    axis.axhline(1, color="grey", linewidth=0.8)
    axis.set(xlabel="memorization score M (nats)", ylabel="ρ, to held-out over to generated")
    return save(figure, path)


def binned(
    x: np.ndarray, y: np.ndarray, num_bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of y in bins of x that hold equally many points.

    Args:
        x, y: (n,).
        num_bins: at most; bins hold two points or more.

    Returns:
        Mean x, mean y and half the width of its 95 % interval, per bin.
    """
    parts = np.array_split(np.argsort(x, kind="stable"), max(1, min(num_bins, len(x) // 2)))
    means = [(x[rows].mean(), y[rows].mean()) for rows in parts]
    halves = [Z_95 * y[rows].std(ddof=1) / np.sqrt(len(rows)) for rows in parts]
    return np.array(means)[:, 0], np.array(means)[:, 1], np.array(halves)
