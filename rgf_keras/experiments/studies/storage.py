"""Where Optuna keeps studies: SQLite, a journal file, or a database server.

SQLite is for one process, the journal for the processes of one machine, PostgreSQL and MySQL are
for several machines.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from rgf_keras import names
from rgf_keras.errors import RgfError, first_line, how_to_install
from rgf_keras.experiments.studies.optuna_adapter import quiet
from rgf_keras.experiments.studies.ranking import REPEATS
from rgf_keras.masking import masked
from rgf_keras.runtime import locks

if TYPE_CHECKING:
    from rgf_keras.runtime.leases import Leases

JOURNAL = "journal:///"
MOVED = "moved"  # the attribute of a study that goes on in another storage, which it names


@quiet()
def open_storage(url: str) -> BaseStorage:
    """Optuna's storage behind an URL: ``journal:///PATH`` or one that SQLAlchemy knows.

    Raises:
        RgfError: it cannot be reached or written; the database's driver is not installed.
    """
    try:
        is_journal, path = url.startswith(JOURNAL), Path(url.removeprefix(JOURNAL))
        storage: BaseStorage = Journal(path) if is_journal else RDBStorage(url)
        storage.get_all_studies()
        return storage
    except ImportError as error:
        raise RgfError(
            f"the Optuna storage {masked(url, url)} needs a database driver: "
            f"{how_to_install('postgres')}, and begin the address with postgresql+psycopg://"
        ) from error
    except Exception as error:  # every database driver raises exceptions of its own
        raise RgfError(
            f"cannot open the Optuna storage {masked(url, url)} ({first_line(error, url)}); check "
            "the address and that it can be written"
        ) from error


def default_url(workspace: Path, name: str, parallel: bool) -> str:
    """A study's place in a workspace: SQLite, but the journal once several processes were at it.

    Args:
        workspace: the folder.
        name: the study's name.
        parallel: several processes are to run it. A study in SQLite moves to the journal.

    Raises:
        RgfError: it is to move, but another process is running it.
    """
    sqlite, journal = sqlite_url(workspace), journal_url(workspace)
    old, new = (find_studies([url]).get(name) for url in (sqlite, journal))
    is_moved = old is None or MOVED in old.get_study_user_attrs(old.get_study_id_from_name(name))
    if not is_moved and new and old:  # before moves were noted
        is_moved = _num_trials(new, name) >= _num_trials(old, name)
    if not parallel:
        return journal if new and is_moved else sqlite
    if not is_moved:
        _move(sqlite, journal, name)
    return journal


def sqlite_url(workspace: Path) -> str:
    """The address of a workspace's SQLite storage."""
    return names.sqlite_url(workspace / "optuna.db")


def journal_url(workspace: Path) -> str:
    """The address of a workspace's journal."""
    return f"{JOURNAL}{(workspace / 'optuna.journal').resolve()}"


def find_studies(urls: list[str]) -> dict[str, BaseStorage]:
    """Studies by name, each in the first of these storages that has it; files must exist."""
    studies: dict[str, BaseStorage] = {}
    for url in urls:
        file = _file(url)
        if file is None or file.exists():
            storage = open_storage(url)
            for name in optuna.get_all_study_names(storage):
                if not name.endswith(REPEATS):
                    studies.setdefault(name, storage)
    return studies


def find_study(name: str, storage: str | None, workspace: Path) -> optuna.Study:
    """A study by its name or the start of it, in a storage or in one of the workspace's.

    Raises:
        RgfError: there are no studies; the name is none's, or more than one's.
    """
    known = find_studies([storage] if storage else [journal_url(workspace), sqlite_url(workspace)])
    if not known:
        place = storage or workspace
        raise RgfError(f"there are no studies in {place}; run one with `rgf study run`")
    matches = [name] if name in known else [each for each in known if each.startswith(name)]
    if len(matches) != 1:
        many = f"'{name}' is the start of several studies" if matches else f"no study is '{name}'"
        raise RgfError(f"{many}; known: {', '.join(known)}")
    return optuna.load_study(study_name=matches[0], storage=known[matches[0]])


def leases(storage: BaseStorage, study: str) -> "Leases":
    """The leases of a study in a storage.

    Raises:
        RgfError: the storage is for one process, and another one is running the study.
    """
    from rgf_keras.runtime.leases import DatabaseLeases, FileLeases

    if isinstance(storage, Journal):
        return FileLeases(_lease_folder(storage.path, study))
    assert isinstance(storage, RDBStorage)
    url = storage.engine.url
    if url.get_backend_name() != "sqlite":
        return DatabaseLeases(url, study)
    held = FileLeases(_lease_folder(Path(url.database or "optuna.db"), study))
    if not held.take("run"):
        raise RgfError(f"study '{study}' is being run by another process; wait for it or end it")
    return held


def place_of(storage: BaseStorage) -> str:
    """A storage's address, as it may be shown."""
    if isinstance(storage, Journal):
        return f"{JOURNAL}{storage.path}"
    assert isinstance(storage, RDBStorage)
    return masked(storage.engine.url.render_as_string(hide_password=True))


class Journal(JournalStorage):
    """Optuna's journal file, under a lock that does not outlive its holder.

    Args:
        path: of the file, made if it does not exist.
    """

    def __init__(self, path: Path):
        self.path = path
        super().__init__(JournalFileBackend(str(path), lock_obj=_JournalLock(str(path))))


class _JournalLock(JournalFileOpenLock):
    """A lock beside the journal; whoever gets it removes the half line that a killed writer left.

    (It is not on the journal itself: what is locked may be emptied or deleted.)
    """

    def __init__(self, path: str):
        super().__init__(path)
        self.path = path

    def acquire(self) -> bool:
        self._lock = locks.acquire(Path(f"{self.path}.writer"))
        with open(self.path, "r+b") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.seek(0)
                    file.truncate(file.read().rfind(b"\n") + 1)
        return True

    def release(self) -> None:
        assert self._lock is not None
        self._lock.release()


@quiet()
def _move(source: str, target: str, name: str) -> None:
    """Move a study to another storage, its repeats first."""
    old, new = open_storage(source), open_storage(target)
    with leases(old, name):
        known = optuna.get_all_study_names(old)
        for part in (name + REPEATS, name):
            if part in known:
                if part in optuna.get_all_study_names(new):  # an earlier move was interrupted
                    optuna.delete_study(study_name=part, storage=new)
                optuna.copy_study(from_study_name=part, from_storage=old, to_storage=new)
        study = optuna.load_study(study_name=name, storage=old)
        study.set_user_attr(MOVED, place_of(new))


def _file(url: str) -> Path | None:
    """The file that an address is of; None if it is a server's."""
    if url.startswith(JOURNAL):
        return Path(url.removeprefix(JOURNAL))
    path = sqlalchemy.make_url(url).database if url.startswith("sqlite") else None
    return Path(path) if path else None


def _num_trials(storage: BaseStorage, name: str) -> int:
    return storage.get_n_trials(storage.get_study_id_from_name(name))


def _lease_folder(path: Path, study: str) -> Path:
    return path.with_name(f"{path.name}.leases") / study
