"""Workers: what is killed is resumed, and every trial counted once, on files and on a server."""

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import mlflow
import optuna
import pytest
from postgres_server import postgresql
from toy_study import RANDOM, assessment

from rgf_keras.cache import Cache
from rgf_keras.experiments.studies.ranking import best, finished
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.tracking.tracker import MemoryTracker

CHILD = Path(__file__).with_name("parallel_child.py")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The same study by one worker that nobody kills."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    return run_study(
        RANDOM,
        "toy",
        folder,
        open_storage(f"sqlite:///{folder}/optuna.db"),
        MemoryTracker(),
        Cache(folder / "cache"),
        num_trials=12,
        evaluate=lambda config, *rest: assessment(config),
    )


def test_workers_and_their_parent_are_killed_on_a_journal(tmp_path, mlflow_database, uninterrupted):
    check(tmp_path, f"journal:///{tmp_path}/optuna.journal", mlflow_database, uninterrupted)


def test_workers_and_their_parent_are_killed_on_postgresql(
    tmp_path, mlflow_database, uninterrupted
):
    with postgresql() as url:
        check(tmp_path, url, mlflow_database, uninterrupted)


def check(folder, url, mlflow_database, uninterrupted):
    shutil.copy(mlflow_database, folder / "mlflow.db")

    def start():
        command = [sys.executable, str(CHILD), str(folder), url]
        quick = {**os.environ, "KERAS_BACKEND": "jax"}  # to import
        return subprocess.run(command, capture_output=True, text=True, check=False, env=quick)

    assert start().returncode == -signal.SIGKILL
    second = start()
    assert second.returncode == 0, second.stderr

    lines = [line.split() for line in (folder / "assessed.log").read_text().splitlines()]
    attempts = Counter(name for name, _, _ in lines)
    assert len(attempts) == 12
    assert attempts["trial-0003"] == 3
    assert attempts["trial-0006"] == 2
    # what is begun again goes on with the same configuration, from its checkpoint
    assert len({(name, weight) for name, weight, _ in lines}) == 12
    assert sum(resumed == "False" for _, _, resumed in lines) == 12

    record = optuna.load_study(study_name="toy", storage=open_storage(url))
    assert [trial.number for trial in finished(record)] == list(range(12))
    assert len(record.trials) == 12
    assert [t.params for t in record.trials] == [t.params for t in uninterrupted.trials]
    assert best(record).number == best(uninterrupted).number
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("toy").experiment_id])
    assert Counter(run.info.status for run in runs) == {"FINISHED": 13}
