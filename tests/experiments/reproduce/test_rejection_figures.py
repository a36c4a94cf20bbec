"""Memorization rejection's figures and its table of modes, of runs that are made by hand."""

import dataclasses
import json

import numpy as np
import pytest

from rgf_keras import archive, reproduce
from rgf_keras.figures import images
from rgf_keras.reproduce import rejection


@dataclasses.dataclass(frozen=True)
class Found:
    """What figures and tables read of a recorded run."""

    label: str
    metrics: dict
    files: dict
    params: dict = dataclasses.field(default_factory=dict)

    def file(self, name):
        return self.files.get(name)


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Runs by their names."""
    folder, rng = tmp_path_factory.mktemp("runs"), np.random.default_rng(0)

    def run(label):
        spaces = ("oracle", "pixels")
        arrays = {
            f"{kind}/{x}": rng.uniform(size=30) for x in spaces for kind in ("generated", "test")
        }
        picture = images.grid(folder / "samples.png", np.zeros((4, 8, 8, 3), np.uint8))
        named = ("samples-skewed.png", *rejection.PICTURES.values())
        by = {"class": {"0": 0.5, "1": None}, "embedding": {"pixels": -9}, "reference": {"x": 1}}
        by["class mean"] = {"x": -1}
        files = {
            **{name: picture.read_bytes() for name in named},
            "c_t_by.json": json.dumps(by).encode(),
            "distances.npz": archive.save(folder / "distances.npz", arrays).read_bytes(),
        }
        numbers = {"copying/c_t": -1.0, "copying/c_t_low": -2.0, "copying/c_t_high": 0.5}
        metrics = {"quality/frechet_oracle": 9.0, **numbers, "generator/acceptance": 0.5}
        return Found(label, metrics, files)

    return lambda names: [run(name) for name in names]


@pytest.mark.parametrize("figure", reproduce.FIGURES["mr"])
def test_a_figure_is_made_of_what_runs_have_kept(figure, make, tmp_path):
    found = reproduce.find("mr", figure=figure, trainings=2)
    assert [*found.runs] == ["GAN 0.00", "GAN 0.00 seed 1", "GAN 1.00", "GAN 1.00 seed 1"]
    (path,) = found.figures(make(found.runs), tmp_path)
    assert path.stat().st_size > 0
    older = [dataclasses.replace(run, files={}) for run in make(found.runs)]
    assert len(found.figures(older, tmp_path)) == (figure == "6"), "of runs before there were files"


def test_all_ways_to_reject_are_compared(make):
    found = reproduce.find("mr", "modes")
    modes = [config.rejection.mode for config in found.runs.values() if config.rejection.active]
    assert modes == ["mask", "resample", "weight"]
    (table,) = found.tables(make(found.runs))
    assert [row[0] for row in table.rows] == ["GAN none", "GAN mask", "GAN resample", "GAN weight"]
    assert table.rows[0][1:] == ["9.0", "−1.0", "−2.0", "0.5", "50%"]


def test_the_published_distance_is_taken_where_it_is_measured(make):
    found = reproduce.find("mr", "tau")
    runs = make(found.runs)
    runs[0].metrics["quality/train_frechet"] = 12.5
    (table,) = found.tables(runs)
    assert [row[1] for row in table.rows] == ["12.5", "9.0"]
