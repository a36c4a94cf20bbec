"""The z-table of an assessment: one row per class and one for all samples together."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from rgf_keras.metrics import rgf

ALL = "all"  # what the last row is called; a class may have this name too


@dataclass(frozen=True)
class Row:
    """One line; "u" is the balanced model, "r" the model under test.

    Attributes:
        name: the class, or ``ALL``.
        rare: whether it is the rare one.
        n_u, n_r: samples that are classified as the class.
        counts_u, counts_r: those with each value of the factor.
        p_u, p_r: share of the rare value, with the bounds of its Wilson interval.
        gap: total variation of the shares of all values (|P_r − P_u| if there are two).
        z_sample, z_reference, z_two_sample: tests of the share of the rare value.
        p_value, verdict: of the test of the configuration, in its chi-square form for all values
            (with two, that of z).
        p_holm, verdict_holm: adjusted for all rows together.
    """

    name: str
    rare: bool
    n_u: int
    counts_u: tuple[int, ...]
    p_u: float
    p_u_low: float
    p_u_high: float
    n_r: int
    counts_r: tuple[int, ...]
    p_r: float
    p_r_low: float
    p_r_high: float
    gap: float
    z_sample: float
    z_reference: float
    z_two_sample: float
    p_value: float
    verdict: str
    p_holm: float
    verdict_holm: str


def count(classes: np.ndarray, factor: np.ndarray, num_classes: int, num_values: int) -> np.ndarray:
    """Samples per class and value of the factor; the last row is all classes together.

    Args:
        classes: (n,) labels.
        factor: (n,) positions in the factor's values.
        num_classes: C.
        num_values: V.

    Returns:
        (C + 1, V) integers.
    """
    counts = np.zeros((num_classes + 1, num_values), np.int64)
    np.add.at(counts, (classes, factor), 1)
    counts[-1] = counts.sum(axis=0)
    return counts


def build(
    counts: np.ndarray,
    reference_counts: np.ndarray,
    class_names: Sequence[str],
    rare_class: int,
    test: rgf.Test = "two_sample",
    alpha: float = 0.05,
    min_class_samples: int = 10,
) -> list[Row]:
    """Compare the model under test with the balanced one.

    Args:
        counts: what :func:`count` says of its samples.
        reference_counts: what it says of the balanced model's.
        class_names: C names.
        rare_class: k. All samples together are expected to lose the rare value, like the classes
            ≠ k.
        test: which z decides.
        alpha: two-sided level.
        min_class_samples: fewer samples of a class, of either model, are too few.
    """
    n_r, n_u = counts.sum(axis=1), reference_counts.sum(axis=1)
    count_r, count_u = counts[:, -1], reference_counts[:, -1]
    rare = np.arange(len(n_r)) == rare_class
    enough = np.minimum(n_r, n_u) >= min_class_samples
    with np.errstate(invalid="ignore"):
        p_u, p_r = count_u / n_u, count_r / n_r
    z = {
        "sample": rgf.proportion_z(count_r, n_r, p_u, "sample"),
        "reference": rgf.proportion_z(count_r, n_r, p_u, "reference"),
        "two_sample": rgf.two_sample_z(count_r, n_r, count_u, n_u),
    }
    z = {name: np.where(enough, values, np.nan) for name, values in z.items()}
    p = rgf.chi_square_p_value(*rgf.chi_square(counts, reference_counts, test))
    p = np.where(enough, p, np.nan)
    p_holm = rgf.holm(p)
    p_u_low, p_u_high = rgf.wilson_interval(count_u, n_u)
    p_r_low, p_r_high = rgf.wilson_interval(count_r, n_r)
    columns = {
        "name": np.array([*class_names, ALL], object),
        "rare": rare,
        "n_u": n_u,
        "counts_u": reference_counts,
        "p_u": p_u,
        "p_u_low": p_u_low,
        "p_u_high": p_u_high,
        "n_r": n_r,
        "counts_r": counts,
        "p_r": p_r,
        "p_r_low": p_r_low,
        "p_r_high": p_r_high,
        "gap": rgf.gap(counts, reference_counts),
        **{f"z_{name}": values for name, values in z.items()},
        "p_value": p,
        "verdict": rgf.decide(p, z[test], rare, alpha),
        "p_holm": p_holm,
        "verdict_holm": rgf.decide(p_holm, z[test], rare, alpha),
    }
    lists = zip(*(column.tolist() for column in columns.values()), strict=True)
    return from_records([dict(zip(columns, row, strict=True)) for row in lists])


def mean_gap(rows: Sequence[Row]) -> float:
    """Mean gap of the classes with enough samples, in [0, 1]; 1 without such a class."""
    enough = _select_enough(rows)
    return float(np.mean([row.gap for row in enough])) if enough else 1.0


def class_coverage(rows: Sequence[Row], min_class_samples: int) -> float:
    """Share of the classes of which the model under test has drawn enough, in [0, 1]."""
    return float(np.mean([row.n_r >= min_class_samples for row in rows[:-1]]))


def by_name(rows: Sequence[Row], column: str) -> dict[str, float]:
    """The finite values of a column by the rows' names."""
    values = {row.name: getattr(row, column) for row in rows}
    return {name: value for name, value in values.items() if np.isfinite(value)}


def mostly_too_few(rows: Sequence[Row]) -> bool:
    """Whether most rows have too few samples, of either model, to say anything."""
    return sum(row.verdict == rgf.TOO_FEW for row in rows) > len(rows) / 2


def gap_interval(rows: Sequence[Row], seed: int, num_draws: int = 1000) -> tuple[float, float]:
    """A 95 % interval of ``rgf/gap``, which is the gap of two samples of images.

    The images of both models are drawn again by their shares; as a mean of absolute differences is
    biased upwards, the interval is the basic one (Davison and Hinkley 1997, eq. 5.6). It knows
    nothing of how much two trainings of one configuration differ.

    Args:
        rows: the table.
        seed: of the drawing.
        num_draws: how often both are drawn.

    Returns:
        Lower and upper bound in [0, 1]; the whole of it without a class of enough samples.
    """
    rng = np.random.default_rng(seed)
    enough = _select_enough(rows)
    if not enough:
        return 0.0, 1.0
    pairs = ((row.counts_r, row.counts_u) for row in enough)
    gaps = [rgf.gap(*(_resample(counts, rng, num_draws) for counts in pair)) for pair in pairs]
    low, high = np.quantile(np.mean(gaps, axis=0), (0.025, 0.975))
    mean = mean_gap(rows)
    return max(2 * mean - high, 0.0), min(2 * mean - low, 1.0)


def _select_enough(rows: Sequence[Row]) -> list[Row]:
    """Classes with enough samples; the last row is of all classes together."""
    return [row for row in rows[:-1] if row.verdict != rgf.TOO_FEW]


def _resample(counts: Sequence[int], rng: np.random.Generator, num_draws: int) -> np.ndarray:
    num = sum(counts)
    return rng.multinomial(num, np.array(counts) / num, size=num_draws)


def to_csv(rows: Sequence[Row]) -> str:
    """The table as CSV with a header; counts per value are separated by spaces."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        counts = {key: " ".join(map(str, getattr(row, key))) for key in ("counts_u", "counts_r")}
        writer.writerow({**asdict(row), **counts})
    return text.getvalue()


def from_records(records: Sequence[dict[str, Any]]) -> list[Row]:
    """The table that :func:`to_records` wrote."""
    read = {float: float, tuple[int, ...]: tuple}
    kinds = {field.name: read.get(field.type, lambda x: x) for field in fields(Row)}  # type: ignore[arg-type]
    return [Row(**{key: kinds[key](x) for key, x in record.items()}) for record in records]


def to_records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The table as JSON-able dicts; NaN and infinities are strings, which JSON can hold."""
    return [
        {
            key: str(value) if isinstance(value, float) and not np.isfinite(value) else value
            for key, value in asdict(row).items()
        }
        for row in rows
    ]
