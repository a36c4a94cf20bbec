"""Runs side by side: what differs, and what came of it."""

from collections.abc import Sequence
from typing import Any

from rgf_keras.errors import RgfError
from rgf_keras.reports import values
from rgf_keras.reports.page import Page, evidence
from rgf_keras.reports.paper_tables import class_names, paper_tables
from rgf_keras.reports.terminal import Table
from rgf_keras.reports.values import MetricRow
from rgf_keras.tracking.records import RunRecord

UNKNOWN = "It is not known which values of their metrics are better."


def compare_page(runs: Sequence[RunRecord]) -> Page:
    """Two runs side by side.

    Raises:
        RgfError: a run holds no metrics, they have none in common, or the classes are not the same.
    """
    first, second = runs
    if first.table and second.table and class_names(first) != class_names(second):
        raise RgfError(f"{first.label} and {second.label} are of data with different classes")
    names = common_metrics(runs)
    name = headline(runs, names)
    return Page(
        kind="Two runs",
        question=f"Which memorizes less, {first.label} or {second.label}?"
        if values.is_memorization(name)
        else f"How do {first.label} and {second.label} differ?",
        answer=_answer(runs, name) if name else UNKNOWN,
        caution=values.overlap(first.metrics, second.metrics, name) if name else "",
        models=[run.label for run in runs],
        metrics=[values.row(name, [run.metrics for run in runs]) for name in names],
        differing=differing(runs),
        tables=paper_tables(runs),
        **evidence(runs),
    )


def common_metrics(runs: Sequence[RunRecord]) -> list[str]:
    """Metrics of the result that all runs have, in the catalogue's order.

    Raises:
        RgfError: there are none.
    """
    first, *others = (values.ordered(run.metrics) for run in runs)
    names = [name for name in first if all(name in other for other in others)]
    if not names:
        shown = {run.label: values.ordered(run.metrics, first_screen=True) for run in runs}
        each = "; ".join(f"{label} has {', '.join(own)}" for label, own in shown.items())
        raise RgfError(f"there is no metric that both have: {each}")
    return names


def headline(runs: Sequence[RunRecord], names: Sequence[str]) -> str | None:
    """The metric that runs are compared by: their study's objective, else one of memorization.

    Args:
        runs: to compare.
        names: metrics that they have in common. If none is of memorization, it is the first whose
            better values are known; None if there is no such metric.
    """
    objectives = {run.minimize for run in runs}
    if len(objectives) == 1 and objectives <= set(names):
        return objectives.pop()
    known = [name for name in names if values.better(name)]
    memorized = [name for name in known if values.is_memorization(name)]
    return next(iter(memorized or known), None)


def _answer(runs: Sequence[RunRecord], name: str) -> str:
    label, memorized = values.label(name), values.is_memorization(name)
    direction = values.better(name) or "lower"  # a guest's objective is minimized
    better, worse = sorted(runs, key=lambda run: run.metrics[name], reverse=direction == "higher")
    own, other = (values.interval(run.metrics, name) for run in (better, worse))
    if better.metrics[name] == worse.metrics[name]:
        return f"Both {'memorize' if memorized else 'are'} alike: their {label} is {own}."
    if memorized and values.overlaps(better.metrics, worse.metrics, name):
        both = f"{own} of {better.label}, {other} of {worse.label}"
        return f"No difference found: the {label} is {both}."
    if memorized:
        return f"{better.label} memorizes less: its {label} is {own}, {worse.label}'s {other}."
    return f"{better.label} has the {direction} {label}: {own}, {worse.label} {other}."


def differing(runs: Sequence[RunRecord]) -> list[MetricRow]:
    """Parameters that are not the same in all runs."""
    names = sorted(set().union(*(run.params for run in runs)))
    texts = {name: [run.params.get(name, "–") for run in runs] for name in names}
    return [MetricRow(name, texts[name]) for name in names if len(set(texts[name])) > 1]


def table(page: Page) -> Table:
    """A comparison for the terminal."""
    view = Table(title=page.question, caption=f"{page.answer} {page.caution}".strip())
    view.add_column("")
    for name in page.models:
        view.add_column(name, justify="right")
    for row in page.differing:
        view.add_row(row.name, *row.values)
    view.add_section()
    for row in page.metrics:
        view.add_row(row.name, *row.values)
    return view


def comparison(runs: Sequence[RunRecord]) -> dict[str, Any]:
    """A comparison, JSON-able."""
    return {
        "differing": {row.name: row.values for row in differing(runs)},
        "runs": [
            {"run": run.label, "mlflow_run_id": run.id, "metrics": run.metrics} for run in runs
        ],
    }
