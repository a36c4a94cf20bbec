"""What share of the machine a worker gets, and what its end means."""

import os
from contextlib import nullcontext

import pytest
import toy_study

from rgf_keras.cache import Cache
from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies.parallel import run_parallel
from rgf_keras.experiments.studies.run import StudySpec
from rgf_keras.experiments.studies.storage import journal_url
from rgf_keras.runtime.machine import THREADS, environment, visible_gpus
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.runtime.workers import WorkersSpec
from rgf_keras.tracking.tracker import MemoryTracker


@pytest.fixture
def eight_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    for name in (*THREADS, "TF_FORCE_GPU_ALLOW_GROWTH"):
        monkeypatch.delenv(name, raising=False)


def test_cores_are_divided_and_gpus_given_out_in_turn(eight_cores):
    shares = [environment(slot, 3, ["0", "GPU-b"]) for slot in range(3)]
    assert [share["OMP_NUM_THREADS"] for share in shares] == ["2", "2", "2"]
    assert [share["CUDA_VISIBLE_DEVICES"] for share in shares] == ["0", "GPU-b", "0"]
    assert all(share["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false" for share in shares)


def test_one_worker_gets_all_and_what_is_set_is_respected(eight_cores, monkeypatch):
    monkeypatch.setenv("NPROC", "5")
    share = environment(0, 1, [])
    assert share["TF_NUM_INTRAOP_THREADS"] == "8"
    assert share["NPROC"] == "5"
    assert "CUDA_VISIBLE_DEVICES" not in share


def test_omp_num_threads_is_all_libraries_unless_their_own_is_set(eight_cores, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("NPROC", "5")
    share = environment(0, 1, [])
    assert {share[name] for name in THREADS if name != "NPROC"} == {"1"}
    assert share["NPROC"] == "5"


@pytest.mark.parametrize(("visible", "gpus"), [("", []), ("1,3", ["1", "3"])])
def test_gpus_are_those_that_may_be_used(monkeypatch, visible, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert visible_gpus() == gpus


def refuse(config, context):
    progress = context.progress
    progress.task("thinking")(1, 2)
    raise RgfError("the oracle is bad")


def die(config, context):
    os._exit(9)


def open_tracker():
    return nullcontext(MemoryTracker())


def study():
    return toy_study.STUDY


def run(tmp_path, assess, progress=SILENT):
    url, cache = journal_url(tmp_path), Cache(tmp_path)
    spec = StudySpec(study, url, open_tracker, "toy", tmp_path, cache, 3, evaluate=assess)
    run_parallel(spec, WorkersSpec(2), progress, lambda trial: None)


def test_what_a_worker_refuses_ends_the_study_and_progress_is_seen(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")  # quick to import
    seen = []

    class Seen(Progress):
        def task(self, description, unit="steps"):
            return lambda done, total: seen.append((description, unit, done, total))

    with pytest.raises(RgfError, match="the oracle is bad"):
        run(tmp_path, refuse, Seen())
    assert seen == [("worker 1: thinking", "steps", 1, 2)]


def test_workers_that_keep_dying_end_the_study(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr("rgf_keras.experiments.studies.parallel.MAX_DEATHS", 2)
    with pytest.raises(RgfError, match=r"2 workers in a row died.*exit code 9"):
        run(tmp_path, die)
