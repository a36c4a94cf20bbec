"""The examples run as their README says: studies, reports, samples and a score."""

import csv
import json
import signal
from pathlib import Path

import pytest

from rgf_keras.names import sqlite_url

KILLED = Path(__file__).with_name("killed_rgf.py")


def succeed(result):
    assert result.returncode == 0, result.stderr
    return result


@pytest.fixture
def read(rgf_here, folder):
    """What a command prints."""

    def run(*arguments):
        return succeed(rgf_here(folder, *arguments)).stdout

    return run


def assert_study_can_be_read(read, folder, name, metric):
    """`study show`, `report`, `compare` and `sample` of a study of three trials."""
    study = json.loads(read("study", "show", name, "--json"))
    assert [trial["baseline"] for trial in study["trials"]] == [True, False, False]
    read("report", study["study"], "-o", f"{name}.html")
    assert study["question"] in (folder / f"{name}.html").read_text()
    trials = [f"{study['study']}/{number}" for number in range(2)]
    compared = json.loads(read("compare", *trials, "--json"))
    assert metric in compared["runs"][1]["metrics"]
    return study, compared


def assert_can_be_sampled(read, folder, study):
    trial = study["trials"][1]
    pictures = set()
    for model in (f"{study['study']}/{trial['trial']}", trial["mlflow_run_id"]):
        read("sample", model, "-n", 9, "-o", "nine.png")
        pictures.add((folder / "nine.png").read_bytes())
    assert len(pictures) == 1, "a trial and its run are one model"
    newest = max(folder.glob("mlruns/artifacts/**/model.*"), key=lambda path: path.stat().st_mtime)
    read("sample", newest, "-n", 9, "-o", "nine.png")
    assert (folder / "nine.png").stat().st_size > 1000


def test_a_gan_as_keras_documentation_writes_one(rgf, read, folder):
    succeed(rgf("study", "run", "tiny_my_gan.py"))
    study, compared = assert_study_can_be_read(read, folder, "my_gan", "rgf/gap")
    assert {"learning_rate", "label_smoothing"} == set(study["trials"][1]["parameters"])
    assert "model.arguments.label_smoothing" in compared["differing"]
    assert_can_be_sampled(read, folder, study)


def test_a_flow_is_killed_and_goes_on(rgf, read, folder, tmp_path):
    storage = sqlite_url(folder / "mlruns" / "optuna.db")  # for one process, which is killed
    command = ("study", "run", "tiny_my_flow.py", "--storage", storage)
    log = tmp_path / "log"
    killed = rgf(log, 12, *command, program=[KILLED])
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    succeed(rgf(log, 0, *command, program=[KILLED]))
    began = [int(line) for line in log.read_text().splitlines()]
    assert len(began) == 4
    assert began[0] == began[2] == began[3] == 0
    assert 0 < began[1] < 20, "the trial goes on in the middle of its training"
    study, _ = assert_study_can_be_read(read, folder, "my_flow", "rgf/gap")
    assert_can_be_sampled(read, folder, study)


def test_the_flow_is_scored(rgf, folder, tmp_path):
    changes = {
        "data": "{num_images: 64, num_held_out: 32}",
        "model.arguments.units": 16,
        "training.epochs": 1,
        "training.batch_size": 16,
        "num_repeats": 1,
        "num_folds": 2,
        "num_samples": 2,
        "full_run": False,
    }
    settings = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    arguments = ("score", "score_my_flow.yaml", *settings, "--results", tmp_path, "--json")
    summary = json.loads(succeed(rgf(*arguments)).stdout)
    assert summary
    with open(tmp_path / "scores.csv") as file:
        assert len(list(csv.DictReader(file))) == 64


def test_everything_of_ones_own_in_one_study(rgf, read, folder):
    succeed(rgf("study", "run", "tiny_my_own.py"))
    study, compared = assert_study_can_be_read(read, folder, "my_own", "mine/near_copies")
    assert "guest/sharpness ≥ 0.8 × baseline" in study["subject_to"]
    assert "regularizers.smoothing.arguments.strength" in compared["differing"]
    assert "guest/sharpness" in (folder / "my_own.html").read_text()
    assert_can_be_sampled(read, folder, study)
