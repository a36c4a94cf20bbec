"""MLflow behind a proxy that refuses, redirects, fails and goes away: all that can be sent is."""

import os
import shutil
import time

import mlflow
import pytest
from mlflow_proxy import Proxy
from mlflow_server import MlflowServer
from PIL import Image

from rgf_keras.tracking import sender
from rgf_keras.tracking.mlflow_tracker import MlflowTracker, send_backlog

pytestmark = pytest.mark.slow

SECONDS_OF_ERRORS = float(os.environ.get("RGF_SOAK", 60))
ATTEMPTS_IN_AN_HOUR = int(3600 / sender.SECONDS_BETWEEN_ATTEMPTS)
MODES = ("pass", "timeout", "pass", "redirect", "error", "pass", "away", "pass")


def test_a_proxy(tmp_path, mlflow_database, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    shutil.copy(mlflow_database, tmp_path)
    server = MlflowServer(tmp_path)
    server.start()
    try:
        check(Proxy(server.port), server, tmp_path, monkeypatch)
    finally:
        server.kill()


def check(proxy, server, folder, monkeypatch):
    told, step, ids = [], 0, []
    Image.new("RGB", (4, 4)).save(folder / "samples.png")
    with MlflowTracker(proxy.uri, "proxied", folder / "spool", tell=told.append) as tracker:
        parent = tracker.start("parent", {})
        for mode in MODES:
            proxy.mode = mode
            run = tracker.start(f"{len(ids)}-{mode}", {}, parent.id)
            ids.append(run.id)
            for _ in range(5):
                step += 1
                parent.log_metrics({"loss": float(step)}, step=step)
                run.log_metrics({"loss": float(step)}, step=step)
                run.log_image(folder / "samples.png", "samples", step)
            for name, size in {"a.csv": 10, "model.npz": 2_000_000, "z.csv": 10}.items():
                (folder / name).write_bytes(bytes(size))
                run.log_artifact(folder / name)
            run.finish()
            wait(proxy, mode, monkeypatch)
        parent.finish()
    proxy.mode = "pass"
    assert not tracker.spool.backlog(), told
    client = mlflow.MlflowClient(server.uri)
    runs = client.search_runs([client.get_experiment_by_name("proxied").experiment_id])
    by_name = {run.info.run_name: run for run in runs}
    assert len(runs) == len(by_name) == 1 + len(MODES)
    assert {run.info.status for run in runs} == {"FINISHED"}
    id = by_name["parent"].info.run_id
    points = client.get_metric_history(id, "loss")
    assert [(x.step, x.value) for x in points] == [(i, float(i)) for i in range(1, step + 1)]
    for number, mode in enumerate(MODES):
        run = by_name[f"{number}-{mode}"]
        assert run.data.tags["mlflow.parentRunId"] == id
        files = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert files == {"a.csv", "z.csv", "images"}
        pictures = [x.path for x in client.list_artifacts(run.info.run_id, "images")]
        assert sum(".png" in path for path in pictures) == 5
    print(*told, sep="\n")
    refused = sorted((tracker.spool.folder / "refused").glob("*/model.npz"))
    assert len(refused) == len(MODES)
    assert any("model.npz of 2.0 MB: it is too large for the server or a proxy" in x for x in told)
    monkeypatch.setattr("mlflow_proxy.MOST_BYTES", 10_000_000)  # that is mended
    send_backlog(proxy.uri, folder / "spool", refused=True)
    for run in by_name.values():
        files = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert run.info.run_name == "parent" or "model.npz" in files


def wait(proxy, mode, monkeypatch):
    """As long as a mode lasts; an hour goes by faster."""
    if mode == "pass":
        time.sleep(8)
    elif mode == "error":
        time.sleep(SECONDS_OF_ERRORS)
    elif mode == "away":
        with monkeypatch.context() as hour:
            hour.setattr(sender, "SECONDS_BETWEEN_ATTEMPTS", 0.01)
            asked = proxy.num_asked
            while proxy.num_asked < asked + ATTEMPTS_IN_AN_HOUR:
                time.sleep(0.1)
    else:
        time.sleep(10)
