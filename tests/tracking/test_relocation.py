"""A workspace that was moved or copied works where it is now, and runs that were deleted."""

import shutil
from pathlib import Path

import mlflow
import pytest

from rgf_keras.cli.options import open_records, open_tracker
from rgf_keras.errors import RgfError
from rgf_keras.names import sqlite_url
from rgf_keras.tracking import relocation
from rgf_keras.tracking.mlflow_tracker import send_backlog
from rgf_keras.tracking.records import Records
from rgf_keras.tracking.relocation import spool_folder


@pytest.fixture
def workspace(tmp_path, monkeypatch, mlflow_database):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "before").mkdir()
    shutil.copy(mlflow_database, tmp_path / "before" / "mlflow.db")
    return tmp_path / "before"


def record(workspace, text, tracker=None):
    """A run with a file; its id."""
    (workspace.parent / "table.csv").write_text(text)
    with open_tracker(None, workspace, "assess") as tracker, tracker.run("assess", {}) as run:
        run.log_metrics({"loss": 1.0})
        run.log_artifact(workspace.parent / "table.csv")
    return run.id


@pytest.mark.parametrize("is_copied", [False, True])
def test_a_workspace_that_was_moved_or_copied(workspace, tmp_path, is_copied):
    first = record(workspace, "first")
    with open_tracker(None, workspace, "assess") as tracker:
        tracker.spool.close()
        tracker.sender._closing.set()
        tracker.sender._thread.join()
        waiting = tracker.start("assess", {})  # and nobody sends it
        waiting.log_artifact(tmp_path / "table.csv")
        waiting.finish()
        tracker.sender.close = lambda: tracker.spool.close()
    after = tmp_path / "after?"
    (shutil.copytree if is_copied else shutil.move)(workspace, after)
    kept = sorted(path for path in workspace.rglob("*") if path.is_file())
    records = open_records(None, after)
    assert records.run(first).file("table.csv") == b"first"
    assert records.run(waiting.id).file("table.csv") == b"first"
    second = record(after, "second")
    assert Records(sqlite_url(after / "mlflow.db")).run(second).file("table.csv") == b"second"
    paths = [path.read_text() for path in (after / "artifacts").rglob("table.csv")]
    assert sorted(paths) == ["first", "first", "second"]
    assert sorted(path for path in workspace.rglob("*") if path.is_file()) == kept
    assert not [*after.glob("spool/*/*.jsonl")]


def test_a_run_that_was_deleted_is_told_and_stops_nothing(workspace, tmp_path):
    told = []
    uri = sqlite_url(workspace / "mlflow.db")
    client = mlflow.MlflowClient(uri)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with open_tracker(None, workspace, "assess") as tracker:
        tracker.sender.tell = told.append
        tracker.sender.outage = True
        ours = tracker.start("ours", {})  # as while MLflow was away
        tracker.sender.outage = False
        theirs = tracker.start("theirs", {})
        tracker.spool.acquire()
        tracker.spool.send(tracker.store)
        for run in (ours, theirs):
            client.delete_run(tracker.store.find(run.id))
            tracker.store._ids.clear()
            run.log_metrics({"loss": 1.0})
        other = tracker.start("other", {})
        other.log_image(tmp_path / "broken.png", "broken", 1)
        other.log_metrics({"loss": 2.0})
        other.finish()
    assert client.get_run(other.id).data.metrics == {"loss": 2.0}
    assert client.get_run(other.id).info.status == "FINISHED"
    assert "refused 3 records or files" in told[0]
    assert len(told) == 1
    for run in client.search_runs(
        [client.get_experiment_by_name("assess").experiment_id], run_view_type=2
    ):
        client.restore_run(run.info.run_id)
    with pytest.raises(RgfError, match=r"refused 1 .*broken.png .* it is no picture"):
        send_backlog(uri, workspace / "spool", refused=True)
    assert client.get_run(theirs.id).data.metrics == {"loss": 1.0}
    assert Path(workspace / "spool").exists()


def test_only_our_own_experiments_follow_the_workspace(workspace, tmp_path):
    client = mlflow.MlflowClient(sqlite_url(workspace / "mlflow.db"))
    places = {"theirs": "file:///gone/artifacts", "ours": "file:///gone/artifacts"}
    ids = {name: client.create_experiment(name, place) for name, place in places.items()}
    client.create_run(ids["ours"], tags={"rgf.id": "local-1"})
    with open_tracker(None, workspace, "new"):
        pass
    after = Path(shutil.move(workspace, tmp_path / "after"))
    with relocation.opening(sqlite_url(after / "mlflow.db")):
        pass
    client = mlflow.MlflowClient(sqlite_url(after / "mlflow.db"))
    here = (after / "artifacts").as_uri()
    expected = {"theirs": "file:///gone/artifacts", "ours": here, "new": here}
    for name, place in expected.items():
        assert client.get_experiment_by_name(name).artifact_location == place


def waiting(folder, address, **files):
    """A folder of a spool with an address and files, ``__`` in whose names is a dot."""
    (folder / "refused").mkdir(parents=True)
    (folder / "address").write_text(address)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def test_merging_spools_loses_nothing(tmp_path):
    spool, uri = tmp_path / "spool", "http://me:b@host"
    old = waiting(spool / "old", "http://me:***@host", a__jsonl="a", a__sent="1", b__jsonl="b")
    (old / "b").mkdir()
    (old / "b" / "table.csv").write_text("b")
    (old / "refused" / "c.jsonl").write_text("old\n")
    new = spool_folder(spool, "http://me:c@host")
    assert new == spool_folder(spool, uri)
    assert not old.exists()
    assert {path.name for path in new.iterdir()} == {"a.jsonl", "a.sent", "b.jsonl", "b", "refused"}
    old = waiting(spool / "old", "http://me:***@host", a__jsonl="other", a__sent="5", d__jsonl="d")
    (old / "refused" / "c.jsonl").write_text("new\n")
    spool_folder(spool, uri)
    assert [(new / name).read_text() for name in ("a.jsonl", "a.sent")] == ["a", "1"]
    assert [(old / name).read_text() for name in ("a.jsonl", "a.sent")] == ["other", "5"]
    assert (new / "d.jsonl").exists()
    assert not (old / "d.jsonl").exists()
    assert (new / "refused" / "c.jsonl").read_text() == "old\nnew\n"


def test_what_waits_for_another_database_is_left_to_it(tmp_path):
    workspace, start = tmp_path / "b", f"sqlite:///{tmp_path}"
    theirs = waiting(workspace / "spool" / "1", f"{start}/a/mlflow.db", x__jsonl="x")
    before = waiting(workspace / "spool" / "2", f"{start}/c/b/mlflow.db", y__jsonl="y")
    own = waiting(workspace / "spool" / "3", f"{start}/d/mlflow.db", own="", z__jsonl="z")
    folder = spool_folder(workspace / "spool", sqlite_url(workspace / "mlflow.db"))
    assert (theirs / "x.jsonl").exists()
    assert not before.exists()
    assert not own.exists()
    assert {path.name for path in folder.iterdir()} == {"own", "y.jsonl", "z.jsonl"}
