"""MLflow through its spool, with a real server that is killed, and addresses that are wrong."""

import gc
import http.server
import logging
import os
import shutil
import threading
import time
from pathlib import Path

import mlflow
import pytest
from mlflow_server import MlflowServer
from test_spool import largest_file
from toy_study import STUDY, assessment

from rgf_keras.cache import Cache
from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.tracking import mlflow_store
from rgf_keras.tracking.mlflow_tracker import MlflowTracker, send_backlog

NUM_TRIALS, NUM_EPOCHS = 4, 20


@pytest.fixture
def server(tmp_path, mlflow_database):
    shutil.copy(mlflow_database, tmp_path)
    server = MlflowServer(tmp_path)
    yield server
    server.kill()


def run(tmp_path, uri, name, between_epochs, tell=lambda line: None):
    """A study of trials that log 20 epochs and a file; returns what its trials logged."""
    calls = []

    def assess(config, context):
        run, work = context.run, context.folder
        run.log_params(config.flat())
        trial = len(calls)
        calls.append(run.id)
        for epoch in range(1, NUM_EPOCHS + 1):
            loss = trial + 1 / epoch
            run.log_metrics({"loss/generator": loss, "epoch": epoch}, step=epoch)
            between_epochs(trial, epoch)
        (work / "table.csv").write_text(f"trial,{trial}")
        run.log_artifact(work / "table.csv")
        result = assessment(config)
        run.log_metrics(result.metrics, step=NUM_EPOCHS)
        return result

    storage = open_storage(f"sqlite:///{tmp_path}/optuna.db")
    with MlflowTracker(uri, name, tmp_path / "spool", tell=tell) as tracker:
        run_study(
            STUDY,
            name,
            tmp_path / "work",
            storage,
            tracker,
            Cache(tmp_path / "cache"),
            num_trials=NUM_TRIALS,
            evaluate=assess,
        )


def recorded(uri, name):
    """All that an experiment holds, by run: parameters, every value of every metric, files."""
    client = mlflow.MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    names = {run.info.run_id: run.info.run_name for run in runs}
    found = {}
    for run in runs:
        id = run.info.run_id
        found[run.info.run_name] = {
            "params": run.data.params,
            "status": run.info.status,
            "parent": names.get(run.data.tags.get("mlflow.parentRunId")),
            "feasible": run.data.tags.get("feasible"),
            "metrics": {
                metric: [(m.step, m.value) for m in client.get_metric_history(id, metric)]
                for metric in run.data.metrics
            },
            "files": {
                file.path: Path(client.download_artifacts(id, file.path)).read_text()
                for file in client.list_artifacts(id)
            },
        }
    return found


@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=pytest.mark.slow)])
def test_a_server_that_is_killed_in_mid_study_has_everything_afterwards(tmp_path, server, seconds):
    told = []

    def wait_until_told(text):
        for _ in range(1200):
            if text in told[-1]:
                return
            time.sleep(0.1)
        raise TimeoutError(f"{text}: {told}")

    def between_epochs(trial, epoch):
        if (trial, epoch) == (1, 5):  # refused at the start, and until now
            server.start()
            wait_until_told("is back")
        elif (trial, epoch) == (2, 5):
            server.kill()
            time.sleep(seconds)
        elif (trial, epoch) == (3, 5):
            wait_until_told("cannot record")
            server.start()

    run(tmp_path, server.uri, "cut", between_epochs, told.append)
    run(tmp_path, server.uri, "whole", lambda trial, epoch: None)
    cut, whole = recorded(server.uri, "cut"), recorded(server.uri, "whole")
    cut["study"], whole["study"] = cut.pop("cut"), whole.pop("whole")
    for record in (cut, whole):
        for trial in record.values():
            trial["parent"] = bool(trial["parent"])
    assert len(whole) == 1 + NUM_TRIALS
    assert len(whole["trial-0003"]["metrics"]["loss/generator"]) == NUM_EPOCHS
    assert cut == whole
    assert [line.split(" (")[0].split(";")[0] for line in told] == [
        f"cannot record in MLflow at {server.uri}",
        f"MLflow at {server.uri} is back",
        f"cannot record in MLflow at {server.uri}",
        f"MLflow at {server.uri} is back",
    ]


def test_a_study_without_a_server_is_told_and_kept(tmp_path, server):
    told = []
    run(tmp_path, server.uri, "later", lambda trial, epoch: None, told.append)
    assert len(told) == 2
    assert "Connection refused" in told[0]
    assert "rgf sync" in told[1]
    with pytest.raises(RgfError, match=r"Connection refused\); .* records and 5 files of 5 runs"):
        send_backlog(server.uri, tmp_path / "spool")


def test_a_full_artifact_store_is_waited_for(tmp_path, mlflow_database):
    uri = f"sqlite:///{shutil.copy(mlflow_database, tmp_path)}"
    told = []
    tracker = MlflowTracker(uri, "full", tmp_path / "spool", tmp_path / "artifacts", told.append)
    record = tracker.start("trial", {})
    size = 2 * mlflow_database.stat().st_size
    (tmp_path / "model").write_bytes(bytes(size + 1))
    record.log_artifact(tmp_path / "model")
    record.log_metrics({"loss": 1.0})
    with largest_file(size):
        tracker.close()
    assert "File too large" in told[0]
    assert "1 files of 1 runs" in told[1]
    client = mlflow.MlflowClient(uri)
    assert client.get_run(record.id).data.metrics == {"loss": 1.0}
    send_backlog(uri, tmp_path / "spool")
    assert client.list_artifacts(record.id)[0].file_size == size + 1


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("htp://127.0.0.1:5000", "htp://127.0.0.1:5000"),
        ("http://:5000", "names no host"),
        ("http://127.0.0.1:port", "malformed"),
        ("sqlite:////proc/nowhere/mlflow.db", "/proc/nowhere"),
        ("postgresql://user:secret@/mlflow", r"user:\*\*\*@/mlflow names no host"),
    ],
)
def test_a_wrong_address_is_told_at_once(tmp_path, uri, message):
    with pytest.raises(RgfError, match=message):
        MlflowTracker(uri, "x", tmp_path / "spool")


def test_a_server_that_is_no_mlflow_is_told_at_once(tmp_path):
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.raises(RgfError, match="cannot open the MLflow store"):
        MlflowTracker(f"http://127.0.0.1:{server.server_port}", "x", tmp_path / "spool")
    server.shutdown()


def test_mlflows_settings_are_changed_only_while_a_tracker_is_open(
    tmp_path, mlflow_database, monkeypatch
):
    def settings():
        levels = [logging.getLogger(name).level for name in ("mlflow", "alembic")]
        return {name: os.environ[name] for name in os.environ if "MLFLOW" in name}, levels

    gc.collect()  # other tests' trackers end, but for those that are open
    monkeypatch.setattr(mlflow_store, "SETTINGS", mlflow_store._Settings())
    for name in mlflow_store.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    before = settings()
    uri = f"sqlite:///{shutil.copy(mlflow_database, tmp_path)}"
    with MlflowTracker(uri, "x", tmp_path / "spool"):
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
        assert settings()[1] == [logging.ERROR] * 2
    assert settings() == before
