"""What leases promise, on files and in a database."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import sqlalchemy

from rgf_keras.errors import RgfError
from rgf_keras.runtime.leases import DatabaseLeases, FileLeases

HOLDER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    import sqlalchemy
    from rgf_keras.runtime.leases import DatabaseLeases, FileLeases
    kind, where = sys.argv[1:]
    leases = (
        FileLeases(Path(where))
        if kind == "files"
        else DatabaseLeases(sqlalchemy.make_url(where), "toy")
    )
    print(leases.take("trial"), flush=True)
    sys.stdin.read()
    """
)


@pytest.fixture(scope="module")
def database():
    from postgres_server import postgresql

    with postgresql() as url:
        yield url


@pytest.fixture(params=["files", "postgresql"])
def place(request, tmp_path):
    """Kind of leases, and where they are."""
    kind = request.param
    return kind, str(tmp_path) if kind == "files" else request.getfixturevalue("database")


def make(place, study="toy"):
    kind, where = place
    if kind == "files":
        return FileLeases(Path(where))
    return DatabaseLeases(sqlalchemy.make_url(where), study)


def test_a_lease_is_one_holders(place):
    with make(place) as mine, make(place) as other:
        assert mine.take("trial")
        assert not mine.take("trial")
        assert not other.take("trial")
        assert other.take("another trial")
        mine.give_back("trial")
        assert other.take("trial")


def test_leases_end_with_their_context(place):
    with make(place) as mine:
        mine.take("trial")
    with make(place) as other:
        assert other.take("trial")


def test_the_leases_of_a_killed_process_are_free(place):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, *place],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert holder.stdout.readline() == "True\n"
    with make(place) as other:
        assert not other.take("trial")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        deadline = time.monotonic() + 10  # for the server to notice
        while not other.take("trial"):
            assert time.monotonic() < deadline, "the lease outlives its holder"


def test_a_lost_session_is_noticed(database):
    with DatabaseLeases(sqlalchemy.make_url(database), "toy") as mine:
        mine.take("trial")
        mine.check()
        with sqlalchemy.create_engine(database).connect() as admin:
            admin.execute(
                sqlalchemy.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND datname = 'postgres'"
                )
            )
        with pytest.raises(RgfError, match="the same command continues"):
            mine.check()


def test_the_server_ends_silent_sessions(database):
    leases = DatabaseLeases(sqlalchemy.make_url(database), "toy")
    leases._ask("SELECT set_config('idle_session_timeout', '200ms', false)")
    leases.take("trial")
    with DatabaseLeases(sqlalchemy.make_url(database), "toy") as other:
        assert not other.take("trial")
        time.sleep(0.5)
        assert other.take("trial")


def test_other_databases_have_no_leases(tmp_path):
    with pytest.raises(RgfError, match="no leases on sqlite"):
        DatabaseLeases(sqlalchemy.make_url(f"sqlite:///{tmp_path}/x.db"), "toy")


def test_leases_of_two_databases_of_one_server_differ_on_mysql(monkeypatch):
    asked = []

    def keys(address):
        monkeypatch.setattr(sqlalchemy, "create_engine", MagicMock())
        held = DatabaseLeases(sqlalchemy.make_url(address), "toy")
        monkeypatch.setattr(held, "_ask", lambda query, key: asked.append(key) or 1)
        held.take("trial-0001")
        held._ended.set()
        return asked.pop()

    assert len({keys(f"mysql+pymysql://host/{name}") for name in ("one", "two", "one")}) == 2
    assert keys("postgresql://host/one") == keys("postgresql://host/two")  # whose locks are its own
