"""What users call things is shown, stored and found as they wrote it."""

import io
import json
import os
import sqlite3
import subprocess
import sys

import mlflow
import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from rgf_keras.figures import charts
from rgf_keras.metrics import rgf_table
from rgf_keras.names import sqlite_url
from rgf_keras.reports import outcome
from rgf_keras.runtime.progress import on_console

TOY = """
from types import SimpleNamespace
from rgf_keras.experiments import AssessConfig, Study

BASELINE = AssessConfig()

def suggest(trial):
    weight = trial.suggest_categorical("[/x] weight", [0.1, 0.2])
    return BASELINE.with_values({"spectral_decoupling.weight": weight})

def evaluate(config, context):
    metrics = {"rgf/gap": 0.5, "rgf/class_coverage": 1.0, "quality/frechet_oracle": 10.0}
    metrics["rgf/z_Benz (CLA) [red]"] = float("inf")
    (context.folder / "a.txt").write_text("kept")
    context.run.log_artifact(context.folder / "a.txt")
    return metrics

study = Study("toy", "Is [bold] :smile: [/nothing] shown?", BASELINE, suggest, num_trials=2,
              repeats=0, evaluate=evaluate)
"""
WORKSPACE = "e?1 [old] [-x]#%20;&+ü :x:"


def rgf(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "rgf_keras.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "300"},
        check=False,
    )


def strict(text):
    return json.loads(text, parse_constant=pytest.fail)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    (folder / "toy.py").write_text(TOY)
    done = rgf("study", "run", "toy.py", "--workspace", WORKSPACE, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_a_workspace_of_any_name_holds_its_records(ran):
    folder, done = ran
    strict(done.stdout)
    assert f"records: {WORKSPACE}/" in done.stderr
    assert "Is [bold] :smile: [/nothing] shown?" in done.stderr
    assert "[/x] weight=0." in done.stderr
    assert {path.name for path in folder.iterdir()} == {WORKSPACE, "toy.py", "__pycache__"} - (
        {"__pycache__"} - {path.name for path in folder.iterdir()}
    )
    workspace = folder / WORKSPACE
    assert {"mlflow.db", "optuna.journal", "artifacts"} <= {
        path.name for path in workspace.iterdir()
    }
    assert len([*workspace.glob("artifacts/**/a.txt")]) == 2
    client = mlflow.MlflowClient(sqlite_url(workspace / "mlflow.db"))
    experiment = client.get_experiment_by_name("toy-tensorflow") or client.search_experiments()[0]
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 3
    assert all(value < 1e300 for run in runs for value in run.data.metrics.values())
    trials = [run for run in runs if run.info.run_name.startswith("trial")]
    assert {run.data.metrics["rgf/gap"] for run in trials} == {0.5}


def test_what_is_in_it_is_found(ran):
    folder, _ = ran
    where = "--workspace", WORKSPACE
    shown = rgf("study", "show", "toy", *where, cwd=folder)
    assert "[/x] weight=0." in shown.stdout
    assert "Is [bold] :smile: [/nothing] shown?" in shown.stdout
    assert "everything is in MLflow" in rgf("sync", *where, cwd=folder).stderr
    report = rgf("report", "toy", *where, "-o", "[x] page.html", cwd=folder)
    assert "report: [x] page.html" in report.stderr
    strict(rgf("compare", "toy/0", "toy/1", *where, "--json", cwd=folder).stdout)


@pytest.mark.parametrize("name", ["../../x", "a/b", "/tmp/x", "", ".x", "-x", "con", "x" * 300])
def test_a_name_that_is_no_folders_is_refused(ran, name):
    folder, _ = ran
    done = rgf("study", "run", "toy.py", f"--name={name}", "--dry-run", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --name ")
    assert done.stderr.count("\n") == 1


def test_a_deleted_experiment_names_the_remedy(ran):
    folder, _ = ran
    with sqlite3.connect(folder / WORKSPACE / "mlflow.db") as database:
        database.execute(
            "update experiments set lifecycle_stage = 'deleted' where name like 'toy%'"
        )
    done = rgf("study", "run", "toy.py", "--workspace", WORKSPACE, "--n-trials", 3, cwd=folder)
    assert done.returncode == 2
    assert "mlflow experiments restore --experiment-id" in done.stderr
    assert "--name" in done.stderr


# ------------------------------------------------------------------------------- names of classes

COUNTS = np.array([[50, 50], [90, 10], [140, 60]])


@pytest.mark.parametrize("name", ["all", "mean", "total", "gap", "nan", "all classes"])
def test_a_class_called_like_a_row_of_ours_is_a_class(name):
    tested = np.array([[10, 90], [90, 10], [100, 100]])
    known = rgf_table.build(tested, COUNTS, ["cat", "dog"], 1)
    rows = rgf_table.build(tested, COUNTS, [name, "dog"], 1)
    assert rgf_table.mean_gap(rows) == rgf_table.mean_gap(known) == pytest.approx(0.2)
    z = rgf_table.by_name(rows, "z_two_sample")
    assert len(z) == 3
    assert z[name] == rgf_table.by_name(known, "z_two_sample")["cat"]
    again = rgf_table.from_records(strict(json.dumps(rgf_table.to_records(rows))))
    assert [row.name for row in again] == [row.name for row in rows]
    assert len({row.name for row in rows}) == 3


def test_tables_and_progress_show_names_as_they_are():
    rows = rgf_table.build(COUNTS, COUNTS, ["[tench] a", "[/x] :dog:"], 1)
    for options in ({}, {"markup": False}, {"force_terminal": True, "no_color": True}):
        console = Console(file=io.StringIO(), width=200, **options)
        console.print(outcome.assessment_table(rows))
        with on_console(console) as progress:
            progress.task("[red] images of [/y] :x:", "images")(1, 1)
        written = console.file.getvalue()
        assert "[tench] a" in written
        assert "[/x] :dog: (rare)" in written
        if not options.get("force_terminal"):
            assert "[red] images of [/y] :x:: 1 images" in written


def test_a_dollar_in_a_name_is_no_formula(tmp_path):
    axis = Figure().subplots()
    axis.set_yticks([0, 1], [r"$\nothing$", "$5 and $6"])
    axis.set(title=r"a $\frac$ b", yscale="linear", xscale="log")
    charts.keep_dollars(axis.figure)
    axis.figure.savefig(tmp_path / "x.png")
