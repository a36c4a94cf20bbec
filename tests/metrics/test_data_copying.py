"""The C_T test and its relatives: golden values, independent forms, calibration and power."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from rgf_keras.errors import ArgumentError, RgfError
from rgf_keras.metrics import copying, data_copying

GOLDEN = Path(__file__).parents[1] / "golden" / "data_copying.npz"


def gaussian(sizes=(300, 200, 250), d=4, num_cells=3, seed=0):
    """Train, test and generated features of one distribution, and their cells."""
    rng = np.random.default_rng(seed)
    sets = [rng.normal(size=(size, d)) for size in sizes]
    return sets, [np.floor(num_cells * stats.norm.cdf(x[:, 0])).astype(int) for x in sets]


def measured(sets, cells, min_cell_fraction=0.0):
    return data_copying.c_t(*sets, *cells, min_cell_fraction)


def on_a_line(test, generated):
    """A test of one cell whose distances are given: the training sample is at 0."""
    sets = [np.zeros(1), np.asarray(test, float), np.asarray(generated, float)]
    return measured([x[:, np.newaxis] for x in sets], [np.zeros(len(x), int) for x in sets])


# ---------------------------------------------------------------------------------------- C_T


def test_golden_values():
    with np.load(GOLDEN) as golden:
        names = ("train", "test", "generated", "train_cells", "test_cells", "generated_cells")
        found = data_copying.c_t(
            *(golden[name] for name in names), float(golden["min_cell_fraction"])
        )
        np.testing.assert_allclose(found.z_cells, golden["z_cells"], rtol=0, atol=1e-9)
        assert found.c_t == pytest.approx(float(golden["c_t"]), abs=1e-9)
        assert found.z_global == pytest.approx(float(golden["z_global"]), abs=1e-9)


def z_by_pairs(generated, test, train):
    """z from the definition of U, all pairs of distances."""
    a, b = cdist(generated, train).min(1)[:, None], cdist(test, train).min(1)[None, :]
    u = np.mean((a > b) + (a == b) / 2) * a.size * b.size
    mean, variance = a.size * b.size / 2 - 0.5, a.size * b.size * (a.size + b.size + 1) / 12
    return (u - mean) / variance**0.5


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_definition(seed):
    sets, cells = gaussian(num_cells=5, seed=seed)
    share = np.bincount(cells[2], minlength=5) / len(cells[2])
    threshold = np.unique(share)[1]  # a share equal to it is not more
    found = measured(sets, cells, threshold)
    by_cell = [[x[of == cell] for x, of in zip(sets, cells, strict=True)] for cell in range(5)]
    expected = [z_by_pairs(generated, test, train) for train, test, generated in by_cell]
    np.testing.assert_allclose(found.z_cells, expected)
    counted = share > threshold
    assert 0 < counted.sum() < 4
    np.testing.assert_array_equal(found.counted, counted)
    num_test = np.bincount(cells[1])[counted]
    assert found.c_t == pytest.approx(np.average(np.array(expected)[counted], weights=num_test))
    assert found.z_global == pytest.approx(z_by_pairs(sets[2], sets[1], sets[0]))


def test_a_cell_without_generated_samples_is_0_and_left_out():
    sets, cells = gaussian()
    kept = cells[2] != 1
    without = measured([*sets[:2], sets[2][kept]], [*cells[:2], cells[2][kept]])
    assert without.z_cells[1] == 0
    assert without.weights[1] == 0
    others = without.weights @ measured(sets, cells).z_cells
    assert without.c_t == pytest.approx(others)


def test_cells_may_have_any_labels():
    sets, cells = gaussian()
    found = measured(sets, [10 * labels - 7 for labels in cells])
    assert [cell.label for cell in found.cells] == [-7, 3, 13]
    assert found.c_t == measured(sets, cells).c_t


def test_equal_distances_count_half():
    # Two of three pairs larger, one equal: U = 2.5; n = 1, m = 3.
    found = on_a_line([1.0], [1.0, 2.0, 3.0])
    assert found.c_t == pytest.approx((2.5 - 1) / (3 * 5 / 12) ** 0.5)


# -------------------------------------------------------------------------------------- cells


def blobs(num, size=60, d=100, seed=0):
    """Far apart blobs in d dimensions, and which one each row is from."""
    centres = 20 * np.random.default_rng(5).normal(size=(num, d))
    labels = np.repeat(np.arange(num), size)
    return centres[labels] + np.random.default_rng(seed).normal(size=(len(labels), d)), labels


def test_cells_are_the_clusters_of_the_training_set():
    (train, truth), (test, test_truth) = blobs(4), blobs(4, size=10, seed=1)
    labels, test_labels = data_copying.cells(train, test, num_cells=4, seed=0)
    pairs = set(zip(truth.tolist(), labels.tolist(), strict=True))
    assert len(pairs) == 4, "one cell per blob"
    assert set(zip(test_truth.tolist(), test_labels.tolist(), strict=True)) == pairs


def test_cells_depend_on_their_seed_and_the_training_set_alone():
    (train, test, generated), _ = gaussian(d=6)
    first = data_copying.cells(train, test, num_cells=5, seed=0)
    np.random.seed(1)
    again = data_copying.cells(train, generated, test, num_cells=5, seed=0)
    np.testing.assert_array_equal(again[0], first[0])
    np.testing.assert_array_equal(again[2], first[1])
    other = data_copying.cells(train, test, num_cells=5, seed=1)
    assert (other[0] != first[0]).any()


def test_components_beyond_the_first_do_not_shape_cells():
    rng = np.random.default_rng(0)
    train = np.stack([100 * rng.choice([-1, 1], 200), rng.choice([-9, 9], 200)], 1)
    train = train + rng.normal(size=train.shape)
    (labels,) = data_copying.cells(train, num_cells=2, seed=0, num_components=1)
    assert len(set(zip(labels, train[:, 0] > 0, strict=True))) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_cells": 21}, "20 training samples for 21 cells; use fewer cells"),
        ({"num_cells": 0}, "num_cells and num_components must be at least 1, received 0, 64"),
        ({"num_cells": 2, "num_components": 0}, "must be at least 1, received 2, 0"),
    ],
)
def test_bad_cells(options, message):
    with pytest.raises(RgfError, match=message):
        data_copying.cells(np.eye(20), seed=0, **options)


def test_features_of_another_width_have_no_cells():
    with pytest.raises(RgfError, match=r"train \(20, 20\) and others\[1\] \(20, 19\)"):
        data_copying.cells(np.eye(20), np.eye(20), np.eye(20)[:, 1:], num_cells=2, seed=0)


# ---------------------------------------------------------------------------------- per class


def two_classes(sizes=(820, 500, 400), seed=0):
    """Train, test and generated features and labels of two classes, half each."""
    rng = np.random.default_rng(seed)
    labels = [np.arange(size) % 2 for size in sizes]
    sets = [rng.normal(size=(len(of), 6)) + 50 * of[:, np.newaxis] for of in labels]
    return sets, labels


def test_per_class_conventions():
    sets, labels = two_classes()
    found = data_copying.c_t_per_class(*sets, *labels, seed=3)
    assert list(found.classes) == [0, 1]
    assert found.c_t == np.mean([found.classes[0].c_t, found.classes[1].c_t])
    for label, of_class in found.classes.items():
        own = [x[of == label] for x, of in zip(sets, labels, strict=True)]
        # min(500 in the reference set, 410 of the class) // 200 = 2 cells; more than 20 of 200.
        cells = data_copying.cells(*own, num_cells=2, seed=3)
        assert of_class.c_t == data_copying.c_t(*own, *cells, 20 / 200).c_t
        assert len(of_class.cells) == 2


@pytest.mark.parametrize(("num_far", "counted"), [(20, 1), (21, 2)])
def test_a_cell_of_a_class_counts_with_more_than_20_generated_samples(num_far, counted):
    rng = np.random.default_rng(0)
    is_far = [np.arange(400) % 2, np.arange(400) % 2, np.arange(300) < num_far]
    sets = [rng.normal(size=(len(far), 2)) + 99 * far[:, np.newaxis] for far in is_far]
    found = data_copying.c_t_per_class(*sets, *(np.zeros(len(x), int) for x in sets), seed=0)
    assert len(found.classes[0].cells) == 2
    assert found.classes[0].counted.sum() == counted


def test_per_class_options_and_small_classes():
    sets, labels = two_classes((120, 90, 80))
    assert len(data_copying.c_t_per_class(*sets, *labels, seed=0).classes[0].cells) == 1
    found = data_copying.c_t_per_class(*sets, *labels, 0, num_cells=3, min_cell_fraction=0.0)
    assert len(found.classes[1].cells) == 3


def test_per_class_errors_name_the_class():
    sets, labels = two_classes((120, 90, 80))
    with pytest.raises(RgfError, match="class 1 has no generated samples; add some or leave"):
        data_copying.c_t_per_class(*sets, *labels[:2], np.zeros(80, int), seed=0)
    with pytest.raises(RgfError, match="class 0: 60 training samples for 70 cells"):
        data_copying.c_t_per_class(*sets, *labels, seed=0, num_cells=70)
    with pytest.raises(RgfError, match=r"class 0: no cell holds more than 0\.99"):
        data_copying.c_t_per_class(*sets, *labels, 0, num_cells=4, min_cell_fraction=0.99)


# ---------------------------------------------------------------------- the permutation null


def test_the_null_is_calibrated():
    """p-values of 100 data sets without copying are uniform (Kolmogorov–Smirnov)."""
    found = []
    for seed in range(100):
        test = measured(*gaussian((60, 40, 40), d=2, seed=seed))
        null = data_copying.permutation_null(test, seed, num_permutations=199)
        found.append((null.p_copying, null.p_underfitting, null.p))
    for p in np.transpose(found):
        assert stats.kstest(p, "uniform").pvalue > 0.01
        assert np.mean(p <= 0.1) < 0.2  # 0.1 and more than three standard errors


def test_the_mean_of_classes_has_a_calibrated_null_too():
    found = []
    for seed in range(300):
        sets, labels = two_classes((60, 40, 50), seed)
        tests = data_copying.CopyingTests(
            {
                label: measured(
                    [x[of == label] for x, of in zip(sets, labels, strict=True)],
                    [np.zeros((of == label).sum(), int) for of in labels],
                )
                for label in (0, 1)
            }
        )
        found.append(data_copying.permutation_null(tests, seed, num_permutations=199).p)
    assert stats.kstest(found, "uniform").pvalue > 0.01


@pytest.mark.parametrize("shift", [0.0, -0.5])
def test_in_one_cell_it_is_the_exact_mann_whitney_test(shift):
    rng = np.random.default_rng(3)
    distances, others = rng.uniform(1, 2, 12), rng.uniform(1, 2, 9) + shift
    null = data_copying.permutation_null(on_a_line(distances, others), 0, 20_000)
    for p, alternative in [
        (null.p_copying, "less"),
        (null.p_underfitting, "greater"),
        (null.p, "two-sided"),
    ]:
        exact = stats.mannwhitneyu(
            others, distances, alternative=alternative, method="exact"
        ).pvalue
        assert p == pytest.approx(exact, abs=4 * (exact / 20_000) ** 0.5 + 2e-4)


def test_the_null_spreads_as_its_weights_say():
    test = measured(*gaussian((600, 500, 500), num_cells=8))
    draws = data_copying.permutation_null(test, 0, 2000).draws
    assert draws.std() == pytest.approx(np.sum(test.weights**2) ** 0.5, rel=0.1)
    assert draws.std() < 0.5


def test_all_ties_are_no_evidence():
    null = data_copying.permutation_null(on_a_line(np.ones(9), np.ones(7)), 0, 50)
    assert (null.p, null.p_copying, null.p_underfitting) == (1, 1, 1)


def test_the_null_depends_on_its_seed_alone():
    test = measured(*gaussian())
    first = data_copying.permutation_null(test, 1, 50).draws
    np.random.seed(0)
    np.testing.assert_array_equal(data_copying.permutation_null(test, 1, 50).draws, first)
    assert (data_copying.permutation_null(test, 2, 50).draws != first).any()


# -------------------------------------------------------------------------------------- power


@pytest.mark.parametrize(("share", "strongly"), [(0.2, False), (1.0, True)])
def test_planted_copies_are_found(share, strongly):
    (train, test, generated), (in_train, in_test, in_generated) = gaussian((500, 300, 300))
    num = int(share * len(generated))
    rng = np.random.default_rng(1)
    chosen = rng.choice(len(train), num, replace=False)
    generated[:num] = train[chosen] + 0.01 * rng.normal(size=(num, 4))
    in_generated[:num] = in_train[chosen]
    found = measured([train, test, generated], [in_train, in_test, in_generated])
    null = data_copying.permutation_null(found, seed=0, num_permutations=499)
    assert found.c_t < (-8 if strongly else -1)
    assert null.p_copying <= 0.002 + 1e-9
    assert null.p <= 0.004 + 1e-9
    assert null.p_underfitting > 0.99
    assert data_copying.bootstrap(found, seed=0).high < 0


def test_underfitting_is_the_other_side():
    sets, cells = gaussian()
    sets[2] = 2 * sets[2]
    found = measured(sets, cells)
    null = data_copying.permutation_null(found, seed=0, num_permutations=499)
    assert found.c_t > 3
    assert null.p_underfitting < 0.01
    assert null.p_copying > 0.99


# ----------------------------------------------------------------------- interval, stability


def delong(test, generated):
    """Standard error of U from its placements (DeLong et al. 1988)."""
    larger = (generated[:, None] > test[None, :]) + (generated[:, None] == test[None, :]) / 2
    m, n = larger.shape
    variance = larger.mean(1).var(ddof=1) / m + larger.mean(0).var(ddof=1) / n
    return n * m * variance**0.5


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_the_interval_is_as_wide_as_delong_says(shift):
    rng = np.random.default_rng(0)
    distances, others = rng.gamma(3, size=150), rng.gamma(3, size=100) + shift
    found = data_copying.bootstrap(on_a_line(distances, others), 0, num_resamples=4000)
    error = delong(distances, others) / (150 * 100 * 251 / 12) ** 0.5
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.08)
    assert found.low < found.value < found.high


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    # Exponential distances of rates 1 and 3/2: P(generated > test) = 1 / (1 + 3/2).
    n = m = 60
    truth = (n * m / 2.5 - (n * m / 2 - 0.5)) / (n * m * (n + m + 1) / 12) ** 0.5
    hits = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        test = on_a_line(rng.exponential(1, n), rng.exponential(1 / 1.5, m))
        found = data_copying.bootstrap(test, seed, num_resamples=200)
        hits += found.low <= truth <= found.high
    assert 178 <= hits <= 200  # 190, less four standard errors


def test_the_interval_of_cells_is_that_of_their_weighted_sum():
    test = measured(*gaussian((400, 300, 300)))
    found = data_copying.bootstrap(test, 0)
    errors = [
        delong(cell.test, cell.generated) * float(np.diff(cell.z_of(np.array([0, 1])))[0])
        for cell in test.cells
    ]
    variance = test.weights**2 @ np.square(errors)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * variance**0.5, rel=0.12)
    assert data_copying.bootstrap(test, 0) == found


def test_more_confidence_means_a_wider_interval():
    test = measured(*gaussian())
    wide, narrow = (data_copying.bootstrap(test, 0, 200, confidence) for confidence in (0.99, 0.8))
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: data_copying.bootstrap(t, 0, 0), "num_resamples must be at least 1, received 0"),
        (lambda t: data_copying.bootstrap(t, 0, 9, 1.0), r"confidence must lie in \(0, 1\)"),
        (lambda t: data_copying.permutation_null(t, 0, 0), "num_permutations must be at least 1"),
        (lambda t: data_copying.stability(lambda seed: t, [1]), "at least two seeds, received 1"),
    ],
)
def test_bad_options(call, message):
    with pytest.raises(RgfError, match=message):
        call(on_a_line([1, 2], [3]))


def test_stability_over_seeds():
    (train, test, generated), _ = gaussian((400, 300, 300), d=8)

    def measure(seed):
        cells = data_copying.cells(train, test, generated, num_cells=6, seed=seed)
        return measured([train, test, generated], cells)

    found = data_copying.stability(measure, range(4))
    values = [measure(seed).c_t for seed in range(4)]
    np.testing.assert_array_equal(found.values, values)
    assert found.mean == pytest.approx(sum(values) / 4)
    assert found.std == pytest.approx(np.std(values, ddof=1))
    assert found.std > 0


# ---------------------------------------------------------------------------------- bad input


def spoilt(sets=None, cells=None, min_cell_fraction=0.0):
    """Arguments of :func:`measured`, with some replaced by position."""
    good_sets, good_cells = gaussian()
    for position, value in (sets or {}).items():
        good_sets[position] = value
    for position, value in (cells or {}).items():
        good_cells[position] = value
    return good_sets, good_cells, min_cell_fraction


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sets": {0: np.ones((0, 4))}}, r"train \(0, 4\) holds no features; give at least one"),
        ({"sets": {2: np.ones((250, 5))}}, r"train \(300, 4\) and generated \(250, 5\)"),
        ({"sets": {1: np.full((200, 4), np.nan)}}, "test must be finite, received NaN"),
        ({"sets": {1: np.ones(4)}}, r"test must be \(n, d\) features"),
        ({"cells": {1: np.zeros(200, int)}}, "cell 1 holds no test samples; use fewer cells"),
        ({"cells": {0: np.zeros(300, int)}}, "cell 1 holds no train samples; use fewer cells"),
        ({"cells": {2: np.full(250, 9)}}, "cell 9 holds no train samples"),
        ({"cells": {0: np.zeros(4, int)}}, r"train_cells must be \(300,\) integers, received \(4,"),
        ({"cells": {2: np.zeros(250)}}, r"generated_cells must be \(250,\) integers, received"),
        ({"min_cell_fraction": 0.9}, "no cell holds more than 0.9 of the generated samples"),
    ],
)
def test_bad_input(changes, message):
    with pytest.raises(RgfError, match=message) as error:
        measured(*spoilt(**changes))
    assert "\n" not in str(error.value)


# --------------------------------------------------------------------- few samples in many cells


def spread_sets():
    """61 generated samples in four far cells: none has more than 20."""
    rng = np.random.default_rng(0)
    centres = 100.0 * np.eye(4)
    sizes = {"train": 800, "test": 1000, "generated": 61}
    return [
        (centres[np.arange(n) % 4] + rng.normal(size=(n, 4))).astype(np.float32)
        for n in sizes.values()
    ]


def test_samples_that_no_cell_has_enough_of_are_compared_in_one():
    sets = spread_sets()
    with pytest.raises(data_copying.NoCellCounts, match=r"no cell holds more than 0\.328 of"):
        data_copying.c_t_in(sets, [4], 0, 20 / 61)
    labels = [np.zeros(len(each), int) for each in sets]
    one = data_copying.c_t(*sets, *labels, 20 / 61)
    found = data_copying.c_t_per_class(*sets, *labels, seed=0)
    assert len(found.classes[0].cells) == 1
    assert found.c_t == one.c_t
    with pytest.raises(ArgumentError, match="class 0: no cell holds"):
        data_copying.c_t_per_class(*sets, *labels, seed=0, num_cells=4)


def test_few_samples_of_many_cells_are_measured():
    train, test, _ = spread_sets()
    train = np.concatenate([train, train + 1])
    found = copying.measure(train, test, test[:25], 0, "pixels")
    assert np.isfinite(found.c_t.value)
