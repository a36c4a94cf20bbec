"""A Ray cluster of two nodes on this machine, one of which is lost in mid-trial."""

import os
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies.ranking import finished
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.runtime.ray import ClusterShare
from rgf_keras.runtime.workers import WorkersSpec

HERE = Path(__file__).parent


def run(child, folder):
    """Run a script on a cluster that it starts."""
    pytest.importorskip("ray", reason="the extra 'cluster' is not installed")
    # What a node's processes import this test's modules from.
    path = os.pathsep.join([str(HERE), *filter(None, sys.path)])
    result = subprocess.run(
        [sys.executable, str(HERE / child), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": path},
    )
    assert result.returncode == 0, result.stderr


def test_a_study_completes_when_a_node_is_lost_in_mid_trial(tmp_path):
    run("cluster_child.py", tmp_path)
    lines = (tmp_path / "assessed.log").read_text().splitlines()
    assert sorted(lines) == sorted(
        [*(f"trial-000{i} False" for i in range(5)), "trial-0002 True"]
    )  # fmt: skip
    storage = open_storage(f"journal:///{tmp_path}/optuna.journal")
    record = optuna.load_study(study_name="toy", storage=storage)
    assert [trial.number for trial in finished(record)] == list(range(5))
    assert len(record.trials) == 5


def test_a_score_completes_when_a_node_is_lost_in_mid_fit(tmp_path):
    run("cluster_score_child.py", tmp_path)
    fits = ["r000-full.npz", *(f"r000-k0000{fold}.npz" for fold in range(3))]
    assert sorted(path.name for path in tmp_path.glob("r*.npz")) == sorted(fits)
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 61


def test_no_cluster_is_one_line():
    pytest.importorskip("ray", reason="the extra 'cluster' is not installed")
    with pytest.raises(RgfError, match=r"no Ray cluster at '127\.0\.0\.1:9'"):
        WorkersSpec(2, cluster=ClusterShare("127.0.0.1:9")).open(print, None)
