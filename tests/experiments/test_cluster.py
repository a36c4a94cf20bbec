"""A Ray cluster of two nodes on this machine, one of which is lost in mid-trial."""

import os
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from rgf_keras.errors import RgfError
from rgf_keras.experiments.cluster import Cluster
from rgf_keras.experiments.ranking import finished
from rgf_keras.experiments.storage import open_storage

CHILD = Path(__file__).with_name("cluster_child.py")


def test_a_study_completes_when_a_node_is_lost_in_mid_trial(tmp_path):
    pytest.importorskip("ray", reason="the extra 'cluster' is not installed")
    result = subprocess.run(
        [sys.executable, str(CHILD), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": _path()},
    )
    assert result.returncode == 0, result.stderr
    lines = (tmp_path / "assessed.log").read_text().splitlines()
    assert sorted(lines) == sorted(
        [*(f"trial-000{i} False" for i in range(5)), "trial-0002 True"]
    )  # fmt: skip
    storage = open_storage(f"journal:///{tmp_path}/optuna.journal")
    record = optuna.load_study(study_name="toy", storage=storage)
    assert [trial.number for trial in finished(record)] == list(range(5))
    assert len(record.trials) == 5


def test_no_cluster_is_one_line():
    pytest.importorskip("ray", reason="the extra 'cluster' is not installed")
    with pytest.raises(RgfError, match=r"no Ray cluster at '127\.0\.0\.1:9'"):
        Cluster("127.0.0.1:9", 2)


def _path():
    """What a node's processes import this test's modules from."""
    return os.pathsep.join([str(CHILD.parent), *filter(None, sys.path)])
