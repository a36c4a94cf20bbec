"""Charts of reports, as SVG for a light and for a dark page."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

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
    """Two data URLs, for a light and for a dark page, and how to read the picture."""

    light: str
    dark: str
    note: str = ""


@dataclass(frozen=True)
class Point:
    """A trial of a study, by two of its metrics.

    Attributes:
        name: what is written beside it.
        x, y: quality and objective, each with the bounds of its interval if they are known.
        feasible, baseline, best: whether it keeps the bounds, is the baseline, is the best one.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    feasible: bool
    baseline: bool
    best: bool


def data_url(content: bytes, kind: str) -> str:
    """A file as an URL that holds it, e.g. of ``kind`` ``"image/png"``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def themed(plot: Callable[[Axes], None], note: str = "") -> Picture:
    """Plot for both kinds of page."""
    return Picture(_svg(plot, "default"), _svg(plot, "dark_background"), note)


def _svg(plot: Callable[[Axes], None], style: str) -> str:
    with matplotlib.style.context([style, STYLE]):
        figure = Figure((6.4, 4))
        plot(figure.subplots())
        keep_dollars(figure)
        figure.tight_layout()
        file = io.BytesIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return data_url(file.getvalue(), "image/svg+xml")


def keep_dollars(figure: Figure) -> None:
    """Let texts with ``$`` be shown as they are: names of classes and runs are no formulas."""
    for text in figure.findobj(Text):
        if "$" in text.get_text() and "mathdefault" not in text.get_text():  # that of an axis
            text.set_parse_math(False)


def plot_pareto(
    axis: Axes,
    points: Sequence[Point],
    x_label: str,
    y_label: str,
    bound: float | None = None,
    better: str = "lower",
) -> None:
    """Plot an objective (y, better when lower) against quality (x), with intervals.

    Args:
        axis: where to plot.
        points: trials that have both.
        x_label, y_label: what quality and the objective are.
        bound: of quality, if there is one.
        better: which values of quality are better, ``"lower"`` or ``"higher"``; stairs that no
            point beats in both are added if that is known.
    """
    for point in points:
        strong, (x, *_), (y, *_) = point.baseline or point.best, point.x, point.y
        colour = WITHIN if point.feasible else OUTSIDE
        axis.errorbar(
            x,
            y,
            xerr=_spread(*point.x),
            yerr=_spread(*point.y),
            fmt="s" if point.baseline else "o",
            color=matplotlib.rcParams["text.color"] if point.baseline else colour,
            elinewidth=1.2 if strong else 0.5,
            markersize=7 if strong else 4,
            zorder=3 if strong else 2,
        )
        weight = "bold" if strong else "normal"
        axis.annotate(point.name, (x, y), xytext=(6, 6), textcoords="offset points", weight=weight)
    if better:
        values = sorted([(p.x[0], p.y[0]) for p in points], reverse=better == "higher")
        front = [p for i, p in enumerate(values) if all(p[1] < y for _, y in values[:i])]
        axis.step(*zip(*front, strict=True), where="post", color="grey", linewidth=0.8, zorder=1)
    if bound is not None:
        axis.axvline(bound, color="grey", linestyle="--", linewidth=1)
        above = ("data", "axes fraction")
        label = f"bound {bound:.3g}"
        axis.annotate(label, (bound, 1.01), xycoords=above, ha="center", color="grey")
    axis.set(xlabel=x_label, ylabel=y_label)


def _spread(value: float, low: float = np.nan, high: float = np.nan) -> np.ndarray:
    """Distances to the bounds of an interval, as ``errorbar`` wants them."""
    return np.maximum([[value - low], [high - value]], 0)


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
