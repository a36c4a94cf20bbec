"""Charts of reports, as SVG for a light and for a dark page."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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


@dataclass(frozen=True)
class Point:
    """A trial of a study, by two of its metrics.

    Attributes:
        name: what is written beside it.
        x: value and, if known, the bounds of its interval.
        y: likewise.
        feasible: whether it keeps the bounds.
        baseline: whether it is the baseline.
        highlight: whether it is set off from the others.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    feasible: bool = True
    baseline: bool = False
    highlight: bool = False


def data_url(content: bytes, kind: str) -> str:
    """A file as an URL that holds it, e.g. of ``kind`` ``"image/png"``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def themed(plot: Callable[[Axes], None], width: float = 6.4, height: float = 4.0) -> Picture:
    """Plot for both kinds of page. Sizes are in inches."""
    return Picture(
        *(_svg(plot, style, (width, height)) for style in ("default", "dark_background"))
    )


def _svg(plot: Callable[[Axes], None], style: str, size: tuple[float, float]) -> str:
    with matplotlib.style.context([style, STYLE]):
        figure = Figure(size)
        plot(figure.subplots())
        figure.tight_layout()
        file = io.BytesIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return data_url(file.getvalue(), "image/svg+xml")


def plot_pareto(
    axis: Axes,
    points: Sequence[Point],
    x_label: str,
    y_label: str,
    bound: float | None = None,
    right_is_better: bool = False,
) -> None:
    """Plot an objective (y, better when lower) against quality (x), with intervals and the front.

    Args:
        axis: where to plot.
        points: trials that have both.
        x_label: what quality is.
        y_label: what the objective is.
        bound: of quality, if there is one.
        right_is_better: whether quality is better when higher.
    """
    for point in points:
        colour = WITHIN if point.feasible else OUTSIDE
        axis.errorbar(
            point.x[0],
            point.y[0],
            xerr=_spread(point.x),
            yerr=_spread(point.y),
            fmt="s" if point.baseline else "o",
            color=matplotlib.rcParams["text.color"] if point.baseline else colour,
            elinewidth=1.2 if point.highlight else 0.5,
            markersize=7 if point.highlight else 4,
            zorder=3 if point.highlight else 2,
        )
        axis.annotate(
            point.name,
            (point.x[0], point.y[0]),
            xytext=(6, 6),
            textcoords="offset points",
            weight="bold" if point.highlight else "normal",
        )
    _plot_front(axis, [(point.x[0], point.y[0]) for point in points], right_is_better)
    if bound is not None:
        axis.axvline(bound, color="grey", linestyle="--", linewidth=1)
        above = ("data", "axes fraction")
        label = f"bound {bound:.3g}"
        axis.annotate(label, (bound, 1.01), xycoords=above, ha="center", color="grey")
    axis.set(xlabel=x_label, ylabel=y_label)


def _plot_front(axis: Axes, points: Sequence[tuple[float, float]], descending: bool) -> None:
    """The stairs below and left (or right) of which no trial lies."""
    points = sorted(points, reverse=descending)
    front = [point for i, point in enumerate(points) if all(point[1] < y for _, y in points[:i])]
    if len(front) > 1:
        axis.step(*zip(*front, strict=True), where="post", color="grey", linewidth=0.8, zorder=1)


def _spread(value: tuple[float, ...]) -> np.ndarray | None:
    """Distances to the bounds of a metric's interval, as ``errorbar`` wants them."""
    if len(value) == 1:
        return None
    middle, low, high = value
    return np.maximum([[middle - low], [high - middle]], 0)


def plot_real_loss(axis: Axes, curves: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Figure 3: the discriminator's loss against "real" on held-out images of the rare class.

    Args:
        axis: where to plot.
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
