"""Charts of reports, as SVG for a light and for a dark page."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

FRECHET = "quality/frechet_oracle"
LABELS = {FRECHET: "Fréchet distance of oracle features (lower is better)"}
WITHIN, OUTSIDE = "#2a9d62", "#d9534f"
STYLE = {
    "svg.fonttype": "path",
    "svg.hashsalt": "rgf_keras",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
}


@dataclass(frozen=True)
class Picture:
    """Two data URLs: for a light and for a dark page."""

    light: str
    dark: str


def data_url(content: bytes, kind: str) -> str:
    """A file as an URL that holds it, e.g. of ``kind`` ``"image/png"``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def themed(draw: Callable[[plt.Axes], None], width: float = 6.4, height: float = 4.0) -> Picture:
    """Draw twice. Sizes are in inches."""
    return Picture(
        *(_svg(draw, style, (width, height)) for style in ("default", "dark_background"))
    )


def _svg(draw: Callable[[plt.Axes], None], style: str, size: tuple[float, float]) -> str:
    with plt.style.context([style, STYLE]):
        figure, axis = plt.subplots(figsize=size)
        draw(axis)
        figure.tight_layout()
        file = io.BytesIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
        plt.close(figure)
    return data_url(file.getvalue(), "image/svg+xml")


def pareto(axis: plt.Axes, summary: Mapping[str, Any]) -> None:
    """Memorization against quality: a point per trial that has both, with intervals and bound.

    Args:
        axis: where to draw.
        summary: of :func:`rgf_keras.reports.outcome.study_summary`.
    """
    objective, quality = summary["minimize"], summary["quality"]
    trials = [
        trial
        for trial in summary["trials"]
        if quality in trial["metrics"] and trial["value"] is not None
    ]
    for trial in trials:
        x, y = trial["metrics"][quality], trial["value"]
        strong = trial["baseline"] or trial["trial"] == summary["best"]
        colour = WITHIN if trial["feasible"] else OUTSIDE
        axis.errorbar(
            x,
            y,
            xerr=_spread(trial["metrics"], quality),
            yerr=_spread(trial["metrics"], objective),
            fmt="s" if trial["baseline"] else "o",
            color=plt.rcParams["text.color"] if trial["baseline"] else colour,
            elinewidth=1.2 if strong else 0.5,
            markersize=7 if strong else 4,
            zorder=3 if strong else 2,
        )
        axis.annotate(
            _label(trial, summary["best"]),
            (x, y),
            xytext=(6, 6),
            textcoords="offset points",
            weight="bold" if strong else "normal",
        )
    _front(axis, [(t["metrics"][quality], t["value"]) for t in trials])
    bound = next((t["limits"].get(quality) for t in trials if quality in t["limits"]), None)
    if bound is not None:
        axis.axvline(bound, color="grey", linestyle="--", linewidth=1)
        above = ("data", "axes fraction")
        label = f"bound {bound:.3g}"
        axis.annotate(label, (bound, 1.01), xycoords=above, ha="center", color="grey")
    axis.set(
        xlabel=LABELS.get(quality, quality),
        ylabel=f"{objective} (lower memorizes less)",
    )


def _label(trial: Mapping[str, Any], best: int) -> str:
    if trial["baseline"]:
        return "baseline"
    return f"best: trial {best}" if trial["trial"] == best else str(trial["trial"])


def _front(axis: plt.Axes, points: Sequence[tuple[float, float]]) -> None:
    """The stairs below and left of which no trial lies."""
    points = sorted(points)
    front = [point for i, point in enumerate(points) if all(point[1] < y for _, y in points[:i])]
    if len(front) > 1:
        axis.step(*zip(*front, strict=True), where="post", color="grey", linewidth=0.8, zorder=1)


def _spread(metrics: Mapping[str, float], name: str) -> np.ndarray | None:
    """Distances to the bounds of a metric's interval, as ``errorbar`` wants them."""
    if f"{name}_low" not in metrics:
        return None
    value = metrics[name]
    return np.maximum([[value - metrics[f"{name}_low"]], [metrics[f"{name}_high"] - value]], 0)


def real_loss(axis: plt.Axes, curves: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Figure 3: the discriminator's loss against "real" on held-out images of the rare class.

    Args:
        axis: where to draw.
        curves: per model, the epochs' logs with ``real_loss/f0`` and ``real_loss/f1``.
    """
    for colour, (name, epochs) in zip(("C0", "C3", "C2"), curves.items(), strict=False):
        for key, style, label in (
            ("real_loss/f1", "-", "with the factor"),
            ("real_loss/f0", "--", "without"),
        ):
            values = [epoch[key] for epoch in epochs]
            axis.plot(
                range(1, len(values) + 1), values, style, color=colour, label=f"{name}, {label}"
            )
    axis.axhline(np.log(2), color="grey", linewidth=0.8, label="log 2 (undecided)")
    axis.set(xlabel="epoch", ylabel='discriminator loss against "real"')
    axis.legend(fontsize=8)
