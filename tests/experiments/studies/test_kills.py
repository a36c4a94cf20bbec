"""A process that dies at any line: the same command leaves every trial, run and file once."""

import os
import shutil
from pathlib import Path

import mlflow
import optuna
from kills import killed
from toy_study import RANDOM, assessment

from rgf_keras.cache import Cache
from rgf_keras.experiments.studies.ranking import finished
from rgf_keras.experiments.studies.run import StudyRunner, StudySpec, run_study
from rgf_keras.experiments.studies.stages import Search, Stage
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.tracking.mlflow_store import MlflowStore
from rgf_keras.tracking.mlflow_tracker import MlflowTracker
from rgf_keras.tracking.spool import SpooledRun

NUM_TRIALS = 3


def run(folder, log):
    """The study; every evaluation writes a line and a picture of its trial."""

    def evaluate(config, context):
        with open(log, "a") as lines:
            lines.write(f"{context.folder.name}\n")
        (context.folder / "table.csv").write_text(context.folder.name)
        context.run.log_artifact(context.folder / "table.csv")
        context.run.log_metrics({"loss": 1.0}, step=1)
        return assessment(config)

    uri = f"sqlite:///{folder}/mlflow.db"
    with MlflowTracker(uri, "toy", folder / "spool", folder / "artifacts") as tracker:
        storage = open_storage(f"sqlite:///{folder}/optuna.db")
        where = RANDOM, "toy", folder / "work", storage, tracker, Cache(folder / "cache")
        return run_study(*where, num_trials=NUM_TRIALS, evaluate=evaluate)


# Where processes die, one after the other: before or after their first call.
POINTS = {
    "the study's run is begun and not noted": (MlflowStore, "create", True),
    "a trial's run is begun and not noted": (MlflowStore, "create", True),
    "a trial is evaluated": (Stage, "close", False),
    "its outcome is kept, its bounds are not": (Search, "violations", False),
    "its run is told nothing of its end": (Stage, "record", False),
    "its run has its tags and no end": (SpooledRun, "finish", False),
    "its run has ended": (SpooledRun, "finish", True),
    "Optuna is to be told": (optuna.Study, "tell", False),
    "Optuna is told": (optuna.Study, "tell", True),
    "the next trial's run is begun": (MlflowStore, "create", True),
    "all is done": (StudyRunner, "finish", False),
}


def test_processes_that_die_leave_nothing_twice(tmp_path, monkeypatch, mlflow_database):
    shutil.copy(mlflow_database, tmp_path / "mlflow.db")
    log = tmp_path / "evaluated.log"

    def dying(real, is_after):
        def call(*arguments, **options):
            if is_after:
                real(*arguments, **options)
            os._exit(9)

        return call

    for owner, name, is_after in POINTS.values():
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, dying(getattr(owner, name), is_after))
            killed(lambda: run(tmp_path, log))
    record = run(tmp_path, log)
    assert [trial.number for trial in finished(record)] == [*range(NUM_TRIALS)]
    assert len(record.trials) == NUM_TRIALS
    check_records(tmp_path, {f"trial-{number:04d}" for number in range(NUM_TRIALS)})
    # what was evaluated is not evaluated again once that is known
    assert len(log.read_text().split()) == NUM_TRIALS + 1


def check_records(folder, names):
    """Every trial has one run, with all that belongs to it, and nothing else is left."""
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("toy").experiment_id])
    (parent,) = (run for run in runs if run.info.run_name == "toy")
    assert parent.info.status == "FINISHED"
    trials = {run.info.run_name: run for run in runs if run is not parent}
    assert len(runs) == 1 + len(trials)
    assert trials.keys() == names
    for name, each in trials.items():
        assert each.info.status == "FINISHED"
        assert {"feasible", "baseline"} <= each.data.tags.keys()
        assert each.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert len(client.get_metric_history(each.info.run_id, "loss")) == 1
        (file,) = client.list_artifacts(each.info.run_id)
        assert Path(client.download_artifacts(each.info.run_id, file.path)).read_text() == name
    assert not [path for path in (folder / "work" / "toy").iterdir() if path.is_dir()]
    assert not [*folder.glob("spool/*/*.jsonl")]


def test_a_record_that_was_left_open_before_is_closed_when_the_study_is_opened(
    tmp_path, mlflow_database
):
    shutil.copy(mlflow_database, tmp_path / "mlflow.db")
    record = run(tmp_path, tmp_path / "evaluated.log")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    id = record.trials[1].user_attrs["mlflow_run_id"]
    client.update_run(id, "RUNNING")
    client.delete_tag(id, "feasible")
    (tmp_path / "work" / "toy" / "trial-0001").mkdir()
    run(tmp_path, tmp_path / "evaluated.log")
    check_records(tmp_path, {f"trial-{number:04d}" for number in range(NUM_TRIALS)})


def test_another_mlflow_is_told(tmp_path, mlflow_database):
    told = []
    for machine in ("one", "other"):
        (tmp_path / machine).mkdir()
        shutil.copy(mlflow_database, tmp_path / machine / "mlflow.db")
        uri = f"sqlite:///{tmp_path}/{machine}/mlflow.db"
        given = uri, "toy", tmp_path / machine / "spool", tmp_path / machine / "artifacts"
        spec = StudySpec(
            lambda: RANDOM,
            f"journal:///{tmp_path}/journal",
            lambda given=given: MlflowTracker(*given, told.append),
            "toy",
            tmp_path / machine,
            Cache(tmp_path),
            num_trials=2 if machine == "one" else 3,
            evaluate=lambda config, context: assessment(config),
        )
        spec.run()
        assert bool(told) == (machine == "other")
    assert "has records in another MLflow" in told[0]
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/other/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("toy").experiment_id])
    assert {run.info.run_name for run in runs} == {"toy", "trial-0002"}
