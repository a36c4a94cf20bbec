"""Precision, recall, density, coverage and the kernel distance against other implementations."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from rgf_keras.errors import RgfError
from rgf_keras.metrics import distribution


def clouds(n=150, m=120, d=5, shift=0.7, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), 0.8 * rng.normal(size=(m, d)) + shift


def radii(features, k):
    """Distance to the k-th neighbour; scikit-learn leaves the point itself out."""
    return NearestNeighbors(n_neighbors=k).fit(features).kneighbors()[0][:, -1]


# ------------------------------------------------------- precision, recall, density, coverage


@pytest.mark.parametrize("k", [1, 3, 7])
@pytest.mark.parametrize("shift", [0.0, 0.7, 2.0])
def test_precision_and_recall_equal_the_definition(k, shift):
    real, generated = clouds(shift=shift)

    def share_inside(points, manifold):
        reach = radii(manifold, k)
        inside = [np.any(np.linalg.norm(manifold - point, axis=1) <= reach) for point in points]
        return np.mean(inside)

    found = distribution.precision_recall(real, generated, k)
    assert found.precision == share_inside(generated, real)
    assert found.recall == share_inside(real, generated)


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("shift", [0.0, 0.7, 2.0])
def test_density_and_coverage_equal_the_definition(k, shift):
    real, generated = clouds(shift=shift)
    inside = cdist(real, generated) <= radii(real, k)[:, None]
    found = distribution.density_coverage(real, generated, k)
    assert found.density == pytest.approx(inside.sum() / (k * len(generated)))
    assert found.coverage == inside.any(1).mean()


def test_equal_sets():
    real, _ = clouds()
    assert distribution.precision_recall(real, real) == distribution.PrecisionRecall(1, 1)
    found = distribution.density_coverage(real, real)
    assert found.coverage == 1
    assert found.density > 1, "each sample is in its own ball too"


def test_spheres_belong_to_balls():
    # Balls around 0, 1 and 3 of radius 1, 1 and 2: −1 is on the first one's sphere.
    real, generated = np.array([[0.0], [1.0], [3.0]]), np.array([[-1.0]])
    found = distribution.density_coverage(real, generated, k=1)
    assert found == distribution.DensityCoverage(1, 1 / 3)
    assert distribution.precision_recall(real, real[:2], k=1).precision == 1


def test_sets_far_apart():
    real, generated = clouds(shift=100)
    assert distribution.precision_recall(real, generated) == distribution.PrecisionRecall(0, 0)
    assert distribution.density_coverage(real, generated) == distribution.DensityCoverage(0, 0)


def test_equal_distributions_have_the_expected_density_and_coverage():
    real, generated = (np.random.default_rng(seed).normal(size=(2000, 3)) for seed in (0, 1))
    found = distribution.density_coverage(real, generated, k=5)
    assert found.density == pytest.approx(1, abs=0.05)
    assert found.coverage == pytest.approx(1 - 2**-5, abs=0.02)


def test_a_lost_mode_costs_recall_and_an_invented_one_precision():
    rng = np.random.default_rng(0)
    both = rng.normal(size=(400, 2)) + 50 * (np.arange(400) % 2)[:, None]
    one = rng.normal(size=(200, 2))
    lost, invented = (distribution.precision_recall(*pair) for pair in ((both, one), (one, both)))
    assert lost.precision > 0.9
    assert lost.recall == pytest.approx(0.5, abs=0.05)
    assert (invented.recall, invented.precision) == (lost.precision, lost.recall)


# ---------------------------------------------------------------------- the kernel distance


def test_the_kernel_distance_of_whole_sets_equals_scikit_learn():
    real, generated = clouds(100, 100)
    kernels = [
        polynomial_kernel(a, b, degree=3, gamma=None, coef0=1)  # gamma None is 1/d
        for a, b in ((real, real), (generated, generated), (real, generated))
    ]
    off_diagonal = ~np.eye(100, dtype=bool)
    expected = kernels[0][off_diagonal].mean() + kernels[1][off_diagonal].mean()
    expected -= 2 * kernels[2].mean()
    found = distribution.kid(real, generated, seed=0, num_subsets=3)
    assert found.mean == pytest.approx(expected, rel=1e-9)
    assert found.std == pytest.approx(0, abs=1e-12)


def test_the_kernel_distance_by_hand():
    # d = 1: k(0, 0) = 1, k(1, 1) = 8, k(0, 1) = 1, so 1 + 8 − 2 · 1.
    found = distribution.kid(np.zeros((2, 1)), np.ones((2, 1)), seed=0, num_subsets=1)
    assert found == distribution.KernelDistance(7, 0)


def test_subsets_are_drawn_by_the_seed_and_average_to_the_whole():
    real, generated = clouds(300, 300)
    whole = distribution.kid(real, generated, seed=0, num_subsets=1)
    found = distribution.kid(real, generated, seed=0, num_subsets=400, subset_size=100)
    assert found.std > 0
    assert found.mean == pytest.approx(whole.mean, abs=4 * found.std / 400**0.5)
    np.random.seed(0)
    again, other = (
        distribution.kid(real, generated, seed, num_subsets=400, subset_size=100) for seed in (0, 1)
    )
    assert again == found
    assert other != found


def test_it_is_unbiased_when_nothing_differs():
    draws = []
    for seed in range(200):
        real, generated = np.random.default_rng(seed).normal(size=(2, 50, 4))
        draws.append(distribution.kid(real, generated, seed, num_subsets=1).mean)
    assert np.mean(draws) == pytest.approx(0, abs=4 * np.std(draws) / 200**0.5)
    assert min(draws) < 0


def test_float32_features_are_summed_in_float64():
    real, generated = (x.astype(np.float32) for x in clouds(200, 200, shift=5))
    single = distribution.kid(real, generated, seed=0, num_subsets=2)
    double = distribution.kid(*(x.astype(np.float64) for x in (real, generated)), 0, 2)
    assert single == double


# -------------------------------------------------------------------------------------- bad input

GOOD = np.arange(12.0).reshape(6, 2)


@pytest.mark.parametrize(
    "measure",
    [
        distribution.precision_recall,
        distribution.density_coverage,
        lambda real, generated: distribution.kid(real, generated, seed=0),
    ],
)
@pytest.mark.parametrize(
    ("real", "generated", "message"),
    [
        (GOOD[:0], GOOD, r"real \(0, 2\) holds no features; give at least one row"),
        (GOOD, GOOD[:, :1], r"real \(6, 2\) and generated \(6, 1\); use one extractor"),
        (GOOD, GOOD * np.nan, "generated must be finite, received NaN or infinity"),
    ],
)
def test_bad_features(measure, real, generated, message):
    with pytest.raises(RgfError, match=message) as error:
        measure(real, generated)
    assert "\n" not in str(error.value)


def test_too_few_samples():
    with pytest.raises(
        RgfError, match=r"k must lie in \[1, 2\], the references to find, received 3"
    ):
        distribution.precision_recall(GOOD[:3], GOOD)
    with pytest.raises(RgfError, match="kid needs one subset of two samples, received 100 of 1"):
        distribution.kid(GOOD[:1], GOOD, seed=0)
    with pytest.raises(RgfError, match="received 0 of 6"):
        distribution.kid(GOOD, GOOD, seed=0, num_subsets=0)
