"""A PostgreSQL server for a test: in a temporary folder, on 127.0.0.1, gone afterwards."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER = "postgres"  # PostgreSQL refuses to be run by root


def _binaries() -> Path:
    found = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found and not debian:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return Path(found or debian[-1]).resolve().parent


@contextmanager
def postgresql() -> Iterator[str]:
    """Yields the URL of a database; skips the test where PostgreSQL is not installed."""
    pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    as_user = []
    if os.getuid() == 0:
        shutil.chown(folder, USER)
        as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]

    def call(program: str, *arguments: str) -> None:
        command = [*as_user, str(binaries / program), "-D", str(folder / "data"), *arguments]
        with open(folder / f"{program}.log", "a") as log:
            subprocess.run(command, cwd=folder, stdout=log, stderr=log, check=True)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    call("initdb", "-U", "rgf", "-A", "trust", "--no-sync")
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -k {folder} -c fsync=off"
    call("pg_ctl", "-w", "-o", options, "start")
    try:
        yield f"postgresql+psycopg://rgf@127.0.0.1:{port}/postgres"
    finally:
        call("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
