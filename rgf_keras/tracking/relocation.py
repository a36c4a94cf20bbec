"""A workspace that was moved, renamed or copied: its database and spool say where it was before.

MLflow keeps absolute addresses of artifacts. Those in a workspace's own database,
``WORKSPACE/mlflow.db``, are of ``WORKSPACE/artifacts``, and are made so again when it is opened.
"""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import sqlalchemy

from rgf_keras import outputs
from rgf_keras.cache import key_of
from rgf_keras.masking import masked
from rgf_keras.names import sqlite_url
from rgf_keras.runtime import locks
from rgf_keras.tracking.spool import FILES_LOCK

DATABASE, ARTIFACTS = "mlflow.db", "artifacts"  # in a workspace
OWN, REFUSED = "own", "refused"  # in a spool; the first marks that of the workspace's database
ID_TAG = "rgf.id"  # a run has it with our id of it
MADE_TAG = "rgf.made"  # an experiment has it that we have made
OURS = """
    SELECT experiment_id, artifact_location FROM experiments AS ours
    WHERE EXISTS (
        SELECT 1 FROM experiment_tags WHERE key = ? AND experiment_id = ours.experiment_id
    ) OR EXISTS (
        SELECT 1 FROM tags JOIN runs USING (run_uuid)
        WHERE key IN (?, 'version/rgf_keras') AND runs.experiment_id = ours.experiment_id
    )
"""


@contextmanager
def opening(uri: str) -> Iterator[None]:
    """Inside, a database in a file is opened by one process at a time, as MLflow may alter it.

    A workspace's own one says where its artifacts are now.

    Raises:
        RgfError: the folder cannot be written.
    """
    file = _file(uri)
    if file is None or not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
        yield  # of what may only be read nothing is altered
        return
    with locks.exclusive(file.with_name(f"{file.name}.lock")):
        if file.name == DATABASE and file.exists():
            _relocate(file)
        yield


def artifacts_of(uri: str, artifacts: str | None) -> str | None:
    """Where a new experiment's artifacts belong: in the workspace as it is, not as it was."""
    file = _file(uri)
    if artifacts is None or file is None or file.name != DATABASE:
        return artifacts
    return (file.parent / ARTIFACTS).resolve().as_uri()


def spool_folder(spool: Path, uri: str) -> Path:
    """The folder for what waits for an address, whatever its password is.

    What waits for the workspace's own database where that was before belongs to it.
    """
    shown = masked(uri, uri)
    folder = spool / key_of({"uri": shown})
    is_own = uri == sqlite_url(spool.parent / DATABASE)
    for old in [path.parent for path in spool.glob("*/address") if path.parent != folder]:
        with contextlib.suppress(FileNotFoundError):  # another process has merged it
            address = (old / "address").read_text(encoding="utf-8")
            if masked(address, address) == shown or (is_own and _was_here(old, address)):
                _merge(old, folder)
    if is_own:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / OWN).touch()
    return folder


def _file(uri: str) -> Path | None:
    """The file of a SQLite address."""
    if not uri.startswith("sqlite"):
        return None
    path = sqlalchemy.make_url(uri).database
    return Path(path) if path and path != ":memory:" else None


def _relocate(file: Path) -> None:
    folder = file.parent / ARTIFACTS
    here = folder.resolve().as_uri()
    with contextlib.suppress(sqlite3.Error), closing(sqlite3.connect(file)) as database, database:
        for experiment, place in database.execute(OURS, (MADE_TAG, ID_TAG)).fetchall():
            if place == here or not _is_moved(str(place), folder):
                continue
            database.execute(
                "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?",
                (here, experiment),
            )
            database.execute(
                "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) "
                "WHERE experiment_id = ? AND substr(artifact_uri, 1, ?) = ?",
                (here, len(place) + 1, experiment, len(place) + 1, f"{place}/"),
            )


def _is_moved(place: str, folder: Path) -> bool:
    """Whether a place of artifacts is that of a workspace, and has become another folder."""
    if not (place.startswith("file:") and place.endswith(f"/{ARTIFACTS}")):
        return False
    return folder.exists() or not Path(unquote(urlsplit(place).path)).exists()


def _was_here(old: Path, address: str) -> bool:
    """Whether a spool is of the workspace's own database before that was moved or copied."""
    if (old / OWN).exists():
        return True
    file = _file(address)  # of earlier versions, which left no mark
    if file is None or file.name != DATABASE or file.exists():
        return False
    return file.parent.name == old.parent.parent.resolve().name


def _merge(old: Path, new: Path) -> None:
    """Let what waits in one folder wait in another, unless somebody is at it.

    What the other one has too stays where it is.
    """
    lock = locks.acquire(old / "lock", wait=False)
    if lock is None:
        return
    try:
        new.mkdir(parents=True, exist_ok=True)
        for run in [path.stem for path in old.glob("*.jsonl")]:
            parts = (run, f"{run}.sent", f"{run}.jsonl")  # the last one says that there is a run
            if not any((new / part).exists() for part in parts):
                for part in parts:
                    if (old / part).exists():
                        os.replace(old / part, new / part)
        for path in (old / REFUSED).glob("*.jsonl"):
            (new / REFUSED).mkdir(exist_ok=True)
            with open(new / REFUSED / path.name, "ab") as file:
                file.write(path.read_bytes())
            path.unlink()
        for path in list(outputs.files(old / REFUSED)):
            target = new / path.relative_to(old)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, target)
        left = {path.name for path in outputs.files(old)}
        if left <= {"lock", FILES_LOCK, "address", OWN}:
            shutil.rmtree(old, ignore_errors=True)
    finally:
        lock.release()
