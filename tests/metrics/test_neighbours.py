"""Nearest neighbours against SciPy and scikit-learn, and where float32 alone would go wrong."""

import sys
import tracemalloc
from importlib.util import find_spec
from types import ModuleType

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from rgf_keras.errors import RgfError
from rgf_keras.metrics import neighbours

METRICS = ["cosine", "euclidean"]


class FakeFaiss(ModuleType):
    """What is used of faiss, in NumPy; counts its calls."""

    METRIC_INNER_PRODUCT = 0

    def __init__(self):
        super().__init__("faiss")
        self.calls = 0

    def knn(self, queries, references, k, metric):
        assert metric == self.METRIC_INNER_PRODUCT
        assert queries.dtype == references.dtype == np.float32
        self.calls += 1
        scores = queries @ references.T
        columns = np.argsort(-scores, axis=1)[:, :k]
        return np.take_along_axis(scores, columns, axis=1), columns


@pytest.fixture(params=["own", "fake faiss", "faiss"][: 3 if find_spec("faiss") else 2])
def search(request, monkeypatch):
    """Runs a test with the own search, with a stand-in for faiss, and with faiss if installed."""
    if request.param != "faiss":
        faiss = FakeFaiss() if request.param == "fake faiss" else None
        monkeypatch.setattr(neighbours, "_faiss", lambda: faiss)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(neighbours, "HEIGHT", 17)
    monkeypatch.setattr(neighbours, "WIDTH", 80)


def clouds(n, m, d, offset=0.0, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return ((rng.normal(size=(rows, d)) + offset).astype(dtype) for rows in (n, m))


def exact(queries, references, k, leave_one_out=False):
    """Euclidean neighbours from differences in float64, ties by the lowest index."""
    q, r = queries.astype(np.float64), references.astype(np.float64)
    squared = np.square(q[:, np.newaxis] - r).sum(2)
    if leave_one_out:
        np.fill_diagonal(squared, np.inf)
    indices = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(squared, indices, 1)), indices


# -------------------------------------------------------------- against other implementations


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize(
    ("metric", "d", "dtype"),
    [
        ("cosine", 3, np.float32),
        ("cosine", 64, np.float64),
        ("euclidean", 1, np.float64),
        ("euclidean", 3, np.float64),
        ("euclidean", 64, np.float64),
    ],
)
def test_equals_scikit_learn_and_scipy(search, small_blocks, metric, k, d, dtype):
    queries, references = clouds(70, 500, d, offset=0.5, dtype=dtype)
    found, indices = neighbours.nearest(queries, references, metric, k)
    assert found.dtype == np.float64
    assert found.shape == indices.shape == ((70,) if k == 1 else (70, k))
    found, indices = found.reshape(70, k), indices.reshape(70, k)
    theirs = NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute")
    expected, places = theirs.fit(references.astype(float)).kneighbors(queries.astype(float))
    np.testing.assert_array_equal(indices, places)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    table = np.sort(cdist(queries.astype(float), references.astype(float), metric), axis=1)
    np.testing.assert_allclose(found, table[:, :k], atol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 4])
def test_leave_one_out_equals_scikit_learn(search, small_blocks, metric, k):
    _, references = clouds(1, 300, 8)
    found, indices = neighbours.nearest(references, references, metric, k, leave_one_out=True)
    theirs = NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute").fit(references)
    expected, places = theirs.kneighbors()  # of the fitted points, without themselves
    np.testing.assert_array_equal(indices.reshape(300, k), places)
    np.testing.assert_allclose(found.reshape(300, k), expected, atol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_block_sizes_and_faiss_change_no_bit(monkeypatch, metric):
    queries, references = clouds(100, 700, 24, offset=1, dtype=np.float32)
    references[600:] = references[:100]
    monkeypatch.setattr(neighbours, "_faiss", lambda: None)
    expected = neighbours.nearest(queries, references, metric, k=3)
    variants = [neighbours.nearest(queries, references, metric, k=3, max_bytes=2**16)]
    monkeypatch.setattr(neighbours, "_faiss", FakeFaiss)
    variants.append(neighbours.nearest(queries, references, metric, k=3))
    monkeypatch.setattr(neighbours, "_faiss", lambda: None)
    for height, width in [(3, 5), (7, 33), (64, 4096)]:
        monkeypatch.setattr(neighbours, "HEIGHT", height)
        monkeypatch.setattr(neighbours, "WIDTH", width)
        variants.append(neighbours.nearest(queries, references, metric, k=3))
    for found in variants:
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


# ------------------------------------------------------------------------------ rounding, ties


@pytest.mark.parametrize("spread", [1.0, 1e-4, 1e-8])
@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("k", [1, 3])
def test_float32_rounding_changes_nothing(search, small_blocks, spread, offset, k):
    # Two clusters, so that centring does not undo the offset.
    rng = np.random.default_rng(0)
    queries, references = (
        spread * rng.normal(size=(n, 6)) + offset * rng.choice([1.0, -1.0], (n, 1))
        for n in (60, 400)
    )
    found, indices = neighbours.nearest(queries, references, "euclidean", k)
    expected, places = exact(queries, references, k)
    np.testing.assert_array_equal(indices.reshape(60, k), places)
    np.testing.assert_allclose(found.reshape(60, k), expected, rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e30, 1e80])
def test_scales_beyond_float32(search, scale):
    queries, references = clouds(20, 90, 5)
    found, indices = neighbours.nearest(scale * queries, scale * references, "euclidean")
    expected, places = neighbours.nearest(queries, references, "euclidean")
    np.testing.assert_array_equal(indices, places)
    np.testing.assert_allclose(found, scale * expected)


def test_an_outlier_costs_no_accuracy(search, small_blocks):
    queries, references = clouds(50, 400, 6)
    references[123] = 1e9
    found, indices = neighbours.nearest(queries, references, "euclidean", k=2)
    expected, places = exact(queries, references, 2)
    np.testing.assert_array_equal(indices, places)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_copies_are_at_distance_0_and_ties_go_to_the_lowest_index(search, small_blocks, metric):
    _, references = clouds(1, 300, 16, dtype=np.float32)
    references[[150, 299]] = references[40]  # in several blocks
    found, indices = neighbours.nearest(references[[299, 7]], references, metric, k=3)
    assert indices[0].tolist() == [40, 150, 299]
    assert found[0].tolist() == [0, 0, 0]
    assert (found[1, 0], indices[1, 0]) == (0, 7)
    assert found[1, 1] > 0


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 40])
def test_more_ties_than_candidates(search, small_blocks, metric, k):
    references = np.ones((200, 3))
    found, indices = neighbours.nearest(references[:5], references, metric, k)
    np.testing.assert_array_equal(indices.reshape(5, k), np.tile(np.arange(k), (5, 1)))
    assert not found.any()


def test_leave_one_out_still_finds_a_twin(search, small_blocks):
    _, references = clouds(1, 200, 4)
    references[170] = references[3]
    found, indices = neighbours.nearest(references, references, "euclidean", leave_one_out=True)
    assert (found[3], indices[3]) == (0, 170)
    assert (found[170], indices[170]) == (0, 3)
    assert (indices != np.arange(200)).all()


def test_k_may_be_all_references(search, small_blocks):
    queries, references = clouds(9, 100, 3)
    for rows, k, leave_one_out in [(queries, 100, False), (references, 99, True)]:
        found, indices = neighbours.nearest(rows, references, "euclidean", k, leave_one_out)
        expected, places = exact(rows, references, k, leave_one_out)
        np.testing.assert_array_equal(indices, places)
        np.testing.assert_allclose(found, expected)


def test_uint8_features_do_not_wrap_around(search):
    queries, references = np.array([[0, 255]], np.uint8), np.array([[255, 0], [1, 250]], np.uint8)
    found, index = neighbours.nearest(queries, references, "euclidean")
    assert index == 1
    assert found == pytest.approx(26**0.5)


# ------------------------------------------------------------------------------ faiss, memory


def test_faiss_is_used_when_installed(monkeypatch):
    faiss = FakeFaiss()
    monkeypatch.setitem(sys.modules, "faiss", faiss)
    queries, references = clouds(20, 90, 5)
    neighbours.nearest(queries, references)
    assert faiss.calls == 1
    neighbours.nearest(queries, references, max_bytes=2**10)
    assert faiss.calls == 1, "it needs all features at once, more than may be used"


def test_without_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)  # importing it fails
    assert neighbours._faiss() is None


@pytest.mark.parametrize("ties", [False, True])
def test_the_memory_cap_holds(monkeypatch, ties):
    monkeypatch.setattr(neighbours, "_faiss", lambda: None)
    queries, references = clouds(400, 3000, 8 if ties else 64, dtype=np.float32)
    if ties:
        references[:] = 1
    tracemalloc.start()
    neighbours.nearest(queries, references, "euclidean", max_bytes=2**21)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * 2**21


# ------------------------------------------------------------------------------------- within


def test_within_equals_scipy(small_blocks):
    queries, references = clouds(150, 400, 5, offset=2)
    radii = np.random.default_rng(1).uniform(0, 2.5, 400)
    expected = (cdist(queries, references) <= radii).sum(1)
    assert 0 < expected.min() + 1 < expected.max()
    np.testing.assert_array_equal(neighbours.within(queries, references, radii), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_spheres_belong_to_the_balls(small_blocks, dtype):
    # Every reference lies on the sphere around each reference whose nearest it is.
    _, references = clouds(1, 300, 7, offset=5, dtype=dtype)
    radii, nearest = neighbours.nearest(references, references, "euclidean", leave_one_out=True)
    found = neighbours.within(references, references, radii)
    np.testing.assert_array_equal(found, 1 + np.bincount(nearest, minlength=300))
    inner = neighbours.within(references, references, np.nextafter(radii, 0))
    np.testing.assert_array_equal(inner, 1)


def test_within_needs_a_radius_per_reference():
    with pytest.raises(RgfError, match=r"radii must be \(3,\), received \(2,\)"):
        neighbours.within(np.ones((4, 2)), np.ones((3, 2)), np.ones(2))


# ---------------------------------------------------------------------------------- bad input

GOOD = np.ones((4, 2))
ZERO = np.array([[1.0, 2.0], [0.0, 0.0]])


@pytest.mark.parametrize(
    ("queries", "references", "options", "message"),
    [
        (GOOD, np.ones((0, 2)), {}, r"references \(0, 2\) holds no features; give at least one"),
        (np.ones((0, 2)), GOOD, {}, r"queries \(0, 2\) holds no features"),
        (GOOD, np.ones((4, 3)), {}, r"queries \(4, 2\) and references \(4, 3\); use one extractor"),
        (GOOD, np.ones(4), {}, r"references must be \(n, d\) features, received \(4,\) float64"),
        (GOOD.astype(str), GOOD, {}, r"queries must be \(n, d\) features, received \(4, 2\) <U"),
        (GOOD * np.nan, GOOD, {}, "queries must be finite, received NaN or infinity; drop"),
        (GOOD, GOOD * np.inf, {}, "references must be finite"),
        (GOOD, GOOD * 1e200, {}, r"references reach 1e\+200; scale them to below 1e\+100"),
        (GOOD, ZERO, {}, "references: row 1 has length 0, so no cosine; drop it or"),
        (ZERO, GOOD, {}, "queries: row 1 has length 0"),
        (GOOD, GOOD, {"k": 5}, r"k must lie in \[1, 4\], the references to find, received 5"),
        (GOOD, GOOD, {"k": 0}, "k must lie"),
        (GOOD, GOOD, {"k": 4, "leave_one_out": True}, r"k must lie in \[1, 3\]"),
        (GOOD, ZERO, {"leave_one_out": True}, "leave_one_out needs the references themselves"),
        (GOOD, GOOD, {"metric": "manhattan"}, "metric must be 'cosine' or 'euclidean', received"),
    ],
)
def test_bad_input(queries, references, options, message):
    with pytest.raises(RgfError, match=message) as error:
        neighbours.nearest(queries, references, **options)
    assert "\n" not in str(error.value)


def test_vectors_of_length_0_have_euclidean_distances():
    found, index = neighbours.nearest(ZERO, ZERO, "euclidean", leave_one_out=True)
    np.testing.assert_allclose(found, 5**0.5)
    assert index.tolist() == [1, 0]
