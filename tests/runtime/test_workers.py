"""What a pool of processes does for whoever uses it, and what share of the machine each gets."""

import multiprocessing
import os
import subprocess
import sys
from contextlib import closing
from functools import partial
from multiprocessing import forkserver
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

from rgf_keras.errors import Diverged, RgfError
from rgf_keras.runtime import machine, preload, processes
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.runtime.tasks import TaskResult
from rgf_keras.runtime.workers import WorkersSpec

LIMIT = sys.getrecursionlimit()  # when this module was imported


def log_process(path, argument, progress):
    """A task: says which process with how many threads is at it."""
    with open(path, "a") as file:
        file.write(f"{argument} {os.getpid()} {os.environ['OMP_NUM_THREADS']}\n")


def import_blas():
    """What a worker may have imported before it knows its share."""
    import numpy  # noqa: F401


def log_threads(path, argument, progress):
    """A task: says with how many threads BLAS computes."""
    found = {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}
    (path / argument).write_text(f"{found} {os.environ['NPROC']} {preload.VARIABLE in os.environ}")


def log_limit(path, argument, progress):
    """A task: says what it was imported under."""
    path.write_text(str(LIMIT))


def end(how, argument, progress):
    """A task that does not come to its end."""
    if how == "exit":
        os._exit(argument)
    raise how


def show_progress(shared, argument, progress):
    """A task that says how far it is."""
    progress(argument, 2)
    progress.task("part", "images")(argument, 9)


def run(spec, task, shared, arguments, reuse=False, progress=SILENT):
    results = []
    with closing(spec.open(task, shared, reuse)) as workers:
        for argument in arguments:
            workers.start(argument, progress)
            while workers.num_busy:
                results += workers.wait(0.5)
    return results


@pytest.mark.parametrize(("reuse", "num_processes"), [(True, 1), (False, 3)])
def test_processes_are_kept_or_new(tmp_path, reuse, num_processes):
    results = run(WorkersSpec(2, num_threads=3), log_process, tmp_path / "log", "abc", reuse)
    assert results == [TaskResult(argument) for argument in "abc"]
    lines = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert [(task, threads) for task, _, threads in lines] == [(task, "3") for task in "abc"]
    assert len({process for _, process, _ in lines}) == num_processes


def test_a_process_is_prepared_before_the_task_is_imported(tmp_path):
    spec = WorkersSpec(2, prepare=partial(sys.setrecursionlimit, 1234))
    run(spec, log_limit, tmp_path / "limit", [None])
    assert (tmp_path / "limit").read_text() == "1234" != str(LIMIT)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("num_workers", [1, 2])
def test_workers_are_forked_from_one_that_is_prepared(tmp_path, num_workers):
    log, child = tmp_path / "log", Path(__file__).with_name("forked_child.py")
    path = os.pathsep.join([str(child.parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", "import forked_child; forked_child.main()", log, str(num_workers)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    seconds, causes = zip(*(line.split(" ", 1) for line in done.stdout.splitlines()), strict=True)
    assert causes == ("", "signal 9", "", "")
    assert max(map(float, seconds[1:])) < 0.5 < float(seconds[0])
    processes, prepared, files = zip(*map(str.split, log.read_text().splitlines()), strict=True)
    assert len(set(processes)) == 4
    assert len({*prepared} - {*processes}) == 1
    assert len(set(files)) == 1


def test_forked_workers_have_their_share_of_threads(tmp_path):
    for num_threads in {min(2, machine.num_cores()), 1}:
        spec = WorkersSpec(2, num_threads=num_threads, prepare=import_blas)
        run(spec, log_threads, tmp_path, "ab")
        shares = [(tmp_path / name).read_text() for name in "ab"]
        assert shares == [f"{{{num_threads}}} {num_threads} False"] * 2


def prepare_in_workers_only():
    """What cannot be prepared in the process that others are forked from."""
    if multiprocessing.parent_process() is None:
        raise ZeroDivisionError


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_a_worker_is_spawned_where_none_can_be_forked(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    forkserver._forkserver._stop()  # one that runs has imported its modules already
    spec = WorkersSpec(2, prepare=prepare_in_workers_only)
    with closing(spec.open(log_limit, tmp_path / "limit")) as workers:
        was_to_fork = workers.starts_at_once
        workers.start(None, SILENT)
        while workers.num_busy:
            workers.wait(0.5)
        assert not workers.starts_at_once
    assert was_to_fork or machine.visible_gpus() or processes.AMD_GPUS.exists()
    assert (tmp_path / "limit").exists()


@pytest.mark.parametrize(
    ("platform", "driver", "forks"),
    [("linux", "none", True), ("darwin", "none", False), ("linux", "kfd", False)],
)
def test_only_linux_without_gpus_forks(tmp_path, monkeypatch, platform, driver, forks):
    (tmp_path / "kfd").touch()
    monkeypatch.setattr(processes, "AMD_GPUS", tmp_path / driver)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with closing(WorkersSpec(1, prepare=prepare_in_workers_only).open(log_limit, None)) as workers:
        assert workers.starts_at_once is forks


def test_a_death_is_a_result_and_a_new_process_takes_over():
    results = run(WorkersSpec(2), end, "exit", [9, 0], reuse=True)
    assert results == [TaskResult(9, "exit code 9"), TaskResult(0, "exit code 0")]


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        (RgfError("the oracle is bad"), RgfError, "^the oracle is bad$"),
        (Diverged("loss/vae", 7), Diverged, "loss/vae is not finite at step 7"),
        (ZeroDivisionError("bug"), RuntimeError, r"(?s)in a worker:\nTraceback.*bug"),
    ],
)
def test_what_a_task_raises_is_raised(raised, kind, message):
    with pytest.raises(kind, match=message):
        run(WorkersSpec(2), end, raised, [None])


def test_progress_comes_from_processes():
    shown = []

    class Shown(Progress):
        def task(self, description, unit="steps"):
            return lambda done, total: shown.append((description, unit, done, total))

    run(WorkersSpec(2), show_progress, None, [1, 2], reuse=True, progress=Shown())
    assert shown == [
        (f"worker 1: {description}", unit, done, total)
        for done in (1, 2)
        for description, unit, total in (("task", "steps", 2), ("part", "images", 9))
    ]


def test_systems_without_affinity_share_all_cores(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    for name in ("NPROC", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    assert machine.environment(0, 2, [])["NPROC"] == "3"
