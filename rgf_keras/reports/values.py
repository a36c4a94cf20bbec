"""Metrics as texts: the catalogue's labels and units, intervals, what a difference says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from rgf_keras.metrics import catalogue

# How the names of metrics start that say how much is memorized; lower is better for all.
MEMORIZATION = ("rgf/gap", "rgf/num_memorized", "copying/deficit", "memorization/")
GROUPS = {metric.key.split("/")[0] for metric in catalogue.METRICS}


@dataclass(frozen=True)
class MetricRow:
    """What a metric is called, a text for each of several models, and a remark."""

    name: str
    values: list[str]
    remark: str = ""


def number(value: float | None, spec: str) -> str:
    """A number, or a dash if there is none."""
    return "–" if value is None or not np.isfinite(value) else format(value, spec).replace("-", "−")


def significant(value: float) -> str:
    """A number to three significant digits, e.g. ``0.470``, ``51.4``, ``1234``."""
    return number(value, "#.3g" if abs(value) < 100 else ".0f")


def p_value(p: float) -> str:
    """A p-value, or a dash."""
    if np.isnan(p):
        return "–"
    return "< 1e-4" if p < 1e-4 else f"{p:.2g}"


def share(value: float, low: float, high: float) -> str:
    """A share with its interval, in percent."""
    if np.isnan(value):
        return "–"
    if np.isnan(low):  # of too few trainings
        return f"{100 * value:.0f}"
    return f"{value:.0%} [{low:.0%}, {high:.0%}]".replace("%", "")


def label(name: str) -> str:
    """What a metric is called, with its unit; a guest's has its own name."""
    metric = catalogue.find(name)
    return f"{catalogue.label(name)}{' (nats)' if metric and metric.unit == 'nats' else ''}"


def better(name: str) -> str:
    """Which values are better, ``"lower"`` or ``"higher"``; empty if that is unknown."""
    metric = catalogue.find(name)
    return metric.better if metric else ""


def is_memorization(name: str | None) -> bool:
    """Whether a metric says how much is memorized; of guests' metrics nobody knows."""
    return bool(name and name.startswith(MEMORIZATION) and catalogue.find(name))


def value(metrics: Mapping[str, float], name: str) -> str:
    """A metric without its interval, or a dash."""
    metric = catalogue.find(name)
    if name not in metrics or (metric and metric.unit == "%"):
        return number(metrics.get(name), ".0%")
    return significant(metrics[name])


def ends(metrics: Mapping[str, float], name: str) -> tuple[float, ...]:
    """The two ends of a metric's interval; nothing if there is none, or of too few samples."""
    found = [metrics.get(f"{name}_{end}", np.nan) for end in ("low", "high")]
    return tuple(found) if np.isfinite(found).all() else ()


def with_bounds(metrics: Mapping[str, float], name: str) -> tuple[float, ...]:
    """A metric and, if it has one, the bounds of its interval."""
    return metrics[name], *ends(metrics, name)


def interval(metrics: Mapping[str, float], name: str) -> str:
    """A metric with its interval if it has one."""
    bounds = ", ".join(map(significant, ends(metrics, name)))
    return f"{value(metrics, name)}{bounds and f' [{bounds}]'}"


def row(name: str, models: Iterable[Mapping[str, float]], remark: str = "") -> MetricRow:
    """A metric of several models, with its intervals."""
    return MetricRow(label(name), [interval(metrics, name) for metrics in models], remark)


def ordered(names: Iterable[str], first_screen: bool = False) -> list[str]:
    """Metrics in the catalogue's order, guests' last; bounds of intervals and classes left out.

    Args:
        names: as in a record.
        first_screen: only those that belong to the first screen of a report, as guests' do.
    """
    places, known = {}, dict.fromkeys(names)
    for name in known:
        metric, is_bound = catalogue.find(name), name.endswith(("_low", "_high"))
        if is_bound and name.rpartition("_")[0] in known:
            continue
        if metric is None and not (first_screen and name.split("/")[0] in GROUPS):
            places[name] = len(catalogue.OURS)
        elif metric and "{class}" not in metric.key and (metric.shown or not first_screen):
            places[name] = catalogue.OURS.index(metric)
    return sorted(places, key=places.__getitem__)


def about_intervals(name: str) -> str:
    """What the intervals of a metric are about; empty if that is unknown."""
    if catalogue.find(name) is None:
        return ""
    if name.startswith("memorization/"):
        return "The intervals are over the repeats of a score."
    return (
        "The intervals are over the trainings of each if there are several, else of the samples "
        "drawn; two trainings can differ by more."
    )


def overlap(first: Mapping[str, float], second: Mapping[str, float], name: str) -> str:
    """What the intervals of a metric say of two models' difference; empty without intervals."""
    if not (ends(first, name) and ends(second, name)):
        return ""
    warning = "The intervals overlap: repeat both with other seeds before believing it. "
    return f"{warning if overlaps(first, second, name) else ''}{about_intervals(name)}"


def overlaps(first: Mapping[str, float], second: Mapping[str, float], name: str) -> bool:
    """Whether a metric's intervals have values in common; False without intervals."""
    both = [ends(metrics, name) for metrics in (first, second)]
    if not all(both):
        return False
    (low, high), (other_low, other_high) = both
    return bool(low <= other_high and other_low <= high)
