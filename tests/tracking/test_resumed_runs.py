"""A command that was killed goes on in the run that it began, and is given once at a time."""

import os
import shutil

import mlflow
import pytest
from kills import killed
from PIL import Image

from rgf_keras.cli.options import open_context
from rgf_keras.errors import RgfError
from rgf_keras.tracking.destination import Batch
from rgf_keras.tracking.mlflow_store import MlflowStore


def runs_of(workspace):
    client = mlflow.MlflowClient(f"sqlite:///{workspace}/mlflow.db")
    return client, client.search_runs([client.get_experiment_by_name("assess").experiment_id])


def test_a_command_that_was_killed_goes_on_in_its_run(tmp_path, monkeypatch, mlflow_database):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(mlflow_database, tmp_path / "mlflow.db")
    Image.new("RGB", (4, 4)).save(tmp_path / "samples.png")

    def command(epochs, dies=False):
        with open_context("assess", "key", tmp_path / "work", None, tmp_path) as context:
            for epoch in range(1, epochs + 1):
                context.run.log_metrics({"loss": 1 / epoch}, step=epoch)
                context.run.log_image(tmp_path / "samples.png", "samples", epoch)
            if dies:
                context.run.spool.send(MlflowStore(f"sqlite:///{tmp_path}/mlflow.db"))
                os._exit(9)

    def create(*arguments):
        real(*arguments)
        os._exit(9)

    real = MlflowStore.create
    with monkeypatch.context() as patched:
        patched.setattr(MlflowStore, "create", create)
        killed(lambda: command(1))
    killed(lambda: command(1, dies=True))
    command(2)
    client, (run,) = runs_of(tmp_path)
    id = run.info.run_id
    assert run.info.status == "FINISHED"
    assert [point.step for point in client.get_metric_history(id, "loss")] == [1, 2]
    pictures = [file.path for file in client.list_artifacts(id, "images") if "png" in file.path]
    assert len(pictures) == 2
    command(1)  # another command
    assert len(runs_of(tmp_path)[1]) == 2
    assert not [*(tmp_path / "work").glob("*.run")]


def test_what_arrives_late_does_not_begin_a_run_again(tmp_path, mlflow_database):
    uri = f"sqlite:///{shutil.copy(mlflow_database, tmp_path)}"
    store = MlflowStore(uri)
    header = {"experiment": "assess", "artifacts": None, "name": "trial", "parent": None}
    id = store.create(header, 1)
    for status, time, expected in (
        ("FINISHED", 300, "FINISHED"),
        ("RUNNING", 200, "FINISHED"),  # of another machine, from before
        ("RUNNING", 400, "RUNNING"),
    ):
        store.send(id, Batch(status=status, time=time))
        assert store.client.get_run(id).info.status == expected
    store.close()


def test_one_command_at_a_time(tmp_path, monkeypatch, mlflow_database):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(mlflow_database, tmp_path / "mlflow.db")
    with (
        open_context("assess", "key", tmp_path / "work", None, tmp_path),
        pytest.raises(RgfError, match=r"`rgf assess` in .*/work is being run by another process"),
        open_context("assess", "key", tmp_path / "work", None, tmp_path),
    ):
        pass
    assert len(runs_of(tmp_path)[1]) == 1
