"""A disk that is full while a model, a table or a picture is written: one line, nothing half."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import keras
import numpy as np
import pytest

from rgf_keras import archive, outputs
from rgf_keras.config import AssessConfig
from rgf_keras.errors import RgfError
from rgf_keras.experiments.assessment import models
from rgf_keras.figures import images
from rgf_keras.tracking.spool import Spool, SpooledRun


@contextmanager
def disk(folder, kilobytes):
    """A folder is a disk of its own inside."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True).returncode != 0:
        pytest.skip("may not mount a disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def write_model(folder):
    model = keras.Sequential([keras.Input((100,)), keras.layers.Dense(300)])
    return models.save(model, AssessConfig(), None, folder)


def write_picture(folder):
    noise = np.random.default_rng(0).integers(0, 256, (64, 28, 28, 3), np.uint8)
    return images.grid(folder / "samples.png", noise)


WRITES = {
    "model": write_model,
    "picture": write_picture,
    "table": lambda folder: outputs.write_text(folder / "rgf_table.json", "x" * 300_000),
    "checkpoint": lambda folder: archive.save(folder / "step-1.npz", {"x": np.zeros(100_000)}),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", WRITES)
@pytest.mark.parametrize("kilobytes", [8, 64])
def test_full_disks(tmp_path, kind, kilobytes):
    folder = tmp_path / "disk"
    with disk(folder, 2000):
        (folder / "ballast").write_bytes(bytes(1000 * (2000 - kilobytes)))
        with pytest.raises(RgfError, match=r"^cannot write .*; make space, and the same") as raised:
            WRITES[kind](folder)
        assert "\n" not in str(raised.value)
        assert os.listdir(folder) == ["ballast"]
        (folder / "ballast").unlink()
        assert WRITES[kind](folder).exists()


@pytest.mark.slow
def test_records_on_a_full_disk(tmp_path):
    folder = tmp_path / "disk"
    with disk(folder, 200):
        spool = Spool(folder / "spool")
        shutil.copyfile(__file__, tmp_path / "a.txt")
        (folder / "ballast").write_bytes(bytes(190_000))
        run = SpooledRun(spool, "a")
        for step in range(300):
            run.log_metrics({"loss": 1.0}, step)
        run.log_image(tmp_path / "a.txt", "samples", 1)
        assert not spool.write()
        (folder / "ballast").unlink()
        assert spool.write()
        assert (spool.backlog().records, spool.backlog().files) == (300, 1)
