"""No system but Linux has all that Linux has."""

import json
import subprocess
import sys
from pathlib import Path


def test_key_paths_need_no_fcntl_affinity_or_fork(tmp_path):
    child = Path(__file__).with_name("portable_child.py")
    done = subprocess.run([sys.executable, child, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"].startswith("quickstart-")
