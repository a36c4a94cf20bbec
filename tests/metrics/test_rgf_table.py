"""The z-table, derived by hand."""

import csv
import io
import json
import math

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from rgf_keras.metrics import catalogue, rgf_table


def counts(ones, nobs):
    """Counts per value from counts with f = 1 and in all; the last row is all classes together."""
    return np.column_stack([np.subtract(nobs, ones), ones])


# Three classes, rare class "b".
BALANCED = counts([50, 50, 2, 102], [100, 100, 5, 205])
SKEWED = counts([30, 90, 1, 121], [100, 100, 100, 300])
NAMES = ("a", "b", "c")


def build(model=SKEWED, reference=BALANCED, rare_class=1, **evaluation):
    return rgf_table.build(model, reference, NAMES, rare_class, **evaluation)


def pooled_z(count, nobs, reference_count, reference_nobs):
    pooled = (count + reference_count) / (nobs + reference_nobs)
    error = math.sqrt(pooled * (1 - pooled) * (1 / nobs + 1 / reference_nobs))
    return (count / nobs - reference_count / reference_nobs) / error


def test_count():
    classes = np.array([0, 0, 0, 2, 2, 1])
    factor = np.array([1, 0, 1, 1, 1, 0])
    found = rgf_table.count(classes, factor, num_classes=4, num_values=2)
    assert found.tolist() == [[1, 2], [1, 0], [0, 2], [0, 0], [2, 4]]


def test_shares_and_counts():
    table = build()
    assert [row.name for row in table] == ["a", "b", "c", "all"]
    assert [row.rare for row in table] == [False, True, False, False]
    assert [row.p_r for row in table] == pytest.approx([0.3, 0.9, 0.01, 121 / 300])
    assert [row.p_u for row in table] == pytest.approx([0.5, 0.5, 0.4, 102 / 205])
    assert [row.n_u for row in table] == [100, 100, 5, 205]
    assert [row.counts_u for row in table] == [(50, 50), (50, 50), (3, 2), (103, 102)]
    assert [row.gap for row in table] == pytest.approx([0.2, 0.4, 0.39, 102 / 205 - 121 / 300])
    for row in table:
        assert row.p_r_low < row.p_r < row.p_r_high
        assert row.p_u_low < row.p_u < row.p_u_high


def test_z_in_three_forms():
    table = build()
    # Class a: 30 of 100 against 50 of 100; class b: 90 of 100.
    assert table[0].z_sample == pytest.approx(-0.2 / math.sqrt(0.3 * 0.7 / 100))
    assert table[0].z_reference == pytest.approx(-0.2 / 0.05)
    assert table[0].z_two_sample == pytest.approx(-0.2 / math.sqrt(0.4 * 0.6 * 2 / 100))
    assert table[1].z_sample == pytest.approx(0.4 / 0.03)
    assert table[1].z_reference == pytest.approx(0.4 / 0.05)
    assert table[1].z_two_sample == pytest.approx(0.4 / math.sqrt(0.7 * 0.3 * 2 / 100))
    assert table[3].z_two_sample == pytest.approx(pooled_z(121, 300, 102, 205))


def test_verdicts():
    # a: z = -2.9; b: z = 6.2; c: five samples of the balanced model; all: z = -2.1, p = 0.036.
    assert [row.verdict for row in build()] == [
        "memorized",
        "memorized",
        "too few samples",
        "memorized",
    ]
    assert [row.verdict for row in build(alpha=0.01)][3] == "learned"
    assert [row.verdict for row in build(alpha=0.001)][:2] == ["learned", "memorized"]


def test_the_other_sign_deviates():
    assert [row.verdict for row in build(rare_class=0)] == [
        "deviates",  # the rare class lost the factor
        "deviates",  # another class gained it
        "too few samples",
        "memorized",
    ]


@pytest.mark.parametrize("test", ["two_sample", "sample", "reference"])
def test_the_configured_form_decides(test):
    for row in build(test=test, min_class_samples=1):
        z = getattr(row, f"z_{test}")
        assert row.p_value == pytest.approx(math.erfc(abs(z) / math.sqrt(2)))


def test_holm_counts_the_rows_that_were_tested():
    a, b, c, everything = build()
    # Sorted: b, a, all; times 3, 2, 1.
    assert b.p_holm == pytest.approx(3 * b.p_value)
    assert a.p_holm == pytest.approx(2 * a.p_value)
    assert everything.p_holm == pytest.approx(everything.p_value)
    assert math.isnan(c.p_holm)
    assert c.verdict_holm == "too few samples"


def test_more_values_are_tested_together():
    # The rare value keeps its share in "a", whose other values change; "b" loses it.
    reference = np.array([[30, 30, 40], [30, 30, 40], [60, 60, 80]])
    model = np.array([[55, 5, 40], [50, 50, 0], [105, 55, 40]])
    a, b, everything = rgf_table.build(model, reference, ("a", "b"), 0)
    expected = chi2_contingency([model[0], reference[0]], correction=False)
    assert a.p_value == pytest.approx(expected.pvalue)
    assert a.z_two_sample == 0
    assert (a.gap, b.gap) == (pytest.approx(0.25), pytest.approx(0.4))
    assert [a.verdict, b.verdict, everything.verdict] == ["deviates", "memorized", "memorized"]


@pytest.mark.parametrize(("minimum", "few"), [(5, False), (6, True)])
def test_too_few_samples_of_either_model(minimum, few):
    for model, reference in ((SKEWED, BALANCED), (BALANCED, SKEWED)):
        row = build(model, reference, min_class_samples=minimum)[2]
        assert (row.verdict == "too few samples") == few
        for value in (row.z_sample, row.z_reference, row.z_two_sample, row.p_value):
            assert math.isnan(value) == few


@pytest.mark.filterwarnings("error")
def test_a_class_without_samples():
    empty = counts([5, 5, 0, 10], [20, 20, 0, 40])
    row = build(empty, BALANCED)[2]
    assert math.isnan(row.p_r)
    assert (row.p_r_low, row.p_r_high) == (pytest.approx(0), pytest.approx(1))
    assert row.verdict == "too few samples"


def summary(rows):
    """What an assessment measures of a table alone."""
    nothing = np.zeros((0, 1))
    evidence = catalogue.Evidence(nothing, rows, "oracle", lambda *names: nothing, [])
    own = [metric for metric in catalogue.METRICS if metric.key.startswith("rgf/")]
    return catalogue.measure(evidence, own)


def test_summary():
    metrics = summary(build())
    # Class c is left out: (|0.3 − 0.5| + |0.9 − 0.5|) / 2.
    assert metrics["rgf/gap"] == pytest.approx(0.3)
    assert metrics["rgf/num_memorized"] == 3
    assert metrics["rgf/num_memorized_holm"] == 3
    assert metrics["rgf/class_coverage"] == 1  # the model under test draws 100 of each class
    assert metrics["rgf/p_r_b"] == pytest.approx(0.9)
    assert metrics["rgf/p_u_all"] == pytest.approx(102 / 205)
    assert "rgf/z_c" not in metrics


def test_a_model_that_draws_one_class_covers_a_third():
    collapsed = counts([5, 0, 0, 5], [100, 0, 0, 100])
    metrics = summary(build(collapsed))
    assert metrics["rgf/class_coverage"] == pytest.approx(1 / 3)
    assert metrics["rgf/gap"] == pytest.approx(0.45)


def test_a_model_that_draws_nothing_usable_has_the_largest_gap():
    few = counts([1, 1, 1, 3], [2, 2, 2, 6])
    metrics = summary(build(few))
    assert (metrics["rgf/gap"], metrics["rgf/class_coverage"]) == (1, 0)


def restore(record):
    """A row from strings or JSON values."""
    read = {bool: lambda v: v in (True, "True"), int: int, float: float, str: str}
    read[tuple[int, ...]] = lambda v: tuple(map(int, v.split() if isinstance(v, str) else v))
    types = rgf_table.Row.__annotations__
    return rgf_table.Row(**{key: read[types[key]](value) for key, value in record.items()})


def test_csv_round_trip():
    table = build()
    records = csv.DictReader(io.StringIO(rgf_table.to_csv(table)))
    # repr, because NaN does not equal NaN.
    assert [repr(restore(record)) for record in records] == [repr(row) for row in table]


def test_json_round_trip():
    certain = counts([0, 100, 1, 101], [100, 100, 100, 300])  # z = ±inf
    table = build(certain)
    assert table[1].z_sample == math.inf
    text = json.dumps(rgf_table.to_records(table), allow_nan=False)
    assert [repr(restore(record)) for record in json.loads(text)] == [repr(row) for row in table]


def test_the_interval_of_the_gap_covers_what_it_should():
    rng = np.random.default_rng(0)
    p_u, p_r = np.array([0.5, 0.4, 0.6]), np.array([0.9, 0.1, 0.3])
    truth, covered = np.abs(p_r - p_u).mean(), 0
    for seed in range(200):
        tables = [
            counts([*ones, ones.sum()], [100, 100, 100, 300]) for ones in _draw(rng, p_r, p_u)
        ]
        low, high = rgf_table.gap_interval(build(*tables), seed, 200)
        covered += low <= truth <= high
    assert 0.91 <= covered / 200 <= 0.99


def test_without_a_class_of_enough_samples_nothing_is_known_of_the_gap():
    table = build(counts([1, 1, 1, 3], [2, 2, 2, 6]), counts([1, 1, 1, 3], [2, 2, 2, 6]))
    assert rgf_table.gap_interval(table, 0) == (0, 1)


def test_records_are_read_back():
    rows = build()
    again = rgf_table.from_records(json.loads(json.dumps(rgf_table.to_records(rows))))
    assert repr(again) == repr(rows)


def _draw(rng, *shares):
    return [rng.binomial(100, p) for p in shares]


# Four trainings of the balanced and two of the skewed model.
ONES = [50, 50, 2, 102], [40, 60, 2, 102], [55, 35, 1, 91], [45, 52, 2, 99]
MORE_BALANCED = np.stack([counts(ones, [100, 100, 5, 205]) for ones in ONES])
MORE_SKEWED = np.stack([SKEWED, counts([10, 95, 2, 107], [100, 100, 4, 204])])


def test_a_table_over_trainings():
    table = build(MORE_SKEWED, MORE_BALANCED, test="trainings")
    a, b, c, _ = table
    assert (a.n_r, a.counts_r, a.n_u, a.trainings_r) == (200, (160, 40), 400, (70, 30, 90, 10))
    assert (a.verdict, b.verdict, c.verdict) == ("memorized", "memorized", "too few samples")
    first = build(MORE_SKEWED[0], MORE_BALANCED[0])[0]
    assert (a.z_two_sample, a.z_sample) == (first.z_two_sample, first.z_sample)
    assert a.difference == pytest.approx(a.p_r - a.p_u)
    assert a.difference_low < a.difference < a.difference_high < 0
    assert a.p_u_low < a.p_u < a.p_u_high
    compared = rgf_table.compare(table)
    assert compared.p_value[:2].tolist() == [a.p_value, b.p_value]
    again = rgf_table.from_records(json.loads(json.dumps(rgf_table.to_records(table))))
    assert repr(again) == repr(table)
    assert rgf_table.compare(again).gap == compared.gap


def test_a_single_training_has_the_gap_of_its_samples():
    single = build(test="trainings")
    assert {row.verdict for row in single} == {"too few trainings", "too few samples"}
    assert rgf_table.mean_gap(single) == pytest.approx(rgf_table.mean_gap(build()))
    assert rgf_table.gap_interval(single, 0) == pytest.approx(rgf_table.gap_interval(build(), 0))
    assert [row.p_r for row in single] == [row.p_r for row in build()]


def test_tests_of_samples_are_of_the_first_trainings():
    assert repr(build(MORE_SKEWED, MORE_BALANCED)) == repr(build(MORE_SKEWED[0], MORE_BALANCED[0]))
