"""The score's figures of a run whose files are made by hand, and what §6 does with the scores."""

import dataclasses
import json

import numpy as np
import pytest

from rgf_keras import archive, reproduce
from rgf_keras.config import ScoreConfig
from rgf_keras.config.data import ImagesConfig
from rgf_keras.errors import RgfError
from rgf_keras.experiments.scores import folds

NUM = 60


@dataclasses.dataclass(frozen=True)
class Found:
    """A run's files."""

    label: str
    files: dict

    def file(self, name):
        return self.files.get(name)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    rng = np.random.default_rng(0)
    names = ("score", "log_prob_in", "log_prob_out", "rho")
    arrays = {name: rng.normal(size=NUM) for name in names}
    path = archive.save(tmp_path_factory.mktemp("score") / "scores.npz", arrays)
    numbers = {f"memorization/q{q}": 1.0 for q in (0.95, 0.999)}
    summary = {"by_epoch": {"1": numbers, "2": numbers}, "elbo": {"held out": [-2.0, -1.0]}}
    config = ScoreConfig().with_values({"data.num_images": NUM})
    files = {
        "scores.npz": path.read_bytes(),
        "score.json": json.dumps(summary).encode(),
        "config.yaml": config.to_yaml().encode(),
    }
    return [Found("MNIST lr 1e-3", files), Found("MNIST lr 1e-4", files)]


@pytest.mark.parametrize("figure", reproduce.FIGURES["score"])
def test_a_figure_is_made_of_what_runs_have_kept(figure, runs, tmp_path):
    paths = reproduce.find("score", figure=figure).figures(runs, tmp_path)
    assert len(paths) == (3 if figure == "4" else 2)
    assert all(path.stat().st_size > 0 for path in paths)


def test_the_most_memorized_are_left_out(tmp_path):
    whole, _ = folds.load_images(ImagesConfig(num_images=NUM))
    score = np.random.default_rng(1).normal(size=NUM)
    most = np.argsort(-score)[:3]
    file = tmp_path / "most_memorized.csv"
    lines = [f"{whole.indices[i]},{score[i]}" for i in most]
    file.write_text("\n".join(["index,score", *lines]))
    pruned, _ = folds.load_images(ImagesConfig(num_images=NUM, without=str(file)))
    assert len(pruned) == NUM - 3
    left = np.isin(whole.indices, pruned.indices)
    assert score[left].max() < score[most].min(), "the largest M that remains is smaller"
    assert "without" not in ImagesConfig().identity()
    for text, message in (("a,b\n1,2", "no column index"), ("index\n99999", "has no image 99999")):
        file.write_text(text)
        with pytest.raises(RgfError, match=message):
            folds.load_images(ImagesConfig(num_images=NUM, without=str(file)))
