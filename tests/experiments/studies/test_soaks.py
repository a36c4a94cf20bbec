"""Hundreds of kills at random and starts at once: every trial, run, metric and file is there once.

``RGF_SOAK`` says how many.
"""

import os
import random
import shutil
import signal
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import mlflow
import optuna
import pytest
from postgres_server import postgresql
from toy_study import RANDOM, assessment

from rgf_keras.cache import Cache
from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies.ranking import finished
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import (
    default_url,
    find_studies,
    journal_url,
    open_storage,
    sqlite_url,
)
from rgf_keras.tracking.mlflow_tracker import MlflowTracker

pytestmark = pytest.mark.slow

NUM_KILLS = int(os.environ.get("RGF_SOAK", 100))
NUM_STARTS = int(os.environ.get("RGF_SOAK", 20))
EPOCHS = 5


def evaluate(config, context):
    """Trains from its checkpoint on, and logs what it does."""
    context.cache.folder.mkdir(exist_ok=True)
    (context.cache.folder / "evaluating").touch()
    checkpoints = sorted(context.folder.glob("step-*.npz"))
    done = int(checkpoints[-1].stem[5:]) if checkpoints else 0
    for epoch in range(done + 1, EPOCHS + 1):
        time.sleep(0.02)
        context.run.log_metrics({"loss": 1 / epoch, "epoch": epoch}, step=epoch)
        (context.folder / f"step-{epoch:09d}.npz").touch()
    (context.folder / "table.csv").write_text(context.folder.name)
    context.run.log_artifact(context.folder / "table.csv")
    return assessment(config)


def run(folder, url, num_trials):
    uri = f"sqlite:///{folder}/mlflow.db"
    with MlflowTracker(uri, "toy", folder / "spool", folder / "artifacts") as tracker:
        where = "toy", folder / "work", open_storage(url), tracker, Cache(folder / "cache")
        return run_study(RANDOM, *where, num_trials=num_trials, evaluate=evaluate)


@pytest.fixture(scope="module", autouse=True)
def _imports(tmp_path_factory, mlflow_database):
    """Whatever is imported when a study is run, before processes are forked."""
    folder = tmp_path_factory.mktemp("imports")
    shutil.copy(mlflow_database, folder / "mlflow.db")
    run(folder, journal_url(folder), 2)


def started(call):
    """Make a call in a process of its own; it exits with 2 where the call is refused."""
    if process := os.fork():
        return process
    status = 1
    try:
        call()
        status = 0
    except RgfError as error:
        print(error, flush=True)
        status = 2
    finally:
        os._exit(status)


def check(folder, record):
    """Every trial has one run, with all that belongs to it, and nothing else is left."""
    trials = {f"trial-{trial.number:04d}": trial for trial in record.trials}
    assert [trial.number for trial in finished(record)] == [*range(len(trials))]
    client = mlflow.MlflowClient(f"sqlite:///{folder}/mlflow.db")
    runs = client.search_runs(
        [client.get_experiment_by_name("toy").experiment_id], max_results=5000
    )
    assert Counter(run.info.run_name for run in runs) == Counter(["toy", *trials])
    for each in runs:
        given_up = each.data.tags.get("reason", "").startswith("given up after 3 attempts")
        assert each.info.status == ("FAILED" if given_up else "FINISHED")
        if each.info.run_name == "toy" or given_up:
            continue
        id = each.info.run_id
        steps = [point.step for point in client.get_metric_history(id, "loss")]
        assert steps == [*range(1, EPOCHS + 1)]
        assert each.data.tags["feasible"]
        (file,) = client.list_artifacts(id)
        content = Path(client.download_artifacts(id, file.path)).read_text()
        assert content == each.info.run_name
    assert not [path for path in (folder / "work" / "toy").iterdir() if path.is_dir()]
    assert not [*folder.glob("spool/*/*.jsonl"), *folder.glob("spool/*/*.part")]
    return sum(trial.user_attrs["reason"] != "" for trial in record.trials)


@pytest.fixture(params=["sqlite", "journal", "postgresql"])
def url_of(request):
    """The storage's address in a workspace."""
    urls = {"sqlite": sqlite_url, "journal": journal_url}
    is_server = request.param == "postgresql"
    with postgresql() if is_server else nullcontext() as server:
        yield urls.get(request.param, lambda workspace: server)


def test_random_kills(tmp_path, mlflow_database, url_of):
    shutil.copy(mlflow_database, tmp_path / "mlflow.db")
    url, statuses = url_of(tmp_path), Counter()
    for _ in range(NUM_KILLS):
        evaluating = tmp_path / "cache" / "evaluating"
        evaluating.parent.mkdir(exist_ok=True)
        evaluating.unlink(missing_ok=True)
        process = started(lambda: run(tmp_path, url, 100_000))
        if random.random() < 0.8:  # else while the study is opened
            while not evaluating.exists():
                time.sleep(0.005)
        time.sleep(random.uniform(0, 1.5))
        os.kill(process, signal.SIGKILL)
        statuses[os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])] += 1
    assert statuses == {-9: NUM_KILLS}
    known = optuna.load_study(study_name="toy", storage=open_storage(url))
    record = run(tmp_path, url, len(known.trials) + 1)
    num_given_up = check(tmp_path, record)
    print(f"{NUM_KILLS} kills, {len(record.trials)} trials, {num_given_up} given up")


def test_simultaneous_starts(tmp_path, mlflow_database, url_of):
    outcomes = Counter()
    for number in range(NUM_STARTS):
        folder = tmp_path / str(number)
        folder.mkdir()
        if number:  # else both make one
            shutil.copy(mlflow_database, folder / "mlflow.db")
        url = url_of(folder)
        if url.startswith("postgresql"):
            with open_storage(url).engine.connect() as connection:
                connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
                connection.commit()
        twins = [started(lambda folder=folder, url=url: run(folder, url, 3)) for _ in range(2)]
        for twin in twins:
            outcomes[os.waitstatus_to_exitcode(os.waitpid(twin, 0)[1])] += 1
        record = optuna.load_study(study_name="toy", storage=open_storage(url))
        assert len(record.trials) == 3
        check(folder, record)
    assert set(outcomes) <= {0, 2}
    print(outcomes)


def test_simultaneous_starts_with_one_worker_and_with_several(tmp_path, mlflow_database):
    outcomes = Counter()
    for number in range(NUM_STARTS):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(mlflow_database, folder / "mlflow.db")

        def command(parallel, folder=folder):
            time.sleep(random.uniform(0, 0.3))
            run(folder, default_url(folder, "toy", parallel), 3)

        twins = [started(lambda each=each: command(each)) for each in (False, True)]
        for twin in twins:
            outcomes[os.waitstatus_to_exitcode(os.waitpid(twin, 0)[1])] += 1
        (storage,) = find_studies([journal_url(folder), sqlite_url(folder)]).values()
        record = optuna.load_study(study_name="toy", storage=storage)
        assert len(record.trials) == 3
        check(folder, record)
    assert set(outcomes) <= {0, 2}
    print(outcomes)
