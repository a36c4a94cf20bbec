"""The Fréchet distance against golden values, a matrix root and hand arithmetic."""

from pathlib import Path

import numpy as np
import pytest
from scipy import linalg

from rgf_keras.errors import RgfError
from rgf_keras.metrics import frechet

GOLDEN = Path(__file__).parents[1] / "golden"


def clouds(n=300, d=8, seed=0, shift=0.5):
    """Two correlated Gaussian clouds that differ in mean and covariance."""
    rng = np.random.default_rng(seed)
    mixes = rng.normal(size=(2, d, d))
    real, generated = (rng.normal(size=(n, d)) @ mix for mix in mixes)
    return real, generated + shift


def by_matrix_root(real, generated):
    covariances = [np.cov(features, rowvar=False) for features in (real, generated)]
    root = linalg.sqrtm(covariances[0] @ covariances[1])
    shift = real.mean(0) - generated.mean(0)
    return shift @ shift + np.trace(covariances[0] + covariances[1] - 2 * root.real)


def test_golden_value():
    with np.load(GOLDEN / "frechet.npz") as golden:
        found = frechet.frechet_distance(golden["real"], golden["generated"])
        assert found == pytest.approx(float(golden["distance"]), rel=1e-9)


@pytest.mark.parametrize("d", [2, 8, 32])
def test_equals_the_matrix_root(d):
    real, generated = clouds(d=d)
    found = frechet.frechet_distance(real, generated)
    assert found == pytest.approx(by_matrix_root(real, generated), rel=1e-9)
    assert frechet.frechet_distance(generated, real) == pytest.approx(found, rel=1e-9)


def test_in_one_dimension_by_hand():
    # Means 0 and 3, variances 2 and 8: 3² + (√8 − √2)² = 9 + 2.
    real, generated = np.array([[-1.0], [1.0]]), np.array([[1.0], [5.0]])
    assert frechet.distance(frechet.moments(real), frechet.moments(generated)) == pytest.approx(11)


def test_a_shift_adds_its_square():
    real, _ = clouds()
    shift = np.arange(8) / 10
    assert frechet.frechet_distance(real, real + shift) == pytest.approx(shift @ shift, rel=1e-9)


def test_identical_sets_have_no_distance():
    real, _ = clouds()
    assert frechet.frechet_distance(real, real[::-1]) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("constant", [0.0, 7.0])
def test_a_constant_feature_is_no_obstacle(constant):
    real, generated = (features.copy() for features in clouds())
    without = frechet.frechet_distance(np.delete(real, 3, 1), np.delete(generated, 3, 1))
    real[:, 3] = generated[:, 3] = constant
    assert frechet.frechet_distance(real, generated) == pytest.approx(without, rel=1e-6)


def test_float32_features_are_accumulated_in_float64():
    real, generated = (features.astype(np.float32) + 1000 for features in clouds())
    assert frechet.frechet_distance(real, generated) == frechet.frechet_distance(
        real.astype(np.float64), generated.astype(np.float64)
    )


def test_the_order_of_rows_does_not_matter():
    real, generated = clouds()
    mixed = real[np.random.default_rng(1).permutation(len(real))]
    assert frechet.frechet_distance(mixed, generated) == pytest.approx(
        frechet.frechet_distance(real, generated), rel=1e-9
    )


def test_weights_count_rows():
    real, _ = clouds(5, 2)
    weighted = frechet.moments(real, np.array([2, 0, 1, 1, 3]))
    repeated = frechet.moments(real[[0, 0, 2, 3, 4, 4, 4]])
    np.testing.assert_allclose(weighted.mean, repeated.mean)
    np.testing.assert_allclose(weighted.covariance, repeated.covariance)


@pytest.mark.parametrize("n", [2, 10, 32])
def test_fewer_samples_than_dimensions_warn_and_stay_finite(n):
    real, generated = clouds(200, 32)
    with pytest.warns(UserWarning, match=f"{n} samples in 32 dimensions: .* use more samples"):
        found = frechet.frechet_distance(real, generated[:n])
    assert np.isfinite(found)
    assert found > 0


@pytest.mark.parametrize(
    ("real", "generated", "message"),
    [
        (np.zeros((9, 2)), np.full((9, 2), np.nan), "must be finite"),
        (np.full((9, 2), np.inf), np.zeros((9, 2)), "must be finite"),
        (np.zeros((9, 2)), np.zeros((9, 3)), r"differ in width: \(9, 2\) and \(9, 3\)"),
        (np.zeros((9, 2)), np.zeros((9, 2, 2)), "must be"),
    ],
)
def test_bad_features(real, generated, message):
    with pytest.raises(RgfError, match=message):
        frechet.frechet_distance(real, generated)


@pytest.mark.filterwarnings("ignore:Fréchet distance of 1 samples")
def test_one_sample_has_no_covariance():
    with pytest.raises(RgfError, match="n ≥ 2"):
        frechet.frechet_distance(np.zeros((9, 2)), np.zeros((1, 2)))


def test_the_bootstrap_interval_holds_the_value_and_shrinks_with_n():
    real, generated = clouds(3200, 4)
    widths = []
    for n in (50, 400, 3200):
        found = frechet.bootstrap(real[:n], generated[:n], seed=0)
        assert found.low <= found.value <= found.high
        assert found.value == frechet.frechet_distance(real[:n], generated[:n])
        widths.append(found.high - found.low)
    # Eight times the samples: √8 ≈ 2.8 times narrower each time; allow for noise.
    assert widths[0] > 1.7 * widths[1] > 1.7**2 * widths[2]


def test_the_bootstrap_interval_covers_the_truth_about_as_often_as_it_says():
    # Two standard normal clouds, means 1 apart in each of two dimensions: the distance is 2.
    hits = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        real, generated = rng.normal(size=(2, 400, 2))
        found = frechet.bootstrap(real, generated + 1, seed, num_resamples=40)
        hits += found.low <= 2 <= found.high
    assert 86 <= hits <= 100  # four standard errors below 95


def test_the_bootstrap_depends_on_its_seed_alone():
    sets = clouds()
    first = frechet.bootstrap(*sets, seed=1)
    np.random.seed(0)
    assert frechet.bootstrap(*sets, seed=1) == first
    assert frechet.bootstrap(*sets, seed=2) != first


def test_more_confidence_means_a_wider_interval():
    wide, narrow = (frechet.bootstrap(*clouds(), seed=0, confidence=c) for c in (0.99, 0.8))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_the_bootstrap_of_no_distance_does_not_go_below_zero():
    real, _ = clouds()
    assert frechet.bootstrap(real, real, seed=0).low == 0


# ------------------------------------------------------------------------------------ statistics


def write_statistics(path, real):
    np.savez(path, mu=real.mean(0), sigma=np.cov(real, rowvar=False))
    return path


def test_statistics_stand_for_the_features(tmp_path):
    real, generated = clouds()
    read = frechet.read_moments(write_statistics(tmp_path / "statistics.npz", real))
    expected = frechet.frechet_distance(real, generated)
    assert frechet.frechet_distance(read, generated) == pytest.approx(expected, rel=1e-9)
    both = frechet.moments(real), frechet.moments(generated)
    assert frechet.frechet_distance(*both) == expected


def test_statistics_know_of_how_many_features_they_are():
    real, generated = clouds(n=20, d=32)
    with pytest.warns(UserWarning, match="20 samples in 32 dimensions"):
        frechet.frechet_distance(frechet.moments(real), np.tile(generated, (9, 1)))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (None, "there are no statistics"),
        ({"mu": np.zeros(3)}, "holds no statistics .*; give an .npz with mu and sigma"),
        ({"mu": np.array([None]), "sigma": np.eye(1)}, "holds no statistics .*allow_pickle"),
        ({"mu": np.zeros(3), "sigma": np.eye(2)}, r"must be \(d,\) and \(d, d\), received \(3,\)"),
        ({"mu": np.zeros(2), "sigma": np.eye(2) * np.nan}, "must be finite"),
    ],
)
def test_bad_statistics(tmp_path, arrays, message):
    path = tmp_path / "statistics.npz"
    if arrays is not None:
        np.savez(path, **arrays)
    with pytest.raises(RgfError, match=message) as caught:
        frechet.read_moments(path)
    assert "\n" not in str(caught.value)


def test_statistics_of_another_width(tmp_path):
    real, generated = clouds()
    read = frechet.read_moments(write_statistics(tmp_path / "statistics.npz", real[:, :3]))
    with pytest.raises(RgfError, match=r"differ in width: \(3,\) and \(300, 8\); use one"):
        frechet.frechet_distance(read, generated)
