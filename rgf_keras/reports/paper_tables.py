"""The paper's tables (Frontiers in AI 2025) of one or several assessments."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rgf_keras.metrics import rgf, rgf_table
from rgf_keras.metrics.rgf import TOO_FEW, TOO_FEW_TRAININGS
from rgf_keras.metrics.rgf_table import FALSE_CALLS, Row, num_trainings
from rgf_keras.reports.values import number
from rgf_keras.tracking.records import RunRecord

LETTERS = {
    "learned": "L", "memorized": "M", "deviates": "D", TOO_FEW: "–", TOO_FEW_TRAININGS: "?",
}  # fmt: skip
DECIDED = ("learned", "memorized", "deviates")
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
    return [
        *_z_tables(runs),
        _verdicts_paper(runs),
        *_differences(runs),
        _verdicts(runs),
        _by_class(
            "counts",
            f"Samples by {factor} (Tables 3 and E)",
            runs,
            lambda row: f"{_counts(row.counts_r)} (z {number(row.z_two_sample, '.1f')})",
            f"Generated images named as the class, by value: {' / '.join(runs[0].factor_values)}. "
            "The z is the two-sample one.",
            {"balanced": lambda row: _counts(row.counts_u)},
        ),
        _by_class(
            "p_u",
            "P_u, share of the rare value in samples of balanced models (Tables C.3 and C.4)",
            distinct(runs, lambda run: tuple(row.counts_u for row in run.table)),
            lambda row: _share(row.p_u, row.p_u_low, row.p_u_high),
            f"{INTERVALS} A column for each balanced model, named as the first run that is "
            "compared with it.",
        ),
        _by_class(
            "p_r",
            "P_r, share of the rare value in samples of the model on skewed data (Appendix D)",
            runs,
            lambda row: _share(row.p_r, row.p_r_low, row.p_r_high),
            INTERVALS,
        ),
        _oracles(runs),
    ]


def _z_tables(runs: Sequence[RunRecord]) -> list[PaperTable]:
    """The z of every class, in each of the forms that the paper's may have."""
    size = int(rgf_table.first_training(runs[0].table[-1])[1].sum())
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
            lambda row: printed(row.z_sample),
            "One-sample z with the sample's own variance, of the first training of each; – where "
            "it is infinite (P_r is 0 or 1), “few” where there are too few samples. "
            + _false_calls("sample"),
        ),
        _by_class(
            "z_equation_1",
            "z by Eq. 1 to the letter",
            runs,
            lambda row: printed(equation_1(row, size)),
            f"With the balanced model's variance and M = {size} samples of all classes, not "
            "those of the class; the paper's tables do not fit it.",
        ),
    ]


def printed(z: float) -> str:
    """A z as the paper prints it: a dash where it is infinite; “few” where there is none."""
    return "few" if math.isnan(z) else number(z, ".1f")


def equation_1(row: Row, num_samples: int) -> float:
    """The paper's Eq. 1 to the letter, of the first training of each: M, not n_c, for n.

    Args:
        row: of a table.
        num_samples: M, of all classes together.

    Returns:
        z, NaN where there are too few samples.
    """
    known, tested = rgf_table.first_training(row)
    if np.isnan(row.z_reference):
        return math.nan
    share = known[-1] / known.sum()
    return float(rgf.proportion_z(tested[-1], tested.sum(), share, "reference", num_samples))


def paper_verdicts(rows: Sequence[Row]) -> list[str]:
    """What the paper's own test says of each row of a z-table, see :func:`rgf.verdict`."""
    z, rare = np.array([(row.z_sample, row.rare) for row in rows]).T
    return rgf.verdict(z, rare.astype(bool)).tolist()


def distinct(runs: Sequence[RunRecord], key: Callable[[RunRecord], object]) -> list[RunRecord]:
    """The first run with each value of the key."""
    return list({key(run): run for run in reversed(runs)}.values())[::-1]


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


def _verdicts_paper(runs: Sequence[RunRecord]) -> PaperTable:
    verdicts = [paper_verdicts(run.table) for run in runs]
    return _letters(
        "verdicts_paper",
        "Learned or memorized, by the paper's test (Table 4)",
        runs,
        verdicts,
        "L learned (|z| < 1.96 of the paper's z), M memorized, D deviates in the other direction, "
        "which the paper prints as M, – too few samples. " + _false_calls("sample"),
    )


def _verdicts(runs: Sequence[RunRecord]) -> PaperTable:
    return _letters(
        "verdicts",
        "Learned or memorized (Table 4)",
        runs,
        [[row.verdict for row in run.table] for run in runs],
        "L learned, M memorized, D deviates in the other direction, – too few samples, ? too few "
        "trainings.",
    )


def _letters(
    key: str, title: str, runs: Sequence[RunRecord], verdicts: Sequence[Sequence[str]], note: str
) -> PaperTable:
    """A letter for each row and run, and how many there are of those that say something."""
    rows = [
        [f"{row.name} •" if row.rare else row.name, *(LETTERS[own[i]] for own in verdicts)]
        for i, row in enumerate(runs[0].table)
    ]
    decided = [[word for word in own if word in DECIDED] for own in verdicts]
    left_out = [str(len(own) - len(some)) for own, some in zip(verdicts, decided, strict=True)]
    rows.append(["left out: too few", *left_out])
    for word in DECIDED:
        numbers = [f"{own.count(word)} of {len(own)}" for own in decided]
        rows.append([f"number {word}", *numbers])
    return PaperTable(key, title, ["class", *(run.label for run in runs)], rows, note)


def _oracles(runs: Sequence[RunRecord]) -> PaperTable:
    """A column per factor: all models of one are labelled by the same oracles."""
    names = [f"oracle/{kind}_accuracy" for kind in ("class", "factor")]

    def factor(run: RunRecord) -> str:
        return run.params.get("data.factor", run.label)

    runs = distinct(runs, lambda run: (factor(run), *(run.metrics.get(name) for name in names)))
    factors = [factor(run) for run in runs]
    alike = len(set(factors)) < len(factors)
    of = [*dict.fromkeys(factors)]
    rows = [
        [title, *(number(run.metrics.get(name), ".1%") for run in runs)]
        for title, name in zip(
            ("the class", of[0] if len(of) == 1 else "the factor"), names, strict=True
        )
    ]
    columns = ["oracle of", *([run.label for run in runs] if alike else factors)]
    note = "Held-out balanced images."
    return PaperTable(
        "oracles", "Accuracy of the oracles (Tables B.1 and B.2)", columns, rows, note
    )


def _counts(counts: Sequence[int]) -> str:
    return " / ".join(map(str, counts))


def _share(value: float, low: float, high: float) -> str:
    """A share and its interval."""
    return f"{number(value, '.2f')} [{low:.2f}, {high:.2f}]"
