"""What every tracker does: one suite, run by all of them."""

import io
import shutil
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pytest
from PIL import Image, ImageOps

from rgf_keras.tracking.mlflow_tracker import MlflowTracker
from rgf_keras.tracking.tracker import MemoryTracker


@dataclass
class Recorded:
    """A run, read back."""

    params: dict
    metrics: dict
    tags: dict
    artifacts: dict
    images: dict  # by key and step, the red of the first pixel that is shown
    status: str
    parent: str | None


class Memory:
    """Records in memory and how they are read."""

    def __init__(self, folder, database):
        self.tracker = MemoryTracker()

    def read(self, id):
        run = self.tracker.runs[id]
        images = {key: _red(io.BytesIO(content)) for key, content in run.images.items()}
        return Recorded(
            run.params, run.metrics, run.tags, run.artifacts, images, run.status, run.parent
        )


class Mlflow:
    """Records in an MLflow database, read when the spool is empty."""

    def __init__(self, folder, database):
        uri = f"sqlite:///{shutil.copy(database, folder)}"
        self.client = mlflow.MlflowClient(uri)
        self.tracker = MlflowTracker(uri, "contract", folder / "spool", folder / "artifacts")

    def read(self, id):
        self.tracker.close()
        run = self.client.get_run(self.tracker.store.find(id))
        files = self.client.list_artifacts(run.info.run_id)
        names = [file.path for file in files if not file.is_dir]
        return Recorded(
            run.data.params,
            {
                name: [(m.step, m.value) for m in self.client.get_metric_history(id, name)]
                for name in run.data.metrics
            },
            run.data.tags,
            {name: open(self.client.download_artifacts(id, name), "rb").read() for name in names},
            {
                (Path(path).name.split("+")[0], int(Path(path).name.split("+")[2])): _red(
                    self.client.download_artifacts(id, path)
                )
                for path in (file.path for file in self.client.list_artifacts(id, "images"))
                if path.endswith(".png")
            },
            run.info.status,
            run.data.tags.get("mlflow.parentRunId"),
        )


def _red(file):
    with Image.open(file) as image:
        return ImageOps.exif_transpose(image).getpixel((0, 0))[0]


@pytest.fixture(params=[Memory, Mlflow])
def records(request, tmp_path, mlflow_database):
    return request.param(tmp_path, mlflow_database)


def test_what_is_logged_is_recorded(records, tmp_path):
    run = records.tracker.start("trial", {"backend": "jax"})
    run.log_params({"model.units": (16, 32), "seed": 0})
    run.log_metrics({"loss/generator": 0.5, "epoch": 1}, step=1)
    run.log_metrics({"loss/generator": 0.25, "epoch": 2}, step=2)
    (tmp_path / "table.csv").write_text("a,b")
    run.log_artifact(tmp_path / "table.csv")
    run.finish()
    found = records.read(run.id)
    assert found.params == {"model.units": "(16, 32)", "seed": "0"}
    assert found.metrics["loss/generator"] == [(1, 0.5), (2, 0.25)]
    assert found.tags["backend"] == "jax"
    assert found.artifacts == {"table.csv": b"a,b"}
    assert found.status == "FINISHED"


def test_what_is_logged_again_changes_nothing(records):
    run = records.tracker.start("trial", {})
    for value in (1.0, 2.0):
        run.log_params({"seed": value})
        run.log_metrics({"loss": value}, step=3)
    found = records.read(run.id)
    assert found.params == {"seed": "1.0"}
    assert found.metrics == {"loss": [(3, 1.0)]}


def test_tags_and_files_are_replaced(records, tmp_path):
    run = records.tracker.start("study", {"best_trial": 1})
    for text in ("old", "new"):
        (tmp_path / "study.json").write_text(text)
        run.log_artifact(tmp_path / "study.json")
    run.set_tags({"best_trial": 2})
    found = records.read(run.id)
    assert found.tags["best_trial"] == "2"
    assert found.artifacts == {"study.json": b"new"}


def test_pictures_of_a_series(records, tmp_path):
    run = records.tracker.start("trial", {})
    for step in (8, 16):
        Image.new("RGB", (4, 4), (step, 0, 0)).save(tmp_path / "samples.png")
        run.log_image(tmp_path / "samples.png", "samples", step)
    assert records.read(run.id).images == {("samples", 8): 8, ("samples", 16): 16}


def test_a_picture_is_recorded_upright(records, tmp_path):
    run = records.tracker.start("trial", {})
    stored = Image.new("RGB", (4, 4), (7, 0, 0))
    stored.paste((9, 0, 0), (0, 2, 4, 4))  # shown above, for orientation 3 is half a turn
    tags = Image.Exif()
    tags[0x0112] = 3
    stored.save(tmp_path / "samples.png", exif=tags)
    run.log_image(tmp_path / "samples.png", "samples", 1)
    assert records.read(run.id).images == {("samples", 1): 9}


def test_a_finished_run_goes_on_under_its_id(records):
    parent = records.tracker.start("study", {})
    run = records.tracker.start("trial", {}, parent=parent.id)
    run.log_metrics({"loss": 1.0}, step=1)
    run.finish("FAILED")
    again = records.tracker.start("trial", {"resumed": True}, parent=parent.id, id=run.id)
    assert again.id == run.id
    again.log_metrics({"loss": 9.0}, step=1)
    again.log_metrics({"loss": 0.5}, step=2)
    found = records.read(run.id)
    assert found.status == "RUNNING"
    assert found.parent == parent.id
    assert found.metrics["loss"] == [(1, 1.0), (2, 0.5)]
    assert found.tags["resumed"] == "True"
