"""What Optuna's dashboard shows: pictures, attributes, and which trials keep the bounds."""

import dataclasses
import errno
import io
import json
import shutil
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from toy_study import STUDY, assessment

from rgf_keras.cache import Cache
from rgf_keras.experiments.studies.optuna_adapter import artifact_ids, for_dashboard
from rgf_keras.experiments.studies.pictures import FOLDER
from rgf_keras.experiments.studies.ranking import feasible
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import default_url, open_storage
from rgf_keras.tracking.tracker import MemoryTracker


def evaluate(config, context):
    """Logs two pictures, one of them twice, and a series."""
    for text in ("draft", f"{config.spectral_decoupling.weight}"):
        (context.folder / "samples.png").write_text(text)
        context.run.log_artifact(context.folder / "samples.png")
    (context.folder / "copies.png").write_text("copies")
    context.run.log_artifact(context.folder / "copies.png")
    context.run.log_image(context.folder / "copies.png", "copies", 0)
    return assessment(config)


def run(folder, evaluate=evaluate, study=STUDY, url=None, **kwargs):
    return run_study(
        study,
        "toy",
        folder / "work",
        open_storage(url or f"sqlite:///{folder}/optuna.db"),
        MemoryTracker(),
        Cache(folder / "cache"),
        evaluate=evaluate,
        pictures=folder / FOLDER,
        **kwargs,
    )


def pictures(record, trial, folder):
    """A trial's pictures by Optuna's own API."""
    metas = get_all_artifact_meta(trial, storage=open_storage(f"sqlite:///{folder}/optuna.db"))
    assert {meta.mimetype for meta in metas} == {"image/png"}
    store = FileSystemArtifactStore(folder / FOLDER)
    return [
        (meta.filename, store.open_reader(meta.artifact_id).read().decode())
        for meta in sorted(metas, key=lambda meta: meta.filename)
    ]


def test_a_trial_has_its_last_pictures_once(tmp_path):
    record = run(tmp_path, num_trials=3)
    for trial in record.trials:
        weight = trial.params.get("weight", 0.0)
        expected = [("copies.png", "copies"), ("samples.png", f"{weight}")]
        assert pictures(record, trial, tmp_path) == expected
    assert len([*(tmp_path / FOLDER).iterdir()]) == 3 * 2


def test_a_resumed_trial_has_a_picture_once(tmp_path):
    calls = []

    def interrupted(config, context):
        calls.append(config)
        result = evaluate(config, context)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return result

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, interrupted, num_trials=2)
    record = run(tmp_path, interrupted, num_trials=2)
    assert len(calls) == 3
    assert [name for name, _ in pictures(record, record.trials[1], tmp_path)] == [
        "copies.png",
        "samples.png",
    ]


def test_repeats_have_pictures_of_their_own(tmp_path):
    run(tmp_path, num_trials=2, repeats=2)
    again = optuna.load_study(study_name="toy/repeats", storage=f"sqlite:///{tmp_path}/optuna.db")
    assert len(again.trials) >= 2
    assert {len(pictures(again, trial, tmp_path)) for trial in again.trials} == {2}


def test_a_study_that_moves_to_the_journal_keeps_its_pictures(tmp_path):
    before = run(tmp_path, num_trials=2).trials
    url = default_url(tmp_path, "toy", parallel=True)
    after = run(tmp_path, url=url, num_trials=3)
    moved = [artifact_ids(optuna.Trial(after, trial._trial_id)) for trial in after.trials]
    storage = open_storage(f"sqlite:///{tmp_path}/optuna.db")
    kept = [get_all_artifact_meta(trial, storage=storage) for trial in before]
    assert moved[:2] == [{meta.filename: meta.artifact_id for meta in metas} for metas in kept]
    assert moved[2].keys() == moved[1].keys()


def test_pictures_that_cannot_be_written_are_told_and_lose_no_trial(tmp_path, caplog):
    (tmp_path / FOLDER).write_text("in the way")
    record = run(tmp_path, num_trials=3)
    assert [trial.state.name for trial in record.trials] == ["COMPLETE"] * 3
    (message,) = [each for each in caplog.messages if "dashboard" in each]
    assert message.startswith("Optuna's dashboard will lack pictures of trials")
    assert str(tmp_path / FOLDER) in message
    assert "\n" not in message


def test_a_full_disk_loses_pictures_alone_and_notes_none(tmp_path, caplog, monkeypatch):
    def full(*paths):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        record = run(tmp_path, num_trials=2)
    assert len(record.trials) == 2
    assert not any(pictures_of(record).values())
    assert [each for each in caplog.messages if "No space left" in each]


def pictures_of(record):
    trials = [optuna.Trial(record, trial._trial_id) for trial in record.trials]
    return {trial.number: artifact_ids(trial) for trial in trials}


def test_a_picture_that_was_deleted_in_the_dashboard_is_none(tmp_path):
    record = run(tmp_path, num_trials=1)
    trial = optuna.create_study().ask()
    storage = trial.study._storage
    (key, *_) = [k for k in record.trials[0].system_attrs if k.startswith("artifacts:")]
    storage.set_trial_system_attr(trial._trial_id, key, json.dumps(None))
    assert artifact_ids(trial) == {}


def test_what_bounds_are_on_are_attributes_that_can_be_sorted_by(tmp_path):
    for trial in run(tmp_path, num_trials=3).trials:
        metrics = trial.user_attrs["metrics"]
        names = "rgf/gap", "quality/frechet_oracle", "rgf/class_coverage"
        shown = {key: x for key, x in trial.user_attrs.items() if key.startswith("metric/")}
        assert shown == {f"metric/{name}": metrics[name] for name in names}


def test_the_command_hands_on_the_pictures(tmp_path, rgf_here, monkeypatch):
    run(tmp_path, num_trials=2)
    served = []
    dashboard = ModuleType("optuna_dashboard")
    dashboard.__spec__ = ModuleSpec("optuna_dashboard", None)
    dashboard.run_server = lambda *args, artifact_store: served.append((*args, artifact_store))
    monkeypatch.setitem(sys.modules, "optuna_dashboard", dashboard)
    done = rgf_here(tmp_path, "dashboard", "--workspace", tmp_path)
    assert done.returncode == 0, done.stderr
    ((storage, host, port, store),) = served
    assert (host, port) == ("127.0.0.1", 8080)
    for trial in storage.get_all_trials(storage.get_study_id_from_name("toy")):
        (samples, *_) = get_all_artifact_meta(trial, storage=storage)
        assert store.open_reader(samples.artifact_id).read()


def test_the_dashboard_knows_feasibility_and_shows_pictures(tmp_path):
    optuna_dashboard = pytest.importorskip("optuna_dashboard")
    record = run(tmp_path, num_trials=8, study=dataclasses.replace(STUDY, num_trials=8))
    storage = for_dashboard(open_storage(f"sqlite:///{tmp_path}/optuna.db"))
    app = optuna_dashboard.wsgi(storage, FileSystemArtifactStore(tmp_path / FOLDER))

    def get(path):
        environment = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "wsgi.input": io.BytesIO()}
        environment |= {"SERVER_NAME": "here", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
        body = app(environment | {"wsgi.errors": sys.stderr}, lambda *given: None)
        return b"".join(body)

    study_id = record._study_id
    shown = json.loads(get(f"/api/studies/{study_id}"))["trials"]
    known = [all(violation <= 0 for violation in trial["constraints"]) for trial in shown]
    assert known == [feasible(trial) for trial in record.trials]
    assert {True, False} == set(known)
    for trial in shown:
        names = {artifact["filename"]: artifact["artifact_id"] for artifact in trial["artifacts"]}
        assert names.keys() == {"samples.png", "copies.png"}
        url = f"/artifacts/{study_id}/{trial['trial_id']}/{names['copies.png']}"
        assert get(url) == b"copies"
