"""The paper's tables (Frontiers in AI 2025) of one or several assessments."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rgf_keras.metrics import rgf_table
from rgf_keras.metrics.rgf import TOO_FEW, TOO_FEW_TRAININGS
from rgf_keras.metrics.rgf_table import FALSE_CALLS, Row, num_trainings
from rgf_keras.reports.values import number
from rgf_keras.tracking.records import RunRecord

LETTERS = {
    "learned": "L", "memorized": "M", "deviates": "D", TOO_FEW: "–", TOO_FEW_TRAININGS: "?",
}  # fmt: skip
INTERVALS = "With 95 % intervals: over trainings, or Wilson's of the samples of a single one."


@dataclass(frozen=True)
class PaperTable:
    """A table of texts.

    Attributes:
        key: short, e.g. for a file's name.
        title: what it shows.
        columns: headings, the rows' own first.
        rows: of as many cells.
        note: how to read it.
    """

    key: str
    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""


def paper_tables(runs: Sequence[RunRecord]) -> list[PaperTable]:
    """All tables; one column per run, one row per class of the data set and one for all.

    Args:
        runs: those without a z-table, and those of other classes than the first, are left out;
            without any there is no table.
    """
    runs = [run for run in runs if run.table]
    runs = [run for run in runs if class_names(run) == class_names(runs[0])]
    if not runs:
        return []
    factor = runs[0].params.get("data.factor", "factor")
    references = {tuple(row.counts_u for row in run.table) for run in runs}
    shared = "One balanced model for all." if len(references) == 1 else "Those of the first."
    return [
        _by_class(
            "z",
            "z of every class (Tables 1 and 2)",
            runs,
            lambda row: number(row.z_two_sample, ".1f"),
            "Two-sample z of P_r − P_u of the first training of each; significant beyond ±1.96. "
            "Memorization is expected above in the rare class (•) and below in all others. "
            + _false_calls("two_sample"),
        ),
        _by_class(
            "z_paper",
            "z as the paper prints it (Tables 1 and 2)",
            runs,
            lambda row: number(row.z_sample, ".1f"),
            "One-sample z with the sample's own variance; – where P_r is 0 or 1. "
            + _false_calls("sample"),
        ),
        *_differences(runs),
        _verdicts(runs),
        _by_class(
            "counts",
            f"Samples by {factor} (Table 3)",
            runs,
            lambda row: f"{_counts(row.counts_r)} (z {number(row.z_two_sample, '.1f')})",
            f"Generated images named as the class, by value: {' / '.join(runs[0].factor_values)}.",
            {"balanced": lambda row: _counts(row.counts_u)},
        ),
        _by_class(
            "p_u",
            "P_u, share of the rare value in samples of the balanced model (Table C.3)",
            runs[:1],
            lambda row: _share(row.p_u, row.p_u_low, row.p_u_high),
            f"{INTERVALS} {shared}",
        ),
        _by_class(
            "p_r",
            "P_r, share of the rare value in samples of the model on skewed data (Table C.4)",
            runs,
            lambda row: _share(row.p_r, row.p_r_low, row.p_r_high),
            INTERVALS,
        ),
        PaperTable(
            "oracles",
            "Accuracy of the oracles (Table B.1)",
            ["oracle of", *(run.label for run in runs)],
            [
                [name, *(number(run.metrics.get(f"oracle/{key}_accuracy"), ".1%") for run in runs)]
                for key, name in (("class", "the class"), ("factor", factor))
            ],
            "Held-out balanced images.",
        ),
    ]


def class_names(run: RunRecord) -> list[str]:
    """The names of a z-table's rows."""
    return [row.name for row in run.table]


def _by_class(
    key: str,
    title: str,
    runs: Sequence[RunRecord],
    cell: Callable[[Row], str],
    note: str,
    first: dict[str, Callable[[Row], str]] | None = None,
) -> PaperTable:
    """A row per class and a column per run, after ``first`` ones that are the first run's own."""
    first = first or {}
    rows = [
        [
            f"{row.name} •" if row.rare else row.name,
            *(own(row) for own in first.values()),
            *(cell(run.table[i]) for run in runs),
        ]
        for i, row in enumerate(runs[0].table)
    ]
    return PaperTable(key, title, ["class", *first, *(run.label for run in runs)], rows, note)


def _false_calls(test: rgf_table.Test) -> str:
    return (
        "It knows nothing of how trainings differ: of equal models with another seed it called "
        f"{FALSE_CALLS[test]:.0%} of rows different."
    )


def _differences(runs: Sequence[RunRecord]) -> list[PaperTable]:
    """What decides where trainings are compared; nothing if no run compares them."""
    if not any(row.trainings_r for run in runs for row in run.table):
        return []
    compared = {run.label: num_trainings(run.table) for run in runs}
    numbers = "; ".join(f"{name}: {r} against {u}" for name, (r, u) in compared.items() if r)
    return [
        _by_class(
            "differences",
            "P_r − P_u over trainings",
            runs,
            _difference,
            f"With 95 % intervals and p over trainings ({numbers}), which decide.",
        )
    ]


def _difference(row: Row) -> str:
    if math.isnan(row.p_value) or not row.trainings_r:
        return "–"
    bounds = (row.difference, row.difference_low, row.difference_high)
    value, low, high = (number(x, "+.2f") for x in bounds)
    return f"{value} [{low}, {high}], p {number(row.p_value, '.2g')}"


def _verdicts(runs: Sequence[RunRecord]) -> PaperTable:
    table = _by_class(
        "verdicts",
        "Learned or memorized (Table 4)",
        runs,
        lambda row: LETTERS[row.verdict],
        "L learned, M memorized, D deviates in the other direction, – too few samples, ? too few "
        "trainings.",
    )
    for verdict in ("learned", "memorized", "deviates"):
        numbers = [str(sum(row.verdict == verdict for row in run.table)) for run in runs]
        table.rows.append([f"number {verdict}", *numbers])
    return table


def _counts(counts: Sequence[int]) -> str:
    return " / ".join(map(str, counts))


def _share(value: float, low: float, high: float) -> str:
    """A share and its interval."""
    return f"{number(value, '.2f')} [{low:.2f}, {high:.2f}]"
