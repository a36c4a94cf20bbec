"""What all charts have in common: colours that everyone can tell apart, labels that do not overlap.

Colours are those of Okabe and Ito (2008), some lighter or darker, so that each has a contrast of
three to one with the page (WCAG 2.2, 1.4.11).
"""

from collections.abc import Sequence
from itertools import pairwise

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

# Called C0, C1 … where charts are plotted.
ON_LIGHT = ("#0072B2", "#D55E00", "#6B4C00", "#009170", "#B0578D", "#5E6468")
ON_DARK = ("#56B4E9", "#F0883E", "#F0E442", "#2BC29A", "#E28FC0", "#AEB4B9")

MAX_LABELS = 30
# Where a label may be: from its point, in points, and which side of it is there.
PLACES = [
    (x * far, y * far, ha, va)
    for far in (5, 12, 22)
    for x, ha in ((1, "left"), (-1, "right"), (0, "center"))
    for y, va in ((1, "bottom"), (-1, "top"), (0, "center"))
    if x or y
]
styled = matplotlib.rc_context({"axes.prop_cycle": cycler(color=ON_LIGHT)})


def label_points(
    axis: Axes,
    labels: Sequence[tuple[str, float, float, bool]],
    lines: Sequence[tuple[float, float, float, float]] = (),
) -> None:
    """Write names beside points, so that none lies over another, a point or the edge.

    Those that find no place are left out, as are all beyond ``MAX_LABELS``.

    Args:
        axis: where the points are plotted; its limits must be final.
        labels: name, x, y and whether it is bold, the most important first.
        lines: x and y where level or upright lines begin and end, which are spared if that can be.
    """
    figure = axis.get_figure(root=True)
    assert figure
    figure.tight_layout()
    places = axis.transData.transform(np.array([label[1:3] for label in labels]).reshape(-1, 2))
    half = 3 * figure.dpi / 72  # of a marker
    taken = [Bbox.from_extents(x - half, y - half, x + half, y + half) for x, y in places]
    ends = axis.transData.transform(np.array(lines).reshape(-1, 2)).reshape(-1, 4)
    spared = [Bbox.from_extents(*each) for each in ends]
    for name, x, y, is_bold in labels[:MAX_LABELS]:
        weight = "bold" if is_bold else "normal"
        label = Annotation(name, (x, y), (0, 0), textcoords="offset points", weight=weight)
        axis.add_artist(label)
        if box := _place(label, axis, [*taken, *spared]) or _place(label, axis, taken):
            taken.append(box)
        else:
            label.remove()


def _place(label: Annotation, axis: Axes, taken: Sequence[Bbox]) -> Bbox | None:
    """Put a label where nothing is; what it covers, or None if there is no such place."""
    inside = axis.get_window_extent()
    for x, y, ha, va in PLACES:
        label.set(position=(x, y), ha=ha, va=va)
        box = label.get_window_extent()
        within = inside.x0 <= box.x0 and box.x1 <= inside.x1
        if within and inside.y0 <= box.y0 and box.y1 <= inside.y1 and not box.count_overlaps(taken):
            return box
    return None


def turn_names(axis: Axes) -> None:
    """Turn the names below an axis where they would overlap."""
    figure = axis.get_figure(root=True)
    assert figure
    figure.tight_layout()
    boxes = [label.get_window_extent() for label in axis.get_xticklabels() if label.get_text()]
    if any(left.x1 > right.x0 for left, right in pairwise(boxes)):
        for label in axis.get_xticklabels():
            label.set(rotation=40, ha="right", rotation_mode="anchor")
