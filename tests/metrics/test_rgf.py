"""The RGF test against independent implementations, and whether it keeps its promises."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint, proportions_ztest

from rgf_keras.errors import ArgumentError, RgfError
from rgf_keras.metrics import rgf

GOLDEN = Path(__file__).parents[1] / "golden"
NUM_COMPARISONS = 20_000


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "proportions.npz") as file:
        return dict(file)


# ------------------------------------------------------------------------------ z and p


@pytest.mark.parametrize("variance", ["sample", "reference"])
def test_one_sample_z_equals_the_golden_values(golden, variance):
    z = rgf.proportion_z(golden["count"], golden["nobs"], golden["reference"], variance)
    np.testing.assert_allclose(z, golden[f"z_{variance}_variance"], rtol=1e-9)
    np.testing.assert_allclose(rgf.p_value(z), golden[f"p_{variance}_variance"], rtol=1e-9)


@pytest.mark.parametrize(
    ("variance", "expected"),
    [
        ("sample", (0.6 - 0.5) / (0.6 * 0.4 / 100) ** 0.5),
        ("reference", (0.6 - 0.5) / (0.5 * 0.5 / 100) ** 0.5),  # = 2
    ],
)
def test_one_sample_z_by_hand(variance, expected):
    assert rgf.proportion_z(60, 100, 0.5, variance) == pytest.approx(expected)


def test_equation_1_to_the_letter():
    # P_u .35, P_r .87, n_c 122: the paper's "1" of the GAN
    count = 0.87 * 122
    z = [rgf.proportion_z(count, 122, 0.35, "reference", num) for num in (1000, None)]
    assert np.round(z, 1).tolist() == [34.5, 12.0]
    with pytest.raises(ArgumentError, match="num_samples"):
        rgf.proportion_z(1, 2, 0.5, "reference", num_samples=-1)


def test_two_sample_z_equals_statsmodels():
    rng = np.random.default_rng(0)
    nobs, reference_nobs = rng.integers(5, 500, (2, 50))
    count, reference_count = rng.binomial(nobs, 0.4), rng.binomial(reference_nobs, 0.5)
    z = rgf.two_sample_z(count, nobs, reference_count, reference_nobs)
    pairs = zip(count, reference_count, nobs, reference_nobs, strict=True)
    expected = [proportions_ztest([a, b], [n, m]) for a, b, n, m in pairs]
    np.testing.assert_allclose(z, [z for z, _ in expected], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(rgf.p_value(z), [p for _, p in expected], rtol=1e-9)


@pytest.mark.parametrize(
    ("count", "nobs", "reference", "variance", "expected"),
    [
        (10, 10, 0.5, "sample", np.inf),  # no variance in the sample
        (0, 10, 0.5, "sample", -np.inf),
        (1, 10, 0.0, "reference", np.inf),  # none in the reference
        (9, 10, 1.0, "reference", -np.inf),
        (10, 10, 1.0, "sample", 0),
        (0, 10, 0.0, "reference", 0),
        (0, 0, 0.5, "sample", np.nan),
        (0, 0, 0.5, "reference", np.nan),
        (5, 10, np.nan, "sample", np.nan),
    ],
)
def test_one_sample_z_at_the_edges(count, nobs, reference, variance, expected):
    np.testing.assert_equal(float(rgf.proportion_z(count, nobs, reference, variance)), expected)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((0, 10, 0, 10), 0),
        ((10, 10, 20, 20), 0),
        ((0, 0, 5, 10), np.nan),
        ((5, 10, 0, 0), np.nan),
        ((10, 10, 0, 10), 20**0.5),  # 1 / √(½ · ½ · ⅕)
    ],
)
def test_two_sample_z_at_the_edges(counts, expected):
    np.testing.assert_allclose(rgf.two_sample_z(*counts), expected)


def test_arguments_broadcast():
    z = rgf.proportion_z(np.array([[5], [6]]), 10, np.array([0.5, 0.6, 0.7]))
    assert z.shape == (2, 3)
    assert z[0, 0] == z[1, 1] == 0


def test_unknown_variance():
    with pytest.raises(RgfError, match="variance must be 'sample' or 'reference', received 'both'"):
        rgf.proportion_z(1, 2, 0.5, "both")


@pytest.mark.parametrize(
    ("z", "expected"), [(0, 1), (1.959963984540054, 0.05), (-np.inf, 0), (np.nan, np.nan)]
)
def test_p_values(z, expected):
    np.testing.assert_allclose(rgf.p_value(z), expected)


# ------------------------------------------------------------------- verdicts, Holm, Wilson, gap


@pytest.mark.parametrize(
    ("z", "rare", "expected"),
    [
        (1.9, True, "learned"),
        (-1.9, False, "learned"),
        (2.0, True, "memorized"),  # too many images with the factor in its class
        (-2.0, False, "memorized"),  # too few in the others
        (-2.0, True, "deviates"),
        (2.0, False, "deviates"),
        (np.inf, True, "memorized"),
        (-np.inf, False, "memorized"),
        (np.inf, False, "deviates"),
        (np.nan, True, "too few samples"),
        (np.nan, False, "too few samples"),
    ],
)
def test_verdicts(z, rare, expected):
    assert rgf.verdict(z, rare) == expected


def test_verdicts_follow_alpha_and_given_p_values():
    assert rgf.verdict(2.0, True, alpha=0.01) == "learned"
    assert rgf.decide(0.2, 2.0, True) == "learned"


@pytest.mark.parametrize("seed", range(5))
def test_holm_equals_statsmodels(seed):
    p = np.random.default_rng(seed).beta(0.3, 2, 12)
    np.testing.assert_allclose(rgf.holm(p), multipletests(p, method="holm")[1])


def test_holm_by_hand_and_without_tests():
    # Sorted .01 .02 .9 times 3, 2, 1; the NaN is no test.
    np.testing.assert_allclose(rgf.holm([0.02, np.nan, 0.01, 0.9]), [0.04, np.nan, 0.03, 0.9])
    np.testing.assert_equal(rgf.holm([np.nan, np.nan]), [np.nan, np.nan])


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_equals_statsmodels(confidence):
    count, nobs = np.array([0, 1, 5, 50, 99, 100]), np.array([10, 10, 10, 100, 100, 100])
    expected = proportion_confint(count, nobs, 1 - confidence, method="wilson")
    np.testing.assert_allclose(
        rgf.wilson_interval(count, nobs, confidence), expected, rtol=1e-9, atol=1e-12
    )


def test_wilson_of_no_trials_is_everything():
    np.testing.assert_allclose(rgf.wilson_interval(0, 0), (0, 1), atol=1e-12)


def test_gap_of_two_values_is_the_difference_of_shares():
    counts = [[0, 10], [3, 1], [0, 0]]
    found = rgf.gap(counts, [[5, 5], [20, 20], [5, 5]])
    np.testing.assert_allclose(found, [0.5, 0.25, np.nan])


def test_gap_of_more_values_is_the_share_that_moved():
    assert rgf.gap([10, 0, 0], [5, 3, 2]) == pytest.approx(0.5)
    assert rgf.gap([2, 3, 5], [20, 30, 50]) == pytest.approx(0)


# ------------------------------------------------------------------- factors of several values


def test_chi_square_of_two_samples_equals_scipy():
    rng = np.random.default_rng(0)
    counts, reference = rng.integers(1, 60, (2, 30, 4))
    statistic, degrees = rgf.chi_square(counts, reference)
    pairs = zip(counts, reference, strict=True)
    expected = [stats.chi2_contingency([a, b], correction=False) for a, b in pairs]
    np.testing.assert_allclose(statistic, [e.statistic for e in expected])
    np.testing.assert_allclose(degrees, 3)
    np.testing.assert_allclose(
        rgf.chi_square_p_value(statistic, degrees), [e.pvalue for e in expected]
    )


def test_chi_square_of_fit_equals_scipy():
    counts, reference = np.array([20, 30, 50]), np.array([300, 300, 400])
    expected = stats.chisquare(counts, 100 * reference / 1000)
    statistic, _ = rgf.chi_square(counts, reference, "reference")
    assert statistic == pytest.approx(expected.statistic)


@pytest.mark.parametrize("test", ["two_sample", "sample", "reference"])
def test_chi_square_of_two_values_is_z_squared(test):
    rng = np.random.default_rng(0)
    counts, reference = rng.integers(1, 60, (2, 30, 2))
    n, m = counts.sum(1), reference.sum(1)
    if test == "two_sample":
        z = rgf.two_sample_z(counts[:, 1], n, reference[:, 1], m)
    else:
        z = rgf.proportion_z(counts[:, 1], n, reference[:, 1] / m, test)
    statistic, degrees = rgf.chi_square(counts, reference, test)
    np.testing.assert_allclose(statistic, z**2)
    np.testing.assert_allclose(rgf.chi_square_p_value(statistic, degrees), rgf.p_value(z))


@pytest.mark.parametrize(
    ("counts", "reference", "statistic", "degrees", "p"),
    [
        ([5, 0, 5], [50, 0, 50], 0, 1, 1),  # a value that never occurs is none
        ([9, 0, 0], [7, 0, 0], 0, 0, 1),
        ([0, 0, 0], [5, 3, 2], np.nan, 2, np.nan),
        ([10, 0, 0], [0, 0, 10], 20, 1, stats.chi2.sf(20, 1)),
    ],
)
def test_chi_square_at_the_edges(counts, reference, statistic, degrees, p):
    found, free = rgf.chi_square(counts, reference)
    np.testing.assert_allclose((found, free), (statistic, degrees))
    np.testing.assert_allclose(rgf.chi_square_p_value(found, free), p)


def test_calibration_of_the_chi_square_test():
    rng = np.random.default_rng(0)
    counts, reference = rng.multinomial(200, [0.4, 0.3, 0.2, 0.1], (2, NUM_COMPARISONS))
    found = np.mean(rgf.chi_square_p_value(*rgf.chi_square(counts, reference)) < 0.05)
    error = 4 * (0.05 * 0.95 / NUM_COMPARISONS) ** 0.5
    assert found == pytest.approx(0.05, abs=error)


# ------------------------------------------------------------------------- does the test keep α?


def rejections(p_u, p_r, n):
    """Share of simulated two-model comparisons with p < 0.05, per form of the test."""
    rng = np.random.default_rng(0)
    count_u, count_r = (rng.binomial(n, p, NUM_COMPARISONS) for p in (p_u, p_r))
    z = {
        "two_sample": rgf.two_sample_z(count_r, n, count_u, n),
        "sample": rgf.proportion_z(count_r, n, count_u / n, "sample"),
        "reference": rgf.proportion_z(count_r, n, count_u / n, "reference"),
    }
    return {name: float(np.mean(rgf.p_value(values) < 0.05)) for name, values in z.items()}


def exact_size(p, n):
    """The two-sample test's true level: counts are discrete, so it is not 0.05 to the digit."""
    counts = np.arange(n + 1)
    chance = stats.binom.pmf(counts, n, p)
    z = rgf.two_sample_z(counts[:, None], n, counts[None, :], n)
    return float(np.sum(np.outer(chance, chance)[rgf.p_value(z) < 0.05]))


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_calibration_two_equal_models(p):
    found = rejections(p, p, n=100)
    print(f"\nnull, P = {p}, n = 100:", found)
    level = exact_size(p, 100)
    assert level == pytest.approx(0.05, abs=0.01)
    # Four standard errors of a binomial share.
    error = 4 * (level * (1 - level) / NUM_COMPARISONS) ** 0.5
    assert found["two_sample"] == pytest.approx(level, abs=error)
    # The paper's forms take P_u as exact: their variance is half of what it should be, so they
    # reject P(|Z| > 1.96/√2) = 17 % of equal models.
    for name in ("sample", "reference"):
        assert found[name] > 0.1
        assert found[name] == pytest.approx(0.1658, abs=0.03)


def test_power_of_the_leakage_found_in_the_paper():
    found = rejections(0.35, 0.87, n=100)
    print("\nP_u = 0.35, P_r = 0.87, n = 100:", found)
    assert found["two_sample"] > 0.999


@pytest.mark.parametrize("n", [100, 500])
def test_power_grows_with_the_leak(n):
    leaks = (0.0, 0.05, 0.1, 0.2)
    power = [rejections(0.5, 0.5 + leak, n)["two_sample"] for leak in leaks]
    print(f"\nP_u = 0.5, n = {n}, power by leak:", dict(zip(leaks, power, strict=True)))
    assert (np.diff(power) > 0).all()
    # Normal approximation: Φ(|leak| / √(variance of the difference) − 1.96).
    for leak, found in zip(leaks[1:], power[1:], strict=True):
        spread = ((0.25 + (0.5 + leak) * (0.5 - leak)) / n) ** 0.5
        assert found == pytest.approx(stats.norm.cdf(leak / spread - 1.96), abs=0.04)


def test_unknown_tests_and_shares_are_named():
    with pytest.raises(ArgumentError, match="unknown test 'two_samples'; known: two_sample, "):
        rgf.chi_square([1, 2], [2, 1], "two_samples")
    with pytest.raises(ArgumentError, match=r"confidence must lie in \(0, 1\), received 95"):
        rgf.wilson_interval(5, 10, confidence=95)
