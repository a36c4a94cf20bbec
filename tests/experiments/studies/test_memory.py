"""However many trials a command runs: memory and open files stay as they are."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import toy_study
from test_processes import open_tracker

from rgf_keras.cache import Cache
from rgf_keras.cli.jobs import import_for_trials
from rgf_keras.experiments.studies.parallel import run_parallel
from rgf_keras.experiments.studies.run import StudySpec
from rgf_keras.experiments.studies.storage import journal_url
from rgf_keras.runtime.progress import SILENT
from rgf_keras.runtime.workers import WorkersSpec

MEGABYTE = 2**20


def used():
    """Bytes of memory and open files of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd"))


def study():
    return replace(toy_study.RANDOM)


def train(config, context):
    """Trains a tiny model, and notes what its process has used by then."""
    import keras
    import numpy as np

    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(10)])
    model.compile("adam", "mse")
    model.fit(np.zeros((64, 784)), np.zeros((64, 10)), verbose=0)
    with open(context.folder.parents[1] / "used.log", "a") as log:
        log.write(f"{os.getpid()} {' '.join(map(str, used()))}\n")
    return toy_study.assessment(config)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("num_trials", [10, 200])
def test_memory_and_open_files_stay_as_they_are(tmp_path, num_trials):
    cache, parent = Cache(tmp_path / "cache"), []
    spec = StudySpec(
        study, journal_url(tmp_path), open_tracker, "toy", tmp_path, cache, num_trials,
        evaluate=train,
    )  # fmt: skip
    where = WorkersSpec(1, prepare=import_for_trials)
    run_parallel(spec, where, SILENT, lambda trial: parent.append(used()))
    lines = (tmp_path / "used.log").read_text().splitlines()
    processes, memory, files = zip(*(map(int, line.split()) for line in lines), strict=True)
    print(parent[:: num_trials // 5], list(zip(memory, files, strict=True))[:: num_trials // 5])
    assert len(set(processes)) == num_trials == len(parent)
    assert max(memory) - min(memory) < 20 * MEGABYTE
    assert len(set(files)) == 1
    assert parent[-1][0] - parent[2][0] < 20 * MEGABYTE
    assert {number for _, number in parent[2:]} == {parent[2][1]}
