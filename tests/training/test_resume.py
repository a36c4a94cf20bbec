"""A run killed with SIGKILL and resumed equals one that was not, bit for bit."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from recipes import trainer

from rgf_keras.errors import RgfError

pytestmark = pytest.mark.backend

CHILD = Path(__file__).with_name("resume_child.py")


def train(folder, family, optimizer, kill_at=-1):
    command = [sys.executable, str(CHILD), family, optimizer, str(folder), str(kill_at)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("family", "optimizer"), [("gan", "adam"), ("conv_vae", "sgd")])
def test_resume_is_exact(tmp_path, family, optimizer):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert train(whole, family, optimizer).returncode == 0
    for kill_at in np.sort(np.random.default_rng().integers(5, 58, size=2)):
        result = train(killed, family, optimizer, kill_at)
        assert result.returncode == -signal.SIGKILL, result.stderr
    newest = max(killed.glob("step-*.npz"))
    newest.write_bytes(newest.read_bytes()[:-1000])  # and the newest checkpoint is damaged
    result = train(killed, family, optimizer)
    assert result.returncode == 0, result.stderr
    with np.load(whole / "result.npz") as expected, np.load(killed / "result.npz") as resumed:
        assert 0 < resumed["began"] < 60
        for name in expected.files:
            if name != "began":
                np.testing.assert_array_equal(expected[name], resumed[name], err_msg=name)


def test_a_checkpoint_is_of_its_images(tmp_path):
    images = np.zeros((64, 28, 28, 3), np.uint8)
    trainer("vae", images, checkpoint_dir=tmp_path).fit(0)
    trainer("vae", images.copy(), checkpoint_dir=tmp_path)
    with pytest.raises(RgfError, match=f"{tmp_path} belongs to other images; use another"):
        trainer("vae", images + 1, checkpoint_dir=tmp_path)
    with pytest.raises(RgfError, match=f"{tmp_path} belongs to another model, .* backend"):
        trainer("gan", images, checkpoint_dir=tmp_path)
