"""Nearness to training samples, against definitions written out."""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import cdist

from rgf_keras.errors import RgfError
from rgf_keras.metrics import copies


def gaussian(sizes=(300, 200, 250), d=4, seed=0):
    """Train, test and generated features of one distribution."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(size, d)) for size in sizes]


def test_shares_of_copies():
    found = copies.share_of_copies(np.array([0, 1e-7, 0.05, 0.1, 0.5]), threshold=0.1)
    assert (found.exact, found.near) == (0.4, 0.8)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_authenticity_equals_the_definition(metric):
    train, _, generated = gaussian()
    generated[:50] = train[:50] + 1e-3
    to_train, own = cdist(generated, train, metric), cdist(train, train, metric)
    expected = [
        row[i] > np.delete(own[i], i).min()
        for row, i in zip(to_train, to_train.argmin(1), strict=True)
    ]
    found = copies.authenticity(train, generated, metric)
    assert found == np.mean(expected)
    assert 0.2 < found < 0.6


def test_copies_are_not_authentic_and_strangers_are():
    train, _, generated = gaussian()
    assert copies.authenticity(train, train[::-1]) == 0
    assert copies.authenticity(train, generated + 100) == 1


@pytest.mark.parametrize("shift", [0.0, 5.0])  # negative cosines, and none
def test_memorization_distance_equals_the_definition(shift):
    train, _, generated = (x + shift for x in gaussian())
    cosines = 1 - cdist(generated, train, "cosine")
    expected = (1 - np.abs(cosines)).min(1).mean()
    assert copies.memorization_distance(train, generated) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("distance", "expected"), [(0.2, 12), (0.1, 12), (0.05, 240), (0, float("inf"))]
)
def test_mifid_divides_below_the_threshold(distance, expected):
    assert copies.mifid(12.0, distance) == pytest.approx(expected)


def test_mifid_of_no_distance():
    with pytest.raises(RgfError, match=r"fid must be ≥ 0 and distance in \[0, 1\], received -1"):
        copies.mifid(-1.0, 0.5)


def test_histograms_share_bins_and_integrate_to_1():
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0, 1, 5000), rng.uniform(0, 2, 3000)
    edges, densities = copies.histogram(first, second, num_bins=10)
    assert edges.shape == (11,)
    assert densities.shape == (2, 10)
    np.testing.assert_allclose(densities @ np.diff(edges), 1)
    np.testing.assert_allclose(densities[0], np.repeat([1, 0], 5), atol=0.1)


def test_kernel_density_follows_the_distribution_and_stays_above_0():
    rng = np.random.default_rng(0)
    grid, (half_normal, gamma) = copies.kernel_density(
        np.abs(rng.normal(size=5000)), rng.gamma(4, size=2000)
    )
    assert grid[0] == 0
    for density in (half_normal, gamma):
        assert np.trapezoid(density, grid) == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(half_normal, stats.halfnorm.pdf(grid), atol=0.08)
    np.testing.assert_allclose(gamma, stats.gamma.pdf(grid, 4), atol=0.03)


def test_equal_distances_have_no_kernel_density():
    with pytest.raises(RgfError, match="all distances of a set are equal; draw them with histogr"):
        copies.kernel_density(np.zeros(9), np.arange(9))


@pytest.mark.parametrize("bad", [[], [[1.0]], [np.nan], [-1.0]])
def test_bad_distances(bad):
    for call in (copies.histogram, lambda values: copies.share_of_copies(values, 1.0)):
        with pytest.raises(RgfError, match=r"distances must be \(m,\) numbers ≥ 0"):
            call(np.array(bad))
