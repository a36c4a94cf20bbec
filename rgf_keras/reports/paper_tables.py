"""The paper's tables (Frontiers in AI 2025) of one or several assessments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rgf_keras.metrics.rgf import TOO_FEW
from rgf_keras.metrics.rgf_table import Row
from rgf_keras.tracking.records import Recorded

LETTERS = {"learned": "L", "memorized": "M", "deviates": "D", TOO_FEW: "–"}


@dataclass(frozen=True)
class PaperTable:
    """A table of texts.

    Args:
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


def paper_tables(runs: Sequence[Recorded]) -> list[PaperTable]:
    """All tables; one column per run, one row per class of the data set and one for all.

    Args:
        runs: finished assessments of data sets with the same classes; without any there is no
            table.
    """
    if not runs:
        return []
    return [
        _by_class(
            "z",
            "z of every class (Tables 1 and 2)",
            runs,
            lambda row: number(row.z_two_sample, ".1f"),
            "Two-sample z of P_r − P_u, which decides; significant beyond ±1.96. Memorization is "
            "expected above in the rare class (•) and below in all others.",
        ),
        _by_class(
            "z_paper",
            "z as the paper prints it (Tables 1 and 2)",
            runs,
            lambda row: number(row.z_sample, ".1f"),
            "One-sample z with the sample's own variance; – where P_r is 0 or 1.",
        ),
        _verdicts(runs),
        _by_class(
            "counts",
            f"Samples by {_factor(runs)} (Table 3)",
            runs,
            lambda row: f"{_counts(row.counts_r)} (z {number(row.z_two_sample, '.1f')})",
            f"Generated images named as the class, by value: {_values(runs)}.",
            ("balanced", lambda row: _counts(row.counts_u)),
        ),
        _by_class(
            "p_u",
            "P_u, share of the rare value in samples of the balanced model (Table C.3)",
            runs[:1],
            lambda row: share(row.p_u, row.p_u_low, row.p_u_high),
            "With 95 % Wilson intervals. "
            + ("One balanced model for all." if len(_references(runs)) == 1 else "Of the first."),
        ),
        _by_class(
            "p_r",
            "P_r, share of the rare value in samples of the model on skewed data (Table C.4)",
            runs,
            lambda row: share(row.p_r, row.p_r_low, row.p_r_high),
            "With 95 % Wilson intervals.",
        ),
        _oracles(runs),
    ]


def number(value: float | None, spec: str) -> str:
    """A number, or a dash if there is none."""
    return "–" if value is None or not np.isfinite(value) else format(value, spec).replace("-", "−")


def significant(value: float) -> str:
    """A number to three significant digits, e.g. ``0.470``, ``51.4``, ``1234``."""
    return number(value, "#.3g" if abs(value) < 100 else ".0f")


def share(value: float, low: float, high: float) -> str:
    """A share and its interval."""
    return f"{number(value, '.2f')} [{low:.2f}, {high:.2f}]"


def _by_class(
    key: str,
    title: str,
    runs: Sequence[Recorded],
    cell: Callable[[Row], str],
    note: str,
    first: tuple[str, Callable[[Row], str]] | None = None,
) -> PaperTable:
    """A row per class; ``first`` is a column of the first run's own."""
    columns = [first[0]] if first else []
    rows = []
    for row in runs[0].table:
        cells = [first[1](row)] if first else []
        cells += [cell(_same(run, row)) for run in runs]
        rows.append([f"{row.name} •" if row.rare else row.name, *cells])
    return PaperTable(key, title, ["class", *columns, *(run.label for run in runs)], rows, note)


def _same(run: Recorded, row: Row) -> Row:
    return next(other for other in run.table if other.name == row.name)


def _verdicts(runs: Sequence[Recorded]) -> PaperTable:
    table = _by_class(
        "verdicts",
        "Learned or memorized (Table 4)",
        runs,
        lambda row: LETTERS[row.verdict],
        "L learned, M memorized, D deviates in the other direction, – too few samples.",
    )
    for verdict in ("learned", "memorized", "deviates"):
        found = [str(sum(row.verdict == verdict for row in run.table)) for run in runs]
        table.rows.append([f"number {verdict}", *found])
    return table


def _oracles(runs: Sequence[Recorded]) -> PaperTable:
    names = {"class_accuracy": "the class", "factor_accuracy": _factor(runs)}
    rows = [
        [name, *(number(run.metrics.get(f"oracle/{key}"), ".1%") for run in runs)]
        for key, name in names.items()
    ]
    columns = ["oracle of", *(run.label for run in runs)]
    note = "Held-out balanced images."
    return PaperTable("oracles", "Accuracy of the oracles (Table B.1)", columns, rows, note)


def _counts(counts: Sequence[int]) -> str:
    return " / ".join(map(str, counts))


def _factor(runs: Sequence[Recorded]) -> str:
    return runs[0].params.get("data.factor", "factor")


def _values(runs: Sequence[Recorded]) -> str:
    return " / ".join(runs[0].factor_values)


def _references(runs: Sequence[Recorded]) -> set[tuple[tuple[int, ...], ...]]:
    return {tuple(row.counts_u for row in run.table) for run in runs}
