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

from rgf_keras.cache import key_of
from rgf_keras.names import sqlite_url
from rgf_keras.runtime import locks

DATABASE, ARTIFACTS, SPOOL = "mlflow.db", "artifacts", "spool"  # in a workspace


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
    """The folder for what waits for an address.

    What waits for the workspace's own database where that was before belongs to it.
    """
    folder = spool / key_of({"uri": uri})
    if uri == sqlite_url(spool.parent / DATABASE):
        for address in spool.glob("*/address"):
            if address.parent != folder and _was_here(address.read_text(encoding="utf-8"), spool):
                _merge(address.parent, folder)
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
        places = database.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
        for (place,) in places:
            if place == here or not _is_moved(str(place), folder):
                continue
            database.execute(
                "UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?",
                (here, place),
            )
            database.execute(
                "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) "
                "WHERE substr(artifact_uri, 1, ?) = ?",
                (here, len(place) + 1, len(place) + 1, f"{place}/"),
            )


def _is_moved(place: str, folder: Path) -> bool:
    """Whether a place of artifacts is that of a workspace, and has become another folder."""
    if not (place.startswith("file:") and place.endswith(f"/{ARTIFACTS}")):
        return False
    return folder.exists() or not Path(unquote(urlsplit(place).path)).exists()


def _was_here(address: str, spool: Path) -> bool:
    """Whether an address is that of the workspace's own database before it was moved or copied."""
    file = _file(address)
    if file is None or file.name != DATABASE or file.parent == spool.parent.resolve():
        return False
    return not file.exists() or (file.parent / SPOOL).exists()


def _merge(old: Path, new: Path) -> None:
    """Let what waits in one folder wait in another, unless somebody is at it."""
    lock = locks.acquire(old / "lock", wait=False)
    if lock is None:
        return
    try:
        new.mkdir(parents=True, exist_ok=True)
        for path in old.iterdir():
            if path.name not in ("lock", "address") and not (new / path.name).exists():
                os.replace(path, new / path.name)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        lock.release()
