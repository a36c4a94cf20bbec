"""What MLflow shows of runs beside their numbers: data, source, kind, description, a saved view."""

import json
import shutil
import subprocess
import time
from importlib import metadata

import mlflow
import numpy as np
import pytest

from rgf_keras import datasets
from rgf_keras.cli.system import study_pages
from rgf_keras.errors import RgfError
from rgf_keras.tracking import provenance, system_metrics, views
from rgf_keras.tracking.mlflow_names import NOTE_TAG
from rgf_keras.tracking.mlflow_tracker import MlflowTracker
from rgf_keras.tracking.tracker import MemoryTracker, log_packages


@pytest.fixture
def uri(tmp_path, mlflow_database):
    return f"sqlite:///{shutil.copy(mlflow_database, tmp_path)}"


def tracker(uri, folder):
    return MlflowTracker(uri, "colours-jax", folder / "spool", folder / "artifacts")


def digits():
    few = datasets.Dataset(
        "digits/train",
        np.zeros((4, 8, 8, 1), np.uint8),
        np.arange(4) % 2,
        np.arange(4),
        ("zero", "one"),
    )
    return datasets.skewed(few, datasets.Colour(), rare_class=1, seed=0)


def test_data_and_files_in_folders_are_recorded_once(uri, tmp_path):
    (tmp_path / "model.keras").write_bytes(b"weights")
    with tracker(uri, tmp_path) as open_tracker, open_tracker.run("trial", {}) as run:
        for _ in range(2):  # as after a crash
            run.log_datasets(training=digits())
            run.log_artifact(tmp_path / "model.keras", "model")
    client = mlflow.MlflowClient(uri)
    (used,) = client.get_run(run.id).inputs.dataset_inputs
    assert used.dataset.name == "digits/train"
    assert used.dataset.digest == digits().fingerprint[:16]
    assert json.loads(used.dataset.profile) == {"num_images": 4, "image_shape": [8, 8, 3]}
    assert {tag.key: tag.value for tag in used.tags} == {
        "mlflow.data.context": "training",
        "split": "train",
        "factor": "colour",
        "factor_values": "red, green",
    }
    assert [file.path for file in client.list_artifacts(run.id, "model")] == ["model/model.keras"]
    assert not [*(tmp_path / "spool").glob("*/*.jsonl")]


def test_an_experiment_says_what_it_is_about(uri, tmp_path):
    client = mlflow.MlflowClient(uri)
    older = client.create_experiment("colours-jax")
    tags = views.experiment_tags("Does it help?", "It does.", ["rgf/gap"], ["weight"])
    with tracker(uri, tmp_path) as open_tracker, open_tracker.run("study", {}) as run:
        run.tag_experiment(tags)
    found = client.get_experiment(older).tags
    assert found["mlflow.experimentKind"] == "custom_model_development"
    assert "Does it help?" in found[NOTE_TAG]
    assert "It does." in found[NOTE_TAG]
    view = json.loads(found[views.VIEW_TAG])
    assert {"metrics.`rgf/gap`", "params.`weight`"} <= set(view["selectedColumns"])
    client.set_experiment_tag(older, NOTE_TAG, "my own words")
    with tracker(uri, tmp_path) as open_tracker, open_tracker.run("study", {}) as run:
        run.tag_experiment(tags)
    assert client.get_experiment(older).tags[NOTE_TAG] == "my own words"


def test_the_pages_of_a_study_have_addresses(uri, tmp_path):
    with tracker(uri, tmp_path) as open_tracker, open_tracker.run("study", {}) as parent:
        parent.set_tags({"best_trial": 2})
        parent.tag_experiment(views.experiment_tags("Does it help?", "", ["rgf/gap"]))
        ids = []
        for number in range(3):
            with open_tracker.run(f"trial-{number:04d}", {}, parent.id) as run:
                ids.append(run.id)
    pages = study_pages(uri, "http://host:5000", "colours")
    place = "http://host:5000/#/experiments/1/runs?viewStateShareKey=rgf"
    assert pages["runs"] == place
    assert pages["charts"] == f"{place}&compareRunsMode=CHART"
    assert pages["best and baseline"] == (
        "http://host:5000/#/compare-runs"
        f"?runs=%5B%22{ids[0]}%22%2C%20%22{ids[2]}%22%5D&experiments=%5B%221%22%5D"
    )
    assert study_pages(uri, "http://host:5000", None) == {}
    with pytest.raises(RgfError, match=r"unknown study 'shapes'; known: .*colours-jax"):
        study_pages(uri, "http://host:5000", "shapes")


def test_the_source_is_the_study_file_and_the_commit_of_its_repository(tmp_path, monkeypatch):
    git = ["git", "-c", "user.name=a", "-c", "user.email=b"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    words = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True).stdout.strip()
    file = tmp_path / "my_study.py"
    file.touch()
    monkeypatch.setenv("LOGNAME", "ada")
    assert provenance.source_tags(file) == {
        "mlflow.source.name": str(file),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": commit,
        "mlflow.user": "ada",
    }
    monkeypatch.chdir(tmp_path)  # which is not where the code comes from
    monkeypatch.setenv("RGF_COMMAND", "rgf assess my.yaml")
    provenance.source_tags.cache_clear()
    tags = provenance.source_tags()
    provenance.source_tags.cache_clear()
    assert tags["mlflow.source.name"] == "rgf assess"
    assert tags.get("mlflow.source.git.commit") != commit


def test_the_packages_are_exact(tmp_path):
    run = MemoryTracker().start("study", {})
    log_packages(run, tmp_path)
    lines = run.artifacts["packages.txt"].decode().splitlines()
    assert f"numpy=={metadata.version('numpy')}" in lines
    assert lines[0].startswith("# Python 3.")


def test_what_the_system_does_is_recorded_where_that_is_asked_for(monkeypatch):
    pytest.importorskip("psutil", reason="needs psutil (extra 'system-metrics')")
    tracker = MemoryTracker()
    with tracker.run("without", {}) as run:
        pass
    assert not run.metrics
    monkeypatch.setenv(system_metrics.VARIABLE, "true")
    monkeypatch.setenv(system_metrics.INTERVAL, "0.1")
    with tracker.run("with", {}) as run:
        for _ in range(100):
            if run.metrics:
                break
            time.sleep(0.05)
    ((step, value),) = run.metrics["system/cpu_utilization_percentage"][:1]
    assert abs(step - time.time()) < 60
    assert 0 <= value <= 100
