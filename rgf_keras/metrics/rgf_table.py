"""The z-table of an assessment: one row per class and one for all samples together."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np

from rgf_keras import outputs
from rgf_keras.errors import ArgumentError, unknown_name
from rgf_keras.metrics import rgf
from rgf_keras.metrics.checks import (
    check_at_least,
    check_counts,
    check_integers,
    check_labels,
    check_share,
    random,
)
from rgf_keras.metrics.trainings import Comparison, compare_trainings, mean_share

Test = Literal["trainings", rgf.Test]
# How often tests of samples call equal models different where they promise 5 %: all pairs of eight
# GANs that differ in their seed (studies/rare_colour.py; `rgf calibrate` measures it for others).
FALSE_CALLS: dict[Test, float] = {"two_sample": 0.53, "sample": 0.68, "reference": 0.68}
ALL = "all"  # what the last row is called, unless a class has this name


@dataclass(frozen=True)
class Row:
    """One line; "u" is the balanced model, "r" the model under test.

    Attributes:
        name: the class; of the last row, which is all of them together, see :func:`name_of_all`.
        rare: whether it is the rare one.
        n_u, n_r: samples that are classified as the class, in all trainings that are compared.
        counts_u, counts_r: those with each value of the factor.
        p_u, p_r: share of the rare value, with the bounds of its interval: Wilson's of one
            training, of several the t interval of their mean.
        gap: total variation of the shares of all values (|P_r − P_u| if there are two); the mean
            over the tested trainings.
        z_sample, z_reference, z_two_sample: tests of the share of the rare value, of the first
            training of each model.
        p_value, verdict: of the test of the configuration: over trainings, or of the samples of the
            first, in its chi-square form for all values (with two, that of z).
        p_holm, verdict_holm: adjusted for all rows together.
        difference: P_r − P_u, with the bounds of its interval over trainings; NaN for a test of
            samples and where trainings are too few.
        trainings_u, trainings_r: counts of each training, one training after the other; empty for
            a test of samples.
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
    difference: float = math.nan
    difference_low: float = math.nan
    difference_high: float = math.nan
    trainings_u: tuple[int, ...] = ()
    trainings_r: tuple[int, ...] = ()


def name_of_all(class_names: Sequence[str]) -> str:
    """What all classes together are called, as none of them is.

    >>> name_of_all(["cat", "dog"]), name_of_all(["cat", "all"])
    ('all', 'all classes')
    """
    name = ALL
    while name in class_names:
        name += " classes"
    return name


def count(classes: np.ndarray, factor: np.ndarray, num_classes: int, num_values: int) -> np.ndarray:
    """Samples per class and value of the factor; the last row is all classes together.

    Args:
        classes: (n,) labels.
        factor: (n,) positions in the factor's values.
        num_classes: C.
        num_values: V.

    Returns:
        (C + 1, V) integers.

    Raises:
        ArgumentError: labels or positions out of range.
    """
    check_at_least(1, num_classes=num_classes, num_values=num_values)
    classes = check_labels("classes", classes, np.size(classes), num_classes)
    factor = check_labels("factor", factor, len(classes), num_values)
    counts = np.zeros((num_classes + 1, num_values), np.int64)
    np.add.at(counts, (classes, factor), 1)
    counts[-1] = counts.sum(axis=0)
    return counts


def build(
    counts: np.ndarray,
    reference_counts: np.ndarray,
    class_names: Sequence[str],
    rare_class: int | None,
    test: Test = "two_sample",
    alpha: float = 0.05,
    min_class_samples: int = 10,
) -> list[Row]:
    """Compare the model under test with the balanced one.

    Args:
        counts: what :func:`count` says of its samples, (C + 1, V), or (R_r, C + 1, V) of several
            trainings.
        reference_counts: what it says of the balanced model's, likewise.
        class_names: C names.
        rare_class: k. All samples together are expected to lose the rare value, like the classes
            ≠ k. None, for ``"trainings"`` alone: any difference is ``memorized``.
        test: what decides: ``"trainings"`` compares trainings; all others compare samples of the
            first training of each, and call far more than ``alpha`` of equal models different.
        alpha: two-sided level.
        min_class_samples: fewer samples of a class, of either model, are too few.

    Raises:
        ArgumentError: counts of other shapes, or that are none; no such class; an unknown test; bad
            numbers.
    """
    check_share(alpha=alpha)
    check_at_least(0, min_class_samples=min_class_samples)
    if test not in FALSE_CALLS and test != "trainings":
        raise unknown_name("test", test, ["trainings", *FALSE_CALLS])
    trained, known = _check(counts, reference_counts, len(class_names))
    if rare_class is None and test != "trainings":
        raise ArgumentError(f"rare_class must be given for the test {test}")
    check_integers(rare_class=0 if rare_class is None else rare_class)
    if rare_class is not None and not 0 <= rare_class < len(class_names):
        raise ArgumentError(
            f"rare_class must lie in [0, {len(class_names) - 1}], received {rare_class}"
        )
    first, first_known = trained[0], known[0]
    rare = np.arange(len(first)) == rare_class
    tested = _tests(first, first_known, min_class_samples)
    if test == "trainings":
        compared = compare_trainings(trained, known, rare_class, alpha, min_class_samples)
        own = _of_trainings(compared, trained, known)
        p, sign = compared.p_value, compared.difference
        words = compared.verdict
    else:
        trained, known, own = trained[:1], known[:1], {"gap": rgf.gap(first, first_known)}
        p = rgf.chi_square_p_value(*rgf.chi_square(first, first_known, test))
        sign = tested[f"z_{test}"]
        p = np.where(np.isnan(sign), np.nan, p)
        words = rgf.decide(p, sign, rare, alpha)
    p_holm = rgf.holm(p)
    undecided = np.isin(words, (rgf.TOO_FEW, rgf.TOO_FEW_TRAININGS))
    columns = {
        "name": np.array([*class_names, name_of_all(class_names)], object),
        "rare": rare,
        **_shares("u", known, min_class_samples),
        **_shares("r", trained, min_class_samples),
        **tested,
        "p_value": p,
        "verdict": words,
        "p_holm": p_holm,
        "verdict_holm": np.where(undecided, words, rgf.decide(p_holm, sign, rare, alpha)),
        **own,
    }
    lists = zip(*(column.tolist() for column in columns.values()), strict=True)
    return from_records([dict(zip(columns, row, strict=True)) for row in lists])


def _check(counts: np.ndarray, reference_counts: np.ndarray, num_classes: int) -> list[np.ndarray]:
    """Both models' counts, (R, C + 1, V) integers."""
    given = {"counts": counts, "reference_counts": reference_counts}
    arrays = [(x if x.ndim == 3 else x[np.newaxis]).astype(np.int64) for x in check_counts(**given)]
    for name, array in zip(given, arrays, strict=True):
        shape = num_classes + 1, arrays[0].shape[-1]
        if array.ndim != 3 or not array.size or array.shape[1:] != shape or shape[0] < 2:
            raise ArgumentError(
                f"{name} must be (R, {num_classes + 1}, V): a row for each of {num_classes} "
                f"classes and one for all, received {array.shape}"
            )
    return arrays


def _tests(counts: np.ndarray, reference: np.ndarray, min_class_samples: int) -> dict[str, Any]:
    """The columns of the tests of samples; NaN where there are too few."""
    n_r, n_u = counts.sum(axis=1), reference.sum(axis=1)
    count_r, count_u = counts[:, -1], reference[:, -1]
    with np.errstate(invalid="ignore"):
        p_u = count_u / n_u
    z = {
        "z_sample": rgf.proportion_z(count_r, n_r, p_u, "sample"),
        "z_reference": rgf.proportion_z(count_r, n_r, p_u, "reference"),
        "z_two_sample": rgf.two_sample_z(count_r, n_r, count_u, n_u),
    }
    enough = np.minimum(n_r, n_u) >= min_class_samples
    return {name: np.where(enough, values, np.nan) for name, values in z.items()}


def _shares(side: str, counts: np.ndarray, min_class_samples: int) -> dict[str, np.ndarray]:
    """The columns of a model's samples and their shares."""
    total = counts.sum(axis=0)
    num, rare = total.sum(axis=1), total[:, -1]
    if len(counts) == 1:
        with np.errstate(invalid="ignore"):
            shares = rare / num, *rgf.wilson_interval(rare, num)
    else:
        shares = tuple(mean_share(counts, min_class_samples))
    names = (f"p_{side}", f"p_{side}_low", f"p_{side}_high")
    return {
        f"n_{side}": num,
        f"counts_{side}": total,
        **dict(zip(names, shares, strict=True)),
    }


def _of_trainings(
    compared: Comparison, counts: np.ndarray, reference: np.ndarray
) -> dict[str, np.ndarray]:
    """The columns of a comparison of trainings."""
    return {
        "gap": compared.row_gap,
        "difference": compared.difference,
        "difference_low": compared.low,
        "difference_high": compared.high,
        "trainings_u": _flat(reference),
        "trainings_r": _flat(counts),
    }


def _flat(counts: np.ndarray) -> np.ndarray:
    """Counts by row, (rows, R·V); :func:`_by_training` is the inverse."""
    return counts.swapaxes(0, 1).reshape(counts.shape[1], -1)


def _by_training(counts: Sequence[int], row: Row) -> np.ndarray:
    """(R, V) of a row's ``trainings_u`` or ``trainings_r``."""
    return np.array(counts, np.int64).reshape(-1, len(row.counts_r))


def first_training(row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Counts (V,) of the first training of the balanced model and of the one under test."""
    every = (row.trainings_u or row.counts_u), (row.trainings_r or row.counts_r)
    known, tested = (_by_training(counts, row)[0] for counts in every)
    return known, tested


def compare(rows: Sequence[Row], min_class_samples: int = 10, seed: int = 0) -> Comparison | None:
    """The trainings of a table compared as a whole; None if it is of a test of samples."""
    if not all(row.trainings_r for row in rows):
        return None
    counts = np.stack([_by_training(row.trainings_r, row) for row in rows], axis=1)
    reference = np.stack([_by_training(row.trainings_u, row) for row in rows], axis=1)
    rare = next((i for i, row in enumerate(rows) if row.rare), None)
    return compare_trainings(counts, reference, rare, 0.05, min_class_samples, seed)


def num_trainings(rows: Sequence[Row]) -> tuple[int, int]:
    """R_r and R_u of a table over trainings; (0, 0) of a test of samples."""
    row = rows[-1]
    return (
        len(_by_training(row.trainings_r, row)),
        len(_by_training(row.trainings_u, row)),
    )


def mean_gap(rows: Sequence[Row]) -> float:
    """Mean gap of the classes with enough samples, in [0, 1]; 1 without such a class."""
    enough = _select_enough(rows)
    return float(np.mean([row.gap for row in enough])) if enough else 1.0


def class_coverage(rows: Sequence[Row], min_class_samples: int) -> float:
    """Share of the classes of which the model under test has drawn enough, in [0, 1].

    Of several trainings it is their mean.

    Raises:
        ArgumentError: a table without classes, or a negative number.
    """
    check_at_least(0, min_class_samples=min_class_samples)
    check_at_least(2, rows=len(rows))
    counts = [_by_training(row.trainings_r or row.counts_r, row).sum(1) for row in rows[:-1]]
    return float(np.mean(np.array(counts) >= min_class_samples))


def by_name(rows: Sequence[Row], column: str) -> dict[str, float]:
    """The finite values of a column by the rows' names."""
    values = {row.name: getattr(row, column) for row in rows}
    return {name: value for name, value in values.items() if np.isfinite(value)}


def mostly_too_few(rows: Sequence[Row]) -> bool:
    """Whether most rows have too few samples, of either model, to say anything."""
    return sum(row.verdict == rgf.TOO_FEW for row in rows) > len(rows) / 2


def gap_interval(
    rows: Sequence[Row], seed: int, num_draws: int = 1000, min_class_samples: int = 10
) -> tuple[float, float]:
    """A 95 % interval of the ``rgf/gap`` of one training, which is a gap of samples of images.

    The images of all models are drawn again by their shares; as a mean of absolute differences is
    biased upwards, the interval is the basic one (Davison and Hinkley 1997, eq. 5.6). It knows
    nothing of how much two trainings of one configuration differ.

    Args:
        rows: the table.
        seed: of the drawing.
        num_draws: how often all are drawn.
        min_class_samples: fewer samples of a class in a training are too few.

    Returns:
        Lower and upper bound in [0, 1]; the whole of it without a class of enough samples.

    Raises:
        ArgumentError: bad numbers.
    """
    check_at_least(1, num_draws=num_draws)
    check_at_least(0, min_class_samples=min_class_samples)
    rng = random(seed)
    enough = _select_enough(rows)
    if not enough:
        return 0.0, 1.0
    gaps = []
    for row in enough:
        known = _by_training(row.trainings_u or row.counts_u, row)
        if row.trainings_u:
            known = known[known.sum(1) >= max(min_class_samples, 1)]
        if not len(known):
            continue
        drawn = _resample(row.counts_r, rng, num_draws)
        shares = [_resample(counts, rng, num_draws) / counts.sum() for counts in known]
        gaps.append(rgf.gap(drawn, np.mean(shares, axis=0)))
    if not gaps:
        return 0.0, 1.0
    low, high = np.quantile(np.mean(gaps, axis=0), (0.025, 0.975))
    mean = mean_gap(rows)
    return max(2 * mean - high, 0.0), min(2 * mean - low, 1.0)


def _select_enough(rows: Sequence[Row]) -> list[Row]:
    """Classes with enough samples; the last row is of all classes together."""
    return [
        row
        for row in rows[:-1]
        if (np.isfinite(row.gap) if row.trainings_r else row.verdict != rgf.TOO_FEW)
    ]


def _resample(counts: Sequence[int], rng: np.random.Generator, num_draws: int) -> np.ndarray:
    num = sum(counts)
    return rng.multinomial(num, np.array(counts) / num, size=num_draws)


def to_csv(rows: Sequence[Row]) -> str:
    """The table as CSV with a header; counts per value are separated by spaces."""
    columns = [field.name for field in fields(Row)]
    cells = ([getattr(row, name) for name in columns] for row in rows)
    shown = ([" ".join(map(str, x)) if isinstance(x, tuple) else x for x in row] for row in cells)
    return outputs.csv_text([columns, *shown])


def from_records(records: Sequence[dict[str, Any]]) -> list[Row]:
    """The table that :func:`to_records` wrote, of this version or an earlier one."""
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
