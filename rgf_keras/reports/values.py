"""Metrics as texts: the catalogue's labels and units, intervals, what a difference says."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from rgf_keras.metrics import catalogue

# How the names of metrics start that say how much is memorized.
MEMORIZATION = ("rgf/gap", "rgf/num_memorized", "copying/", "memorization/")
GROUPS = {metric.key.split("/")[0] for metric in catalogue.METRICS}


@dataclass(frozen=True)
class MetricRow:
    """A metric of several models.

    Attributes:
        name: what it is called.
        values: a text for each model.
        remark: what else there is to say of it.
    """

    name: str
    values: list[str]
    remark: str = ""


def number(value: float | None, spec: str) -> str:
    """A number, or a dash if there is none."""
    return "–" if value is None or not np.isfinite(value) else format(value, spec).replace("-", "−")


def significant(value: float) -> str:
    """A number to three significant digits, e.g. ``0.470``, ``51.4``, ``1234``."""
    return number(value, "#.3g" if abs(value) < 100 else ".0f")


def label(name: str) -> str:
    """What a metric is called, with its unit; a guest's has its own name."""
    metric = catalogue.find(name)
    unit = f" ({metric.unit})" if metric and metric.unit not in ("", "%") else ""
    return f"{catalogue.label(name)}{unit}"


def noun(name: str) -> str:
    """What a metric is called in a sentence."""
    return catalogue.label(name).split(" (")[0]


def sentence(metrics: Mapping[str, float], name: str) -> str:
    """A metric as a sentence of its own."""
    return f"{label(name)}: {interval(metrics, name)}."


def better(name: str) -> str:
    """Which values are better, ``"lower"`` or ``"higher"``; empty if that is unknown."""
    metric = catalogue.find(name)
    return metric.better if metric else ""


def is_memorization(name: str) -> bool:
    """Whether a metric says how much is memorized; of guests' metrics nobody knows."""
    return name.startswith(MEMORIZATION) and catalogue.find(name) is not None


def value(metrics: Mapping[str, float], name: str) -> str:
    """A metric without its interval, or a dash."""
    metric = catalogue.find(name)
    if name not in metrics or (metric and metric.unit == "%"):
        return number(metrics.get(name), ".0%")
    return significant(metrics[name])


def interval(metrics: Mapping[str, float], name: str) -> str:
    """A metric with its interval if it has one."""
    bounds = [metrics.get(f"{name}_{end}") for end in ("low", "high")]
    if None in bounds:
        return value(metrics, name)
    return f"{value(metrics, name)} [{', '.join(map(significant, bounds))}]"  # type: ignore[arg-type]


def with_bounds(metrics: Mapping[str, float], name: str) -> tuple[float, ...]:
    """A metric and, if it has one, the bounds of its interval."""
    names = (name, f"{name}_low", f"{name}_high")
    return tuple(metrics[each] for each in names if each in metrics)


def row(name: str, models: Iterable[Mapping[str, float]], remark: str = "") -> MetricRow:
    """A metric of several models, with its intervals."""
    return MetricRow(label(name), [interval(metrics, name) for metrics in models], remark)


def ordered(names: Iterable[str], first_screen: bool = False) -> list[str]:
    """Metrics in the catalogue's order, guests' last; bounds of intervals and classes left out.

    Args:
        names: as in a record.
        first_screen: only those that belong to the first screen of a report, as guests' do.
    """
    known = dict.fromkeys(names)
    own = {
        name: catalogue.find(name)
        for name in known
        if not (name.endswith(("_low", "_high")) and name.rpartition("_")[0] in known)
    }
    ours = {
        name: catalogue.METRICS.index(metric)
        for name, metric in own.items()
        if metric and "{class}" not in metric.key and (metric.shown or not first_screen)
    }
    guests = [name for name, metric in own.items() if metric is None]
    if first_screen:
        guests = [name for name in guests if name.split("/")[0] not in GROUPS]
    return [*sorted(ours, key=lambda name: ours[name]), *guests]


def source_of_intervals(name: str) -> str:
    """What the intervals of a metric are about; empty if that is unknown."""
    if catalogue.find(name) is None:
        return ""
    if name.startswith("memorization/"):
        return "The intervals are over the repeats of the score."
    return "The intervals are of the samples drawn; two trainings can differ by more."


def overlap(first: Mapping[str, float], second: Mapping[str, float], name: str) -> str:
    """What the intervals of a metric say of two models' difference; empty without intervals."""
    bounds = [
        metrics.get(f"{name}_{end}") for metrics in (first, second) for end in ("low", "high")
    ]
    if None in bounds:
        return ""
    texts = [source_of_intervals(name)]
    if bounds[0] <= bounds[3] and bounds[2] <= bounds[1]:  # type: ignore[operator]
        texts.insert(0, "The intervals overlap: repeat both with other seeds before believing it.")
    return " ".join(filter(None, texts))
