"""Approximate neighbours against exact ones."""

import numpy as np
import pytest

from rgf_keras.errors import ArgumentError, RgfError
from rgf_keras.metrics import approximate, neighbours


def clouds(num: int, width: int = 24, seed: int = 0) -> np.ndarray:
    """Features around a hundred centres."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(100, width)) * 3
    return (centres[rng.integers(100, size=num)] + rng.normal(size=(num, width))).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("leave_one_out", [False, True])
@pytest.mark.parametrize("width", [24, 300])  # wider ones are searched by their components
def test_most_neighbours_are_found_at_exact_distances(metric, leave_one_out, width):
    pytest.importorskip("faiss")
    references = clouds(5000, width)
    queries = references if leave_one_out else clouds(800, width, seed=1)
    exact = neighbours.nearest(queries, references, metric, 10, leave_one_out)
    found = approximate.nearest(queries, references, metric, 10, leave_one_out)
    same = found.indices == exact[1]
    assert same[:, 0].mean() > 0.97
    np.testing.assert_array_equal(found.distances[same], exact[0][same])
    assert found.recall.low <= same[:, 0].mean() <= found.recall.high
    if leave_one_out:
        assert not (found.indices == np.arange(5000)[:, np.newaxis]).any()


@pytest.mark.parametrize("num", [3, 100, 255, 300])
def test_few_wide_rows(num):
    pytest.importorskip("faiss")
    references = clouds(num, width=300)
    found = approximate.nearest(references, references, leave_one_out=True)
    exact = neighbours.nearest(references, references, leave_one_out=True)
    np.testing.assert_array_equal(found.indices, exact[1])


def test_same_rows_are_at_distance_zero():
    pytest.importorskip("faiss")
    references = clouds(3000)
    references[2000:2020] = references[:20]
    found = approximate.nearest(references, references, leave_one_out=True)
    np.testing.assert_array_equal(found.indices[:20], np.arange(2000, 2020))
    assert (found.distances[:20] == 0).all()
    assert found.distances.shape == (3000,)


def test_the_same_search_twice_finds_the_same():
    pytest.importorskip("faiss")
    references = clouds(4000)
    first, second = (approximate.nearest(clouds(50, seed=2), references, k=3) for _ in range(2))
    np.testing.assert_array_equal(first.indices, second.indices)
    assert first.recall == second.recall


def test_few_probes_that_hold_too_few_rows_are_followed_by_all(monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr(approximate, "FEWEST_PROBES", 1)
    references = clouds(640)
    found = approximate.nearest(clouds(20, seed=3), references, k=300, min_recall=0.01)
    assert (found.indices < 640).all()
    assert np.isfinite(found.distances).all()


def test_recall_is_measured_not_assumed():
    pytest.importorskip("faiss")
    references = np.random.default_rng(0).normal(size=(20_000, 64)).astype(np.float32)
    queries = np.random.default_rng(1).normal(size=(400, 64)).astype(np.float32)
    found = approximate.nearest(queries, references, "euclidean", min_recall=0.1)
    exact = neighbours.nearest(queries, references, "euclidean")[1]
    assert found.recall.value == pytest.approx((found.indices == exact).mean())
    assert found.recall.value < 0.9
    better = approximate.nearest(queries, references, "euclidean", min_recall=0.5)
    assert 0.4 < (better.indices == exact).mean() < 1


def test_where_most_cells_would_be_searched_the_search_is_exact():
    pytest.importorskip("faiss")
    references = np.random.default_rng(0).normal(size=(5000, 64)).astype(np.float32)
    found = approximate.nearest(references, references, k=2, leave_one_out=True)
    exact = neighbours.nearest(references, references, "cosine", 2, leave_one_out=True)
    np.testing.assert_array_equal(found.indices, exact[1])
    assert found.recall.low == 1


def test_bad_input_is_refused():
    pytest.importorskip("faiss")
    references = clouds(100)
    with pytest.raises(ArgumentError, match=r"k must lie in \[1, 99\]"):
        approximate.nearest(references, references, k=100, leave_one_out=True)
    with pytest.raises(ArgumentError, match="min_recall must lie in"):
        approximate.nearest(references, references, min_recall=2)
    with pytest.raises(ArgumentError, match="metric must be 'cosine' or 'euclidean'"):
        approximate.nearest(references, references, "cos")
    with pytest.raises(ArgumentError, match="needs the references themselves"):
        approximate.nearest(clouds(100, seed=1), references, leave_one_out=True)
    with pytest.raises(ArgumentError, match="metric must be 'cosine' or 'euclidean'"):
        neighbours.among(references, references, [np.zeros((100, 1), int)], "cos")
    references[3] = 0
    with pytest.raises(ArgumentError, match="row 3 has length 0"):
        approximate.nearest(clouds(5), references)


def test_without_faiss_it_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(RgfError, match=r"rgf-keras\[faiss\]"):
        approximate.nearest(clouds(50), clouds(50))
