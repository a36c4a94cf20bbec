"""Results on disk: found again, made again when damaged, cleared."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rgf_keras import outputs
from rgf_keras.cache import Cache
from rgf_keras.errors import RgfError

CHILD = Path(__file__).with_name("cache_child.py")


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
    monkeypatch.setattr("rgf_keras.cache.RESULTS_SINCE", "9.9")
    assert cache.load("thing", {}) is None


def test_clearing_deletes_the_kinds_named(cache):
    for kind in ("oracle", "shape"):
        cache.store(kind, {}, {"x": np.zeros(1000)})
    sizes = {entry.kind: entry.size for entry in cache.entries()}
    assert cache.clear(("shape",)) == sizes["shape"]
    assert [entry.kind for entry in cache.entries()] == ["oracle"]


def test_what_killed_processes_left_is_cleared(cache):
    cache.store("thing", {}, {"x": np.zeros(10)})
    partial = cache.folder / "reference-0123.partial"
    partial.mkdir()
    for path in (partial / "step-1.npz", cache.folder / ".rgf-1-2.npz", cache.folder / ".x.1.tmp"):
        path.write_bytes(bytes(100))
        os.utime(path, (0, 0))
    abandoned = cache.folder / ".rgf-abandoned"
    abandoned.mkdir(mode=0o700)
    (abandoned / "new.npz").write_bytes(bytes(1000))
    os.utime(abandoned, (0, 0))
    assert next((x.kind, x.size) for x in cache.entries()) == ("unfinished", 100)
    with outputs.scratch(cache.folder) as used:
        os.utime(used, (0, 0))
        assert cache.clear(("thing", "unfinished")) >= 1300
        assert sorted(os.listdir(cache.folder)) == [used.name]


def test_the_cache_has_a_bound_and_keeps_what_was_used_last(cache, monkeypatch):
    for number in range(3):
        cache.store("thing", {"a": number}, {"x": np.random.default_rng(0).random(1000)})
        os.utime(cache.path("thing", {"a": number}), (number, number))
    cache.load("thing", {"a": 0})
    size = next(iter(cache.entries())).size
    monkeypatch.setenv("RGF_CACHE_GB", str(3.5 * size / 1e9))
    cache = Cache(cache.folder)
    cache.store("thing", {"a": 3}, {"x": np.random.default_rng(0).random(1000)})
    assert [cache.load("thing", {"a": n}) is not None for n in range(4)] == [
        True,
        False,
        True,
        True,
    ]
    monkeypatch.setenv("RGF_CACHE_GB", "a lot")
    with pytest.raises(RgfError, match="RGF_CACHE_GB must be a number of gigabytes"):
        Cache(cache.folder)


def test_results_that_are_to_stay_are_never_trimmed(tmp_path, monkeypatch):
    monkeypatch.setenv("RGF_CACHE_GB", "0")
    kept = Cache(tmp_path, bounded=False)
    for number in range(3):
        kept.store("training", {"a": number}, {"x": np.zeros(10)})
    assert len([*kept.entries()]) == 3


def test_the_users_own_cache_is_the_users_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("RGF_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    own = Cache()
    own.store("thing", {}, {"x": np.zeros(1)})
    assert own.folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # no home, and no account
    with pytest.raises(RgfError, match=r"no home folder.*set RGF_CACHE_DIR"):
        Cache()


def test_what_is_being_written_is_no_entry(cache):
    cache.store("thing", {}, {"x": np.zeros(10)})
    writing = cache.folder / ".rgf-1-2.npz"
    writing.write_bytes(b"half")
    assert [entry.kind for entry in cache.entries()] == ["thing"]
    cache.clear(("thing", ".rgf"))
    assert writing.exists()


def test_two_processes_compute_a_result_once(tmp_path):
    command = [sys.executable, str(CHILD), str(tmp_path)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [child.communicate(timeout=60)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert "".join(said).split() == ["computed"]


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    child = subprocess.Popen(
        [sys.executable, str(CHILD), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "computed\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    arrays = Cache(tmp_path).get("thing", {"a": 1}, lambda: {"x": np.zeros(1)})
    np.testing.assert_array_equal(arrays["x"], [0])
