"""PostgreSQL drops all sessions while a pruner looks: the same command goes on, each trial once."""

from collections import Counter
from dataclasses import replace

import optuna
import pytest
import sqlalchemy
import toy_study
from postgres_server import postgresql
from test_processes import open_tracker

from rgf_keras.cache import Cache
from rgf_keras.cli.jobs import import_for_trials
from rgf_keras.experiments.studies.parallel import run_parallel
from rgf_keras.experiments.studies.ranking import finished
from rgf_keras.experiments.studies.run import StudySpec
from rgf_keras.runtime.progress import SILENT
from rgf_keras.runtime.workers import WorkersSpec

DROP = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"


def study():
    return replace(toy_study.RANDOM, pruner=optuna.pruners.MedianPruner)


def assess(config, context):
    """Drops all sessions between two looks of the pruner, at the first attempt at a trial."""
    result = toy_study.assessment(config)
    for epoch in (1, 2, 3):
        mark = context.folder / f"dropped-at-{epoch}"
        if context.folder.name == f"trial-000{epoch}" and not mark.exists():
            mark.touch()
            url = (context.folder.parents[1] / "url").read_text()
            with sqlalchemy.create_engine(url).connect() as session:
                session.execute(sqlalchemy.text(DROP))
        context.run.log_metrics({**result.metrics, "epoch": epoch}, step=epoch)
    with open(context.folder.parents[1] / "assessed.log", "a") as log:
        log.write(f"{context.folder.name}\n")
    return result


@pytest.mark.slow
def test_a_restarted_database_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")  # quick to import
    with postgresql() as url:
        (tmp_path / "url").write_text(url)
        cache = Cache(tmp_path / "cache")
        spec = StudySpec(study, url, open_tracker, "toy", tmp_path, cache, 5, evaluate=assess)
        where = WorkersSpec(1, prepare=import_for_trials)
        record = run_parallel(spec, where, SILENT, lambda trial: None)
        assert [trial.number for trial in finished(record)] == list(range(5))
        assert len(record.trials) == 5
    names = (tmp_path / "assessed.log").read_text().split()
    assert set(Counter(names).values()) == {1}
