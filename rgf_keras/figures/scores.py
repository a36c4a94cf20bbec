"""Pictures of a memorization score: the figures of NeurIPS 2021."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rgf_keras.figures.images import grids, save, tile
from rgf_keras.figures.style import styled

GALLERY_SIZE = 64
NUM_BINS = 20
NUM_EXAMPLES = 12  # images that are shown beside a histogram
STYLES = ("-", "--", ":", "-.")
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


@styled
def plot_log_prob(
    path: Path, log_prob: np.ndarray, high: np.ndarray, images: np.ndarray | None = None
) -> Path:
    """Save log p of highly memorized and other images, and the former's share (Figures 3, 10, 11).

    Args:
        path: PNG.
        log_prob: (n,) in nats, by models that saw the image.
        high: (n,) booleans: which are highly memorized.
        images: (n, H, W, C) uint8, of which highly memorized ones are shown by their log p.
    """
    edges = np.histogram_bin_edges(log_prob, 2 * NUM_BINS)
    rows = 2 if images is None else 3
    above, below, *rest = Figure((6, 2.5 * rows)).subplots(rows, 1)
    for chosen, label in ((~high, "others"), (high, "highly memorized (top 5 %)")):
        above.hist(log_prob[chosen], edges, alpha=0.6, label=label)
    above.set(ylabel="images", yscale="log")
    above.legend(fontsize=8)
    every, memorized = (np.histogram(x, edges)[0] for x in (log_prob, log_prob[high]))
    filled = every > 0
    centres, shares = (edges[:-1] + edges[1:])[filled] / 2, memorized[filled] / every[filled]
    bars = below.bar(centres, shares, np.diff(edges)[filled], color="C1")
    counts = [str(count) if count else "" for count in memorized[filled]]
    below.bar_label(bars, counts, fontsize=6)
    below.set(xlabel="log p by models that saw the image (nats)", ylabel="highly memorized")
    below.sharex(above)
    if images is not None:
        chosen = np.flatnonzero(high)
        chosen = chosen[np.argsort(log_prob[chosen], kind="stable")]
        places = np.linspace(0, len(chosen) - 1, min(NUM_EXAMPLES, len(chosen))).round().astype(int)
        rest[0].imshow(tile(images[chosen[places]], max(len(places), 1)))
        rest[0].set_title("highly memorized, from low to high log p", fontsize=8)
        rest[0].axis("off")
    return save(below, path)


def plot_quantiles(
    path: Path, by_epoch: Mapping[int, np.ndarray], quantiles: Sequence[float]
) -> Path:
    """Save quantiles of the scores (n,) by epoch (Figure 4)."""
    values = {q: {e: float(np.quantile(x, q)) for e, x in by_epoch.items()} for q in quantiles}
    return plot_quantiles_of_runs(path, {"": values})


@styled
def plot_quantiles_of_runs(
    path: Path, runs: Mapping[str, Mapping[float, Mapping[int, float]]]
) -> Path:
    """Save quantiles of scores by epoch, of several runs by name (Figure 4 b).

    Args:
        path: PNG.
        runs: by name, by quantile, by epoch.
    """
    axis = Figure((6, 4)).subplots()
    for colour, (name, quantiles) in enumerate(runs.items()):
        for style, (q, values) in zip(STYLES, quantiles.items(), strict=False):
            label = f"{name}, {q} quantile".removeprefix(", ")
            several = len(runs) > 1
            line, own = (style, f"C{colour}") if several else ("o-", None)
            axis.plot([*values], [*values.values()], line, label=label, color=own)
    axis.set(xlabel="epoch", ylabel=SCORE)
    axis.legend(fontsize=8)
    return save(axis, path)


@styled
def plot_densities(path: Path, scores: Mapping[str, np.ndarray]) -> Path:
    """Save distributions of several runs' scores, by name, and their 95 % lines (Figure 4 c)."""
    pooled = np.concatenate(list(scores.values()))
    edges = np.linspace(np.quantile(pooled, 0.0005), np.quantile(pooled, 0.9995), 100)
    axis = Figure((6, 4)).subplots()
    for colour, (name, values) in enumerate(scores.items()):
        drawn = {"histtype": "step", "label": name, "color": f"C{colour}"}
        axis.hist(values, edges.tolist(), density=True, **drawn)  # type: ignore[arg-type]
        line = float(np.quantile(values, 0.95))
        axis.axvline(line, color=f"C{colour}", linestyle="--", linewidth=0.8)
    axis.set(xlabel=f"{SCORE}; dashed: 95 % of images lie below", ylabel="density", yscale="log")
    axis.legend(fontsize=8)
    return save(axis, path)


@styled
def plot_losses(path: Path, losses: np.ndarray, elbo: Mapping[str, Sequence[float]]) -> Path:
    """Save training losses (fits, epochs) of the folds and, by name, ELBOs by epoch (Figure 4)."""
    epochs = np.arange(1, losses.shape[1] + 1)
    axis = Figure((6, 4)).subplots()
    axis.plot(epochs, losses.T, color="0.8", linewidth=0.7)
    axis.plot(epochs, losses.mean(axis=0), color="0.4", label="folds, training loss")
    _plot_elbo(axis, elbo)
    return save(axis, path)


@styled
def plot_losses_of_runs(path: Path, runs: Mapping[str, Mapping[str, Sequence[float]]]) -> Path:
    """Save ELBOs by epoch, by run and by what they are of (Figure 4 a)."""
    axis = Figure((6, 4)).subplots()
    for name, elbo in runs.items():
        _plot_elbo(axis, {f"{name}, {label}": values for label, values in elbo.items()})
    return save(axis, path)


def _plot_elbo(axis: Axes, elbo: Mapping[str, Sequence[float]]) -> None:
    for name, values in elbo.items():
        axis.plot(np.arange(1, len(values) + 1), -np.asarray(values), label=f"{name}, −ELBO")
    axis.set(xlabel="epoch", ylabel="loss (nats per image)")
    axis.legend(fontsize=8)


@styled
def plot_neighbour_ratio(path: Path, score: np.ndarray, rho: np.ndarray) -> Path:
    """Save ρ (n,) against the score (n,), and ρ of highly memorized images (Figures 5, 12, 13).

    Left are means in bins of one width, with 95 % intervals; right are densities of ρ, in the top
    5 % of the scores and below. ρ > 1: a generated image lies nearer than any held-out one.
    """
    left, right = Figure((10, 4)).subplots(1, 2)
    left.scatter(score, rho, s=2, color="0.7", rasterized=True)
    centres, means, halves = fixed_bin_means(score, rho, NUM_BINS)
    left.errorbar(centres, means, yerr=halves, fmt="o", capsize=2, label="bins of one width")
    high, finite = score > np.quantile(score, 0.95), np.isfinite(rho)
    even = bin_means(score[finite], rho[finite], NUM_BINS)[:2]
    left.plot(*even, color="C2", linewidth=0.8, label="bins of as many images")
    left.axhline(1, color="grey", linewidth=0.8)
    left.set(xlabel=SCORE, ylabel="ρ, to held-out over to generated")
    left.legend(fontsize=8)
    edges = np.histogram_bin_edges(rho[finite], 2 * NUM_BINS)
    for chosen, label in ((~high, "others"), (high, "highly memorized (top 5 %)")):
        right.hist(rho[chosen & finite], edges, density=True, alpha=0.6, label=label)
    right.axvline(1, color="grey", linewidth=0.8)
    right.set(xlabel="ρ", ylabel="density")
    right.legend(fontsize=8)
    return save(left, path)


def fixed_bin_means(
    x: np.ndarray, y: np.ndarray, num_bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of y in bins of x of one width, of those that hold two points or more.

    Args:
        x, y: (n,); points whose y is not finite are left out.
        num_bins: between the smallest and the largest x.

    Returns:
        The middle of each bin, mean y and half the width of its 95 % interval.
    """
    edges = np.histogram_bin_edges(x, num_bins)
    place = np.clip(np.searchsorted(edges, x, "right") - 1, 0, num_bins - 1)
    rows = [np.flatnonzero((place == i) & np.isfinite(y)) for i in range(num_bins)]
    kept = [i for i in range(num_bins) if len(rows[i]) > 1]
    means = [y[rows[i]].mean() for i in kept]
    halves = [Z_95 * y[rows[i]].std(ddof=1) / np.sqrt(len(rows[i])) for i in kept]
    return (edges[:-1] + edges[1:])[kept] / 2, np.array(means), np.array(halves)


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
