"""Results on disk: found again, made again when damaged, cleared."""

import numpy as np
import pytest

from rgf_keras.cache import Cache


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path)


def test_results_are_computed_once_and_survive_damage(cache):
    calls = []

    def compute():
        calls.append(1)
        return {"x": np.arange(3)}

    cache.get("thing", {"a": 1}, compute)
    np.testing.assert_array_equal(cache.get("thing", {"a": 1}, compute)["x"], [0, 1, 2])
    assert len(calls) == 1
    cache.path("thing", {"a": 1}).write_bytes(b"broken")
    cache.get("thing", {"a": 1}, compute)
    assert len(calls) == 2


def test_kind_and_description_distinguish_results(cache):
    cache.store("thing", {"a": 1}, {"x": np.zeros(1)})
    assert cache.load("thing", {"a": 2}) is None
    assert cache.load("other", {"a": 1}) is None


def test_other_versions_are_not_used(cache, monkeypatch):
    cache.store("thing", {}, {"x": np.zeros(1)})
    monkeypatch.setattr("rgf_keras.cache.__version__", "9.9")
    assert cache.load("thing", {}) is None


def test_clearing_deletes_the_kinds_named(cache):
    for kind in ("oracle", "shape"):
        cache.store(kind, {}, {"x": np.zeros(1000)})
    sizes = {entry.kind: entry.size for entry in cache.entries()}
    assert cache.clear(("shape",)) == sizes["shape"]
    assert [entry.kind for entry in cache.entries()] == ["oracle"]
