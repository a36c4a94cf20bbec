"""`rgf ui` is one process: when it is killed nothing is left, and its port is free."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_a_killed_ui_leaves_nothing(tmp_path, mlflow_database):
    shutil.copy(mlflow_database, tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["ui", "--workspace", str(tmp_path), "--port", str(port)]
    ui = subprocess.Popen([sys.executable, "-m", "rgf_keras.cli", *words], cwd=tmp_path)
    try:
        for _ in range(600):
            try:
                page = urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).read()
                break
            except OSError:
                assert ui.poll() is None
                time.sleep(0.1)
        assert b"<html" in page
        assert children(ui.pid) == []
    finally:
        ui.send_signal(signal.SIGKILL)
        ui.wait()
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))
    assert sorted(os.listdir(tmp_path)) == ["mlflow.db"]


def children(process):
    threads = f"/proc/{process}/task"
    paths = (f"{threads}/{thread}/children" for thread in os.listdir(threads))
    return [child for path in paths for child in open(path).read().split()]
