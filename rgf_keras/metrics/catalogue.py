"""The numbers of an assessment, each written once: its name, what it is called, how it is measured.

What an assessment computes, what a bound of a study may name, what reports call it and what is
measured while training all follow from :data:`METRICS`. A guest's metric is one more
:class:`Metric`, or just a function of :class:`Evidence`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Literal

from rgf_keras import plugins
from rgf_keras.errors import ArgumentError, RgfError
from rgf_keras.metrics import frechet, on_request, rgf_table
from rgf_keras.metrics.copying import Copying
from rgf_keras.metrics.evidence import Evidence
from rgf_keras.metrics.frechet import Estimate
from rgf_keras.metrics.metric import Metric, Value


def _gap(evidence: Evidence) -> Estimate:
    """Over trainings if there are several, else of the samples of one."""
    table, least = evidence.table, evidence.min_class_samples
    compared = rgf_table.compare(table, least, evidence.seed)
    if compared and len(compared.gaps) > 1:
        return Estimate(compared.gap, compared.gap_low, compared.gap_high)
    bounds = rgf_table.gap_interval(table, evidence.seed, min_class_samples=least)
    return Estimate(rgf_table.mean_gap(table), *bounds)


def _gap_p(column: str) -> Callable[[Evidence], float]:
    """A p of the gap over trainings; 1 where there are not the trainings to say anything."""

    def p(evidence: Evidence) -> float:
        compared = rgf_table.compare(evidence.table, evidence.min_class_samples, evidence.seed)
        value = getattr(compared, column) if compared else math.nan
        return 1.0 if math.isnan(value) else value

    return p


def _frechet(evidence: Evidence) -> Estimate:
    sets = evidence.held_out, evidence.features
    return frechet.bootstrap(*sets, evidence.seed, evidence.num_resamples)


def _memorized(column: str) -> Callable[[Evidence], float]:
    return lambda e: float(sum(getattr(row, column) == "memorized" for row in e.table))


def _accuracy(oracle: str) -> Callable[[Evidence], float | None]:
    return lambda e: (e.accuracies or {}).get(oracle)


def _in_each_space(
    key: str,
    label: str,
    value: Callable[[Copying], float | Estimate],
    unit: Literal["", "%"] = "",
    better: Literal["", "lower", "higher"] = "",
) -> Metric:
    """A value of copying in each space."""

    def compute(evidence: Evidence) -> Value:
        return {name: value(copying) for name, copying in evidence.copying_by_space.items()}

    names = f"copying/{key}/{{copying_space}}", f"{label} in {{copying_space}}"
    return Metric(*names, compute, unit, better)


def _in_audits(key: str, label: str) -> Metric:
    """A share in each space, which an audit finds."""
    names = f"copying/{key}/{{copying_space}}", f"{label} in {{copying_space}}"
    return Metric(*names, unit="%", better="lower")


def _corrected(p_value: Callable[[Copying], float]) -> Callable[[Evidence], float]:
    """The smallest p of all spaces, by Bonferroni."""

    def compute(evidence: Evidence) -> float:
        values = [p_value(copying) for copying in evidence.copying_by_space.values()]
        return min(1.0, len(values) * min(values))

    return compute


def _deficit(copying: Copying) -> float:
    return max(0.0, -copying.c_t.value)


def _existing(values: Mapping[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}


METRICS: tuple[Metric, ...] = (
    Metric(
        "rgf/gap",
        "memorization gap",
        lambda e: rgf_table.mean_gap(e.table),
        better="lower",
        interval=_gap,
        while_training=True,
        shown=True,
    ),
    Metric(
        "quality/frechet_{space}",
        "Fréchet distance",
        lambda e: frechet.frechet_distance(e.held_out, e.features),
        better="lower",
        interval=_frechet,
        while_training=True,
        shown=True,
    ),
    Metric(
        "rgf/class_coverage",
        "classes covered",
        lambda e: rgf_table.class_coverage(e.table, e.min_class_samples),
        unit="%",
        better="higher",
        while_training=True,
        shown=True,
    ),
    Metric(
        "copying/c_t",
        "C_T (below 0: copies)",
        lambda e: e.copying.c_t,
        better="higher",
        shown=True,
    ),
    Metric(
        "copying/deficit",
        "copying deficit",
        lambda e: _deficit(e.copying),
        better="lower",
        shown=True,
    ),
    Metric("copying/c_t_p", "p of copying", _corrected(lambda c: c.p_value), "", "higher"),
    Metric(
        "copying/excess",
        "images nearer than chance",
        lambda e: max(c.tail.excess for c in e.copying_by_space.values()),
        unit="%",
        better="lower",
        shown=True,
    ),
    Metric("copying/tail_p", "p of few copies", _corrected(lambda c: c.tail.p_value), "", "higher"),
    _in_each_space("c_t", "C_T", lambda c: c.c_t, better="higher"),
    Metric(
        "copying/c_t_mean/{copying_space}",
        "C_T (mean of classes) in {copying_space}",
        lambda e: _existing({name: e.space(name).c_t_mean for name in e.copying_spaces}),
        better="higher",
    ),
    _in_each_space("c_t_p", "p of copying", lambda c: c.p_value, better="higher"),
    _in_each_space(
        "excess", "images nearer than chance", lambda c: c.tail.excess, unit="%", better="lower"
    ),
    _in_each_space("tail_p", "p of few copies", lambda c: c.tail.p_value, better="higher"),
    _in_each_space(
        "num_copies", "images nearer than any test image", lambda c: float(len(c.copies))
    ),
    _in_each_space("distance", "distance to training images", lambda c: c.distance),
    _in_each_space("distance_test", "test images' distance", lambda c: c.distance_test),
    _in_each_space(
        "authenticity", "authenticity", lambda c: c.authenticity, unit="%", better="higher"
    ),
    _in_audits("named", "images named as copies"),
    _in_audits("exact", "exact copies"),
    _in_audits("moved", "copies flipped or shifted"),
    _in_audits("duplicates", "training images that are there twice"),
    _in_audits("leaked", "held-out images that are training images"),
    Metric(
        "quality/oracle_confidence",
        "oracle confidence",
        lambda e: None if e.confidence is None else float(e.confidence.mean()),
        unit="%",
        better="higher",
        while_training=True,
    ),
    Metric("rgf/gap_p", "p of the gap (permutation)", _gap_p("gap_p"), better="higher"),
    Metric(
        "rgf/gap_p_prediction",
        "p of the gap (prediction)",
        _gap_p("gap_p_prediction"),
        "",
        "higher",
    ),
    Metric("rgf/num_memorized", "cases memorized", _memorized("verdict"), "", "lower"),
    Metric(
        "rgf/num_memorized_holm", "cases memorized (Holm)", _memorized("verdict_holm"), "", "lower"
    ),
    Metric("oracle/class_accuracy", "class oracle", _accuracy("class"), "%"),
    Metric("oracle/factor_accuracy", "factor oracle", _accuracy("factor"), "%"),
    Metric("rgf/z_{class}", "z", lambda e: rgf_table.by_name(e.table, "z_two_sample")),
    Metric("rgf/p_r_{class}", "P_r", lambda e: rgf_table.by_name(e.table, "p_r")),
    Metric("rgf/p_u_{class}", "P_u", lambda e: rgf_table.by_name(e.table, "p_u")),
    Metric("privacy/epsilon", "ε of private training", better="lower"),
    Metric("memorization/quantile", "quantile of M", unit="nats", better="lower", shown=True),
    Metric("memorization/min", "smallest M", unit="nats"),
    Metric("memorization/median", "median M", unit="nats"),
    Metric("memorization/max", "largest M", unit="nats"),
    Metric("quality/kernel_distance_{space}", "kernel distance (MMD²)", better="lower"),
    Metric("quality/held_out_log_prob", "held-out log p", unit="nats", better="higher", shown=True),
    Metric("quality/held_out_elbo", "held-out ELBO", unit="nats", better="higher"),
)

OURS = (*METRICS, *on_request.ON_REQUEST)


def measure(
    evidence: Evidence, metrics: Iterable[Metric] = METRICS, while_training: bool = False
) -> dict[str, float]:
    """Measure a generator.

    Args:
        evidence: what is known of it.
        metrics: which.
        while_training: only what is cheap, and without intervals that are not.

    Returns:
        Numbers by name; bounds of intervals are called ``NAME_low`` and ``NAME_high``.

    Raises:
        RgfError: a metric is not a number.
    """
    values: dict[str, float] = {}
    for metric in metrics:
        if metric.compute and (metric.while_training or not while_training):
            interval = None if while_training else metric.interval
            key = metric.key.replace("{space}", evidence.embedding)
            values |= _name_values(key, (interval or metric.compute)(evidence))
    return values


def find(key: str) -> Metric | None:
    """Our metric of this name in a record, measured on request or not; None for a guest's.

    >>> find("quality/frechet_oracle").label
    'Fréchet distance'
    """
    exact = (metric for metric in OURS if metric.key == key)
    return next(exact, None) or next((each for each in OURS if each.matches(key)), None)


def label(key: str) -> str:
    """What reports call a metric: its name if it is a guest's, or a class's.

    >>> label("rgf/class_coverage"), label("copying/c_t/pixels"), label("mine/sharpness")
    ('classes covered', 'C_T in pixels', 'mine/sharpness')
    """
    metric = find(key)
    if metric is None or "{class}" in metric.key:
        return key
    name = key.removeprefix(metric.key.partition("{")[0])
    return metric.label.replace("{copying_space}", name)


def overall(values: Mapping[str, float]) -> dict[str, float]:
    """The values that are of no single class or space, without the bounds of their intervals.

    >>> overall({"rgf/gap": 0.4, "rgf/gap_low": 0.3, "rgf/z_7": 2.0, "guest/contrast": 0.1})
    {'rgf/gap': 0.4, 'guest/contrast': 0.1}
    """
    metrics = {key: find(key) for key in values if not key.endswith(("_low", "_high"))}
    return {key: values[key] for key, m in metrics.items() if m is None or m.is_one}


def keys(
    space: str, copying_spaces: Iterable[str] = (), guests: Iterable[Metric] = ()
) -> list[str]:
    """Names that a bound on an assessment may have; those of classes aside.

    Args:
        space: in which quality is measured.
        copying_spaces: in which copying is.
        guests: what is measured beside :data:`METRICS`, on request too.

    >>> keys("oracle")[:3]
    ['rgf/gap', 'quality/frechet_oracle', 'rgf/class_coverage']
    """
    measured = [metric.key for metric in (*METRICS, *guests) if metric.compute]
    names: list[str] = []
    for key in (key.replace("{space}", space) for key in measured if "{class}" not in key):
        each = copying_spaces if "{copying_space}" in key else [""]
        names += [key.replace("{copying_space}", name) for name in each]
    return names


def guests(names: Iterable[str]) -> Iterator[Metric]:
    """What is measured on request: ours by their names, see :mod:`rgf_keras.metrics.on_request`,
    and guests', see :mod:`rgf_keras.plugins`; a guest's function becomes the metric ``guest/NAME``.

    Raises:
        ArgumentError: nobody knows the name, it is neither a metric nor a function, or its metric
            is called as another is.
    """
    known = {metric.key for metric in METRICS}
    ours = on_request.by_name()
    for name in names:
        guest = plugins.resolve("metrics", name, ours)
        if name in ours:
            yield from (metric for metric in guest if metric.key not in known)
            known |= {metric.key for metric in guest}
            continue
        if not isinstance(guest, Metric):
            if not callable(guest):
                raise ArgumentError(
                    f"evaluation.metrics: '{name}' is a {type(guest).__name__}; it must be a "
                    "Metric or a function of Evidence"
                )
            title = getattr(guest, "__name__", type(guest).__name__)
            compute = partial(plugins.attempt, name, guest)
            guest = Metric(f"guest/{title}", title, compute, shown=True)
        if guest.key in known:
            raise ArgumentError(
                f"evaluation.metrics: '{name}' is called {guest.key} as another metric is; "
                "rename it or leave it out"
            )
        known.add(guest.key)
        yield guest


def _name_values(key: str, value: Value) -> dict[str, float]:
    """The numbers of a metric by their names."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        filled = {_fill(key, name): each for name, each in value.items()}
    else:
        filled = {key: value}
    named: dict[str, float] = {}
    for name, each in filled.items():
        if isinstance(each, Estimate):
            named |= {name: each.value, f"{name}_low": each.low, f"{name}_high": each.high}
        else:
            named[name] = each
    for name, number in named.items():
        try:
            named[name] = float(number)
        except (TypeError, ValueError):
            raise RgfError(
                f"the metric {name} is a {type(number).__name__}; it must be a number, an "
                "Estimate, numbers by class or None"
            ) from None
        if math.isnan(named[name]):
            raise RgfError(
                f"the metric {name} is not a number (NaN); a metric that has no value is None"
            )
    return named


def _fill(key: str, name: str) -> str:
    """The key of a class or space of copying."""
    return (
        key.replace("{class}", name) if "{class}" in key else key.replace("{copying_space}", name)
    )
