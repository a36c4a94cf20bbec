"""Pictures of a memorization score: the figures of NeurIPS 2021."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rgf_keras.figures.images import grids, save

GALLERY_SIZE = 64
NUM_BINS = 20
Z_95 = 1.96
SCORE = "memorization score M (nats)"


def plot_gallery(path: Path, images: np.ndarray, score: np.ndarray) -> Path:
    """Save images (n, H, W, C) uint8 of lowest, median and highest score (n,) (Figures 2, 7–9)."""
    order = np.argsort(score)
    num = min(GALLERY_SIZE, max(1, len(order) // 3))
    first = (len(order) - num) // 2
    parts = {"lowest": order[:num], "median": order[first : first + num], "highest": order[-num:]}
    return grids(
        path,
        {
            f"{name} M: {score[rows].min():.1f} to {score[rows].max():.1f}": images[rows]
            for name, rows in parts.items()
        },
    )


def plot_log_prob(path: Path, log_prob: np.ndarray, high: np.ndarray) -> Path:
    """Save log p of highly memorized and other images, and the former's share per bin (Figure 3).

    Args:
        path: PNG.
        log_prob: (n,) in nats, by models that saw the image.
        high: (n,) booleans: which are highly memorized.
    """
    edges = np.histogram_bin_edges(log_prob, 2 * NUM_BINS)
    above, below = Figure((6, 5)).subplots(2, 1, sharex=True)
    for rows, label in ((~high, "others"), (high, "highly memorized (top 5 %)")):
        above.hist(log_prob[rows], edges, alpha=0.6, label=label)
    above.set(ylabel="images", yscale="log")
    above.legend(fontsize=8)
    every, memorized = (np.histogram(x, edges)[0] for x in (log_prob, log_prob[high]))
    filled = every > 0
    centres = (edges[:-1] + edges[1:]) / 2
    shares = memorized[filled] / every[filled]
    below.bar(centres[filled], shares, np.diff(edges)[filled], color="C1")
    below.set(xlabel="log p by models that saw the image (nats)", ylabel="highly memorized")
    return save(below, path)


def plot_quantiles(
    path: Path, by_epoch: Mapping[int, np.ndarray], quantiles: Sequence[float]
) -> Path:
    """Save quantiles of the scores (n,) by epoch (Figure 4)."""
    axis = Figure((6, 4)).subplots()
    for q in quantiles:
        values = [np.quantile(score, q) for score in by_epoch.values()]
        axis.plot(list(by_epoch), values, "o-", label=f"{q} quantile")
    axis.set(xlabel="epoch", ylabel=SCORE)
    axis.legend(fontsize=8)
    return save(axis, path)


def plot_densities(path: Path, scores: Mapping[str, np.ndarray]) -> Path:
    """Save distributions of the scores of several runs, by name (Figure 4)."""
    pooled = np.concatenate(list(scores.values()))
    edges = np.linspace(np.quantile(pooled, 0.0005), np.quantile(pooled, 0.9995), 100)
    axis = Figure((6, 4)).subplots()
    for name, values in scores.items():
        axis.hist(values, edges.tolist(), density=True, histtype="step", label=name)
    axis.set(xlabel=SCORE, ylabel="density", yscale="log")
    axis.legend(fontsize=8)
    return save(axis, path)


def plot_losses(path: Path, losses: np.ndarray, elbo: Mapping[str, Sequence[float]]) -> Path:
    """Save training losses (fits, epochs) of the folds and, by name, ELBOs by epoch (Figure 4)."""
    epochs = np.arange(1, losses.shape[1] + 1)
    axis = Figure((6, 4)).subplots()
    axis.plot(epochs, losses.T, color="0.8", linewidth=0.7)
    axis.plot(epochs, losses.mean(axis=0), color="0.4", label="folds, training loss")
    for name, values in elbo.items():
        axis.plot(epochs, -np.asarray(values), label=f"{name}, −ELBO")
    axis.set(xlabel="epoch", ylabel="loss (nats per image)")
    axis.legend(fontsize=8)
    return save(axis, path)


def plot_neighbour_ratio(path: Path, score: np.ndarray, rho: np.ndarray) -> Path:
    """Save ρ (n,) against the score (n,), with means of equally filled bins (Figure 5).

    Bars are 95 % intervals. ρ > 1: a generated image lies nearer than any held-out one.
    """
    axis = Figure((6, 4)).subplots()
    axis.scatter(score, rho, s=2, color="0.7", rasterized=True)
    centres, means, halves = bin_means(score, rho, NUM_BINS)
    axis.errorbar(centres, means, yerr=halves, fmt="o-", capsize=2, markersize=3)
    axis.axhline(1, color="grey", linewidth=0.8)
    axis.set(xlabel=SCORE, ylabel="ρ, to held-out over to generated")
    return save(axis, path)


def bin_means(
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
