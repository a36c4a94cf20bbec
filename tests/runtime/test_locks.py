"""A lock on a file has one holder, and does not outlive it."""

import signal
import subprocess
import sys
import threading

import pytest

from rgf_keras.errors import RgfError
from rgf_keras.runtime import locks

HOLDER = """
import sys
from pathlib import Path
from rgf_keras.runtime import locks
with locks.exclusive(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_refused_or_waited_for_and_free_when_its_holder_is_killed(tmp_path):
    path = tmp_path / "folder" / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    assert locks.acquire(path, wait=False) is None
    with pytest.raises(RgfError, match=r"^the fit is being run by another process"):
        locks.exclusive(path, "the fit").__enter__()
    threading.Timer(0.2, holder.send_signal, [signal.SIGKILL]).start()
    with locks.exclusive(path):
        assert holder.wait() == -signal.SIGKILL


def test_a_process_cannot_hold_a_lock_twice(tmp_path):
    with locks.exclusive(tmp_path / "lock", "it"):
        assert locks.acquire(tmp_path / "lock", wait=False) is None
    with locks.exclusive(tmp_path / "lock", "it"):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RgfError, match=r"cannot write .*file.*; choose another folder"):
        locks.acquire(tmp_path / "file" / "lock")
