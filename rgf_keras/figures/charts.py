"""Charts of reports, as SVG for a light and for a dark page."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib.style
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from rgf_keras.figures.style import ON_DARK, ON_LIGHT, label_points

MOST_WITH_INTERVALS = 40  # points; of more, only those that matter have theirs
STYLE = {
    "svg.fonttype": "path",
    "svg.hashsalt": "rgf_keras",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
}


@dataclass(frozen=True)
class Picture:
    """A chart of a report.

    Attributes:
        light, dark: data URLs, for a light and for a dark page.
        note: how to read it.
        text: what it shows, for those who do not see it.
    """

    light: str
    dark: str
    note: str = ""
    text: str = ""


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


def themed(
    plot: Callable[[Axes], None],
    note: str = "",
    text: str = "",
    size: tuple[float, float] = (6.4, 4),
) -> Picture:
    """Plot for both kinds of page, in inches."""
    light = _svg(plot, "default", ON_LIGHT, size)
    return Picture(light, _svg(plot, "dark_background", ON_DARK, size), note, text)


def _svg(
    plot: Callable[[Axes], None], style: str, colours: Sequence[str], size: tuple[float, float]
) -> str:
    cycle = {"axes.prop_cycle": cycler(color=colours)}
    with matplotlib.style.context([style, STYLE, cycle]):
        figure = Figure(size)
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

    Points outside of the bounds are hollow. Names that find no place are left out, as are those
    and the intervals of all but the baseline, the best and the stairs where there are many points.
    """
    values = sorted([(p.x[0], p.y[0]) for p in points], reverse=better == "higher")
    front = [p for i, p in enumerate(values) if all(p[1] < y for _, y in values[:i])]
    few = len(points) <= MOST_WITH_INTERVALS
    for point in points:
        strong, (x, *_), (y, *_) = point.baseline or point.best, point.x, point.y
        colour = "C0" if point.feasible else "C1"
        has_interval = few or strong or (better and (x, y) in front)
        axis.errorbar(
            x,
            y,
            xerr=_spread(*point.x) if has_interval else None,
            yerr=_spread(*point.y) if has_interval else None,
            fmt="s" if point.baseline else "o",
            color=matplotlib.rcParams["text.color"] if point.baseline else colour,
            fillstyle="full" if point.feasible or point.baseline else "none",
            elinewidth=1.2 if strong else 0.5,
            markersize=7 if strong else 4,
            zorder=3 if strong else 2,
        )
    if better:
        axis.step(*zip(*front, strict=True), where="post", color="grey", linewidth=0.8, zorder=1)
    if bound is not None:
        axis.axvline(bound, color="grey", linestyle="--", linewidth=1)
        above = ("data", "axes fraction")
        label = f"bound {bound:.3g}"
        axis.annotate(label, (bound, 1.01), xycoords=above, ha="center", color="grey")
    axis.set(xlabel=x_label, ylabel=y_label)
    matter = [(p.best, p.baseline, bool(better) and (p.x[0], p.y[0]) in front) for p in points]
    shown = [i for i in range(len(points)) if few or any(matter[i])]
    shown.sort(key=lambda i: (*(not each for each in matter[i]), i))
    labels = [(points[i].name, points[i].x[0], points[i].y[0], any(matter[i][:2])) for i in shown]
    label_points(axis, labels, [line for i in shown for line in _intervals(points[i])])


def _intervals(point: Point) -> list[tuple[float, float, float, float]]:
    """The lines of a point's intervals, each as x and y of both ends."""
    (x, *across), (y, *up) = point.x, point.y
    level = [(across[0], y, across[1], y)] if across else []
    return [*level, *([(x, up[0], x, up[1])] if up else [])]


def _spread(value: float, low: float = np.nan, high: float = np.nan) -> np.ndarray:
    """Distances to the bounds of an interval, as ``errorbar`` wants them."""
    return np.maximum([[value - low], [high - value]], 0)


def plot_real_loss(axis: Axes, curves: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Figure 3: the discriminator's loss against "real" on held-out images of the rare class.

    Args:
        axis: where to plot.
        curves: per model, the epochs' logs with ``real_loss/f0`` and ``real_loss/f1``.
    """
    for colour, (name, epochs) in zip(("C0", "C1", "C2"), curves.items(), strict=False):
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
