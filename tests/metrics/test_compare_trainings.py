"""Verdicts over trainings: golden counts, SciPy, and how often nothing is called something."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import scipy

from rgf_keras.errors import ArgumentError
from rgf_keras.metrics import rgf
from rgf_keras.metrics.trainings import compare_trainings, mean_share, over_trainings

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "trainings.npz")
BALANCED, SKEWED = GOLDEN["balanced"], GOLDEN["skewed"]
CALLED = "memorized", "deviates"


def test_balanced_trainings_are_seldom_called_different():
    verdicts = []
    for i in range(len(BALANCED)):
        compared = rgf.compare_trainings(BALANCED[[i]], np.delete(BALANCED, i, axis=0), 1)
        verdicts += [v for v in compared.verdict[:-1] if v != rgf.TOO_FEW]
        assert compared.gap_p > 0.05
        assert compared.gap_p_prediction > 0.05
    assert len(verdicts) == 73
    assert sum(verdict in CALLED for verdict in verdicts) == 6


@pytest.mark.parametrize("chosen", [*itertools.combinations(range(4), 3), (0, 1, 2, 3)])
def test_skewed_trainings_are_called_memorized(chosen):
    compared = rgf.compare_trainings(SKEWED[list(chosen)], BALANCED, 1)
    assert sum(verdict == "memorized" for verdict in compared.verdict[:-1]) >= 9
    assert compared.gap_p < 0.01
    assert 0.39 < compared.gap_low < compared.gap < compared.gap_high < 0.47


def test_a_single_skewed_training():
    compared = rgf.compare_trainings(SKEWED[:1], BALANCED, 1)
    assert list(compared.verdict[:-1]).count("memorized") >= 6
    assert compared.gap_p == pytest.approx(1 / 9)
    assert compared.gap_p_prediction < 0.001
    assert np.isnan([compared.gap_low, compared.gap_high]).all()


def roots(counts):
    return np.arcsin(np.sqrt(counts[..., 1] / counts.sum(-1)))


def test_three_and_more_trainings_are_welchs_test():
    compared = rgf.compare_trainings(SKEWED, BALANCED, 1, min_class_samples=1)
    for row in (0, 1, 2, 3, 5, 10):
        known = BALANCED[:, row][BALANCED[:, row].sum(-1) > 0]
        expected = scipy.stats.ttest_ind(roots(SKEWED[:, row]), roots(known), equal_var=False)
        assert compared.p_value[row] == pytest.approx(expected.pvalue)
        low, high = expected.confidence_interval(0.95)
        ends = np.sin(np.clip(roots(known).mean() + np.array([low, high]), 0, np.pi / 2)) ** 2
        share = np.sin(roots(known).mean()) ** 2
        assert [compared.low[row], compared.high[row]] == pytest.approx(list(ends - share))
        assert compared.low[row] <= compared.difference[row] <= compared.high[row]


def test_one_training_is_a_prediction():
    compared = rgf.compare_trainings(SKEWED[:1], BALANCED)
    known = roots(BALANCED[:, 0])
    t = (roots(SKEWED[0, 0]) - known.mean()) / (known.std(ddof=1) * np.sqrt(1 + 1 / 8))
    assert compared.p_value[0] == pytest.approx(2 * scipy.stats.t.sf(abs(t), 7))
    assert compared.share_r[0] == 0


# The training's own share is drawn first, as trainings scatter, then its samples.
@pytest.mark.parametrize("scatter", [2.0, 30.0])
@pytest.mark.parametrize(
    ("trainings", "references"), [(1, 3), (1, 8), (2, 3), (2, 8), (3, 3), (3, 8), (4, 5)]
)
def test_equal_models_are_called_different_in_about_5_percent(trainings, references, scatter):
    rng = np.random.default_rng(0)
    num_rows = 4000
    share = rng.beta(scatter, scatter, (trainings + references, num_rows))
    ones = rng.binomial(100, share)
    counts = np.stack([100 - ones, ones], axis=-1)
    compared = rgf.compare_trainings(counts[:trainings], counts[trainings:])
    rate = np.isin(compared.verdict, CALLED).mean()
    assert 0.03 < rate < 0.075
    samples = rgf.two_sample_z(ones[0], 100, ones[-1], 100)
    assert (rgf.p_value(samples) < 0.05).mean() > 0.2  # what a test of samples does


def test_permutation_p_is_uniform_without_a_difference():
    rng = np.random.default_rng(0)
    p = []
    for _ in range(400):
        ones = rng.binomial(100, rng.beta(5, 5, (9, 4)))
        counts = np.stack([100 - ones, ones], axis=-1)
        p.append(rgf.compare_trainings(counts[:3], counts[3:]).gap_p)
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)


def test_many_divisions_are_drawn_from_the_seed():
    counts = np.concatenate([BALANCED, BALANCED])
    first, again, other = (rgf.compare_trainings(SKEWED, counts, 1, seed=s) for s in (0, 0, 1))
    assert first.gap_p == again.gap_p
    assert 0 < first.gap_p <= 0.005
    assert 0 < other.gap_p <= 0.005


def test_too_few_references_or_samples():
    compared = rgf.compare_trainings(SKEWED, BALANCED[:2], 1)
    assert set(compared.verdict) <= {rgf.TOO_FEW, "too few trainings"}
    assert np.isnan(compared.p_value).all()
    assert compared.gap > 0.3
    few = np.full((4, 2, 2), 3)
    compared = rgf.compare_trainings(few[:1], few[1:])
    assert compared.verdict.tolist() == [rgf.TOO_FEW] * 2
    assert (compared.gap, np.isnan(compared.share_r).all()) == (1.0, True)


def test_a_training_with_too_few_samples_of_a_row_is_left_out_there():
    counts = np.array([[[40, 60], [50, 50]], [[1, 1], [40, 60]], [[60, 40], [60, 40]]] * 2)
    compared = rgf.compare_trainings(counts[:1], counts[1:])
    without = rgf.compare_trainings(counts[:1, :1], counts[[2, 3, 5], :1])
    assert compared.p_value[0] == pytest.approx(without.p_value[0])


def test_equal_trainings_differ_by_sampling_alone():
    counts = np.tile([[[100, 0]]], (4, 1, 1))
    assert rgf.compare_trainings(counts[:1], counts[1:]).verdict.tolist() == ["learned"]
    close, far = (np.array([[[100 - x, x]]]) for x in (1, 60))
    verdicts = [rgf.compare_trainings(x, counts, 0).verdict[0] for x in (close, far)]
    assert verdicts == ["learned", "memorized"]


def test_several_values():
    rng = np.random.default_rng(0)
    num_rows = 2000
    counts = rng.multinomial(100, rng.dirichlet([5, 5, 5], (7, num_rows)))
    compared = rgf.compare_trainings(counts[:3], counts[3:])
    assert 0.01 < np.isin(compared.verdict, CALLED).mean() < 0.06
    moved = counts[:3] + np.array([300, 0, 0])
    verdicts = rgf.compare_trainings(moved, counts[3:], 0).verdict
    assert list(verdicts[1:]).count("memorized") > 0.9 * num_rows
    assert verdicts[0] in ("deviates", "learned")


def test_mean_share_of_trainings():
    mean, low, high = mean_share(BALANCED)
    assert ((low < mean) & (mean < high)).all()
    expected = scipy.stats.ttest_1samp(roots(BALANCED[:, 0]), 0).confidence_interval(0.95)
    assert (low[0], high[0]) == pytest.approx(tuple(np.sin(expected) ** 2))


@pytest.mark.parametrize(
    ("counts", "reference", "message"),
    [
        (SKEWED[0], BALANCED, r"counts must be \(trainings, rows, values\)"),
        (SKEWED[:0], BALANCED, "at least one training"),
        (SKEWED, BALANCED[:, :5], "the same rows and values"),
    ],
)
def test_bad_arguments_are_named(counts, reference, message):
    with pytest.raises(ArgumentError, match=message):
        rgf.compare_trainings(counts, reference)


@pytest.mark.parametrize(
    ("reference", "tested"), [([42] * 3, 43), ([41] * 7, 42), ([100] * 11, 99), ([0] * 3, 1)]
)
def test_trainings_that_agree_by_chance_scatter_by_sampling(reference, tested):
    known = np.array([[[100 - n, n]] for n in reference])
    compared = compare_trainings(np.array([[[100 - tested, tested]]]), known)
    assert compared.p_value[0] > 0.05
    assert compared.verdict.tolist() == ["learned"]


def test_means_over_trainings_know_bounds_and_p_values_by_their_names():
    first = {"guest/top_p": 1.0, "x/oracle_low": 1.0, "rgf/gap_p": 0.1, "copying/tail_p/a_low": 0.2}
    second = dict.fromkeys(first, 3.0)
    means = over_trainings([first, second])
    assert means == {**first, "guest/top_p": 2.0, "x/oracle_low": 2.0}


def test_the_bounds_of_a_mean_that_is_none_are_none():
    measured = [{"x": math.nan, "x_low": 0.0, "x_high": 1.0}, {"x": 1.0}]
    assert all(math.isnan(value) for value in over_trainings(measured).values())
