"""Leases: what one process at a time may hold, and loses when it dies or is not heard of.

Optuna knows no more of a trial than that it is running. A lease tells whether anybody is running
it. No clocks are compared: the kernel drops the locks of a dead process, and the database server
those of a session that it has not heard of.
"""

import hashlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from rgf_keras.errors import LostLease, RgfError, first_line
from rgf_keras.runtime import locks

# A database server drops the leases of a process that it has not heard of for so long.
EXPIRY_SECONDS = 60

Unlock = Callable[[], object]


class Leases(ABC):
    """The leases of one study that this process holds. A context manager: ends them all."""

    def __init__(self) -> None:
        self._held: dict[str, Unlock] = {}  # by the lease's name

    def take(self, name: str) -> bool:
        """Take a lease; False if somebody has it, be it this process."""
        unlock = None if name in self._held else self._lock(name)
        if unlock:
            self._held[name] = unlock
        return unlock is not None

    def give_back(self, name: str) -> None:
        """End a lease that this process holds."""
        self._held.pop(name)()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Inside, no other process of the study is inside. Meant for moments."""
        while not self.take("study"):
            time.sleep(0.02)
        try:
            yield
        finally:
            self.give_back("study")

    @abstractmethod
    def check(self) -> None:
        """Make sure that the leases still hold. Cheap enough to be asked before every write.

        Raises:
            LostLease: another process may have them, and will have them for good.
        """

    def close(self) -> None:
        """End all leases."""
        for name in list(self._held):
            self.give_back(name)

    def __enter__(self) -> "Leases":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @abstractmethod
    def _lock(self, name: str) -> Unlock | None:
        """Lock a name; returns what unlocks it, None if somebody has it."""


class FileLeases(Leases):
    """Locked files: for the processes of one machine, or of machines that share the folder.

    Args:
        folder: made if it does not exist.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self.folder = folder

    def check(self) -> None:
        """They hold as long as this process lives."""

    def _lock(self, name: str) -> Unlock | None:
        lock = locks.acquire(self.folder / name, wait=False)
        return lock.release if lock else None


@dataclass(frozen=True)
class Dialect:
    """A database's locks that belong to a session.

    Attributes:
        expire: statement after which the server ends sessions that were silent for so long.
        take: query that takes the lock ``:key`` and answers whether that succeeded.
        give_back: query that ends it.
        key: SHA-256 of a name → the lock's key.
    """

    expire: str
    take: str
    give_back: str
    key: Callable[[bytes], int | str]


MYSQL = Dialect(
    f"SET SESSION wait_timeout = {EXPIRY_SECONDS}",
    "SELECT GET_LOCK(:key, 0)",
    "SELECT RELEASE_LOCK(:key)",
    lambda digest: digest.hex()[:32],
)
DIALECTS = {
    "postgresql": Dialect(
        f"SET idle_session_timeout = '{EXPIRY_SECONDS}s'",
        "SELECT pg_try_advisory_lock(:key)",
        "SELECT pg_advisory_unlock(:key)",
        lambda digest: int.from_bytes(digest[:8], signed=True),
    ),
    "mysql": MYSQL,
    "mariadb": MYSQL,
}


class DatabaseLeases(Leases):
    """Locks of a session of the database that holds the study: for any number of machines.

    Args:
        url: of a PostgreSQL (14 or newer) or MySQL database.
        study: the study's name.

    Raises:
        RgfError: another kind of database, or none there.
    """

    def __init__(self, url: sqlalchemy.URL, study: str):
        super().__init__()
        name = url.get_backend_name()
        if name not in DIALECTS:
            raise RgfError(f"no leases on {name}; use a PostgreSQL or MySQL storage")
        self.dialect = DIALECTS[name]
        # MySQL's names are those of all databases of a server.
        self._place = f"{url.database} {study}" if self.dialect is MYSQL else study
        self._guard, self._ended = threading.Lock(), threading.Event()
        self._is_lost = False
        engine = sqlalchemy.create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        try:
            self._session = engine.connect()
            self._session.execute(sqlalchemy.text(self.dialect.expire))
        except SQLAlchemyError as error:
            reason = first_line(error, url.render_as_string(hide_password=False))
            raise RgfError(f"no session with the Optuna storage: {reason}") from error
        threading.Thread(target=self._renew, daemon=True).start()

    def check(self) -> None:
        self._ask("SELECT 1")

    def close(self) -> None:
        self._ended.set()
        self._held.clear()
        with self._guard:
            self._session.close()

    def _renew(self) -> None:
        while not self._ended.wait(EXPIRY_SECONDS / 4):
            try:
                self.check()
            except RgfError:  # whoever needs the leases is told by check()
                return

    def _lock(self, name: str) -> Unlock | None:
        digest = hashlib.sha256(f"rgf {self._place} {name}".encode()).digest()
        key = self.dialect.key(digest)
        taken = self._ask(self.dialect.take, key=key)
        return partial(self._ask, self.dialect.give_back, key=key) if taken else None

    def _ask(self, query: str, **values: int | str) -> object:
        cause = None
        with self._guard:
            if not self._is_lost:  # else SQLAlchemy would begin a session, without the locks
                try:
                    return self._session.execute(sqlalchemy.text(query), values).scalar()
                except SQLAlchemyError as error:
                    self._is_lost, cause = True, error
        raise LostLease(
            "the session with the Optuna storage has ended, and another process may go on with "
            "this trial; the same command continues"
        ) from cause
