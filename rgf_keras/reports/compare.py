"""Runs side by side: what differs, and what came of it."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from rgf_keras.errors import RgfError
from rgf_keras.reports import outcome
from rgf_keras.reports.page import (
    NAMES,
    Measured,
    Page,
    evidence,
    interval,
    measured,
)
from rgf_keras.reports.paper_tables import paper_tables
from rgf_keras.tracking.records import Recorded


def compare_page(runs: Sequence[Recorded]) -> Page:
    """Two assessments side by side.

    Raises:
        RgfError: a run holds no assessment, or the classes are not the same.
    """
    first, second = runs
    if [row.name for row in first.table] != [row.name for row in second.table]:
        raise RgfError(f"{first.label} and {second.label} are of data with different classes")
    values = [run.metrics["rgf/gap"] for run in runs]
    less, more = sorted(runs, key=lambda run: run.metrics["rgf/gap"])
    gaps = [interval(run.metrics, "rgf/gap") for run in (less, more)]
    return Page(
        title=f"{first.label} and {second.label}",
        kind="Two runs",
        question=f"Which memorizes less, {first.label} or {second.label}?",
        answer="Both memorize alike."
        if values[0] == values[1]
        else f"{less.label} memorizes less: its gap is {gaps[0]}, that of {more.label} {gaps[1]}.",
        caution=outcome.overlap(first.metrics, second.metrics, "rgf/gap"),
        models=[run.label for run in runs],
        measured=metrics_side_by_side(runs),
        differing=differing(runs),
        tables=paper_tables(runs),
        **evidence(runs),
    )


def metrics_side_by_side(runs: Sequence[Recorded]) -> list[Measured]:
    """Metrics of the result that all runs have, with their intervals."""
    common = set.intersection(*(set(run.metrics) for run in runs))
    per_class = ("rgf/z_", "rgf/p_u_", "rgf/p_r_")
    groups = ("rgf/", "quality/", "copying/", "oracle/")
    names = [
        name
        for name in common
        if name.startswith(groups) and not name.startswith(per_class) and not _is_bound(name)
    ]
    ordered = [*(name for name in NAMES if name in names), *sorted(set(names) - NAMES.keys())]
    return [measured(name, [run.metrics for run in runs]) for name in ordered]


def differing(runs: Sequence[Recorded]) -> list[Measured]:
    """Parameters that are not the same in all runs."""
    names = sorted(set().union(*(run.params for run in runs)))
    texts = {name: [run.params.get(name, "–") for run in runs] for name in names}
    return [Measured(name, values) for name, values in texts.items() if len(set(values)) > 1]


def table(page: Page) -> Table:
    """The same for the terminal."""
    view = Table(title=page.question, caption=f"{page.answer} {page.caution}".strip())
    view.add_column("")
    for name in page.models:
        view.add_column(name, justify="right")
    for row in page.differing:
        view.add_row(row.name, *row.values)
    view.add_section()
    for row in page.measured:
        view.add_row(row.name, *row.values)
    return view


def comparison(runs: Sequence[Recorded]) -> dict[str, Any]:
    """The same, JSON-able."""
    return {
        "differing": {row.name: row.values for row in differing(runs)},
        "runs": [
            {"run": run.label, "mlflow_run_id": run.id, "metrics": run.metrics} for run in runs
        ],
    }


def _is_bound(name: str) -> bool:
    return name.endswith(("_low", "_high"))
