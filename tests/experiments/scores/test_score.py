"""Fits that are killed, spread and added to; what they say; what is refused."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from toy_score import CONFIG, HELD_OUT, IMAGES, assert_same, log_probs, run

from rgf_keras.cli.quiet import import_keras
from rgf_keras.errors import RgfError
from rgf_keras.experiments import GANConfig
from rgf_keras.experiments.scores import report
from rgf_keras.experiments.scores.folds import Fit
from rgf_keras.experiments.scores.workers import Resources
from rgf_keras.metrics import memorization
from rgf_keras.models import VAE
from rgf_keras.reports import scores
from rgf_keras.tracking.tracker import MemoryTracker
from rgf_keras.training import Trainer

CHILD = Path(__file__).with_name("score_child.py")
on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="ensembles need JAX")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing disturbs: its folder, result and record."""
    folder = tmp_path_factory.mktemp("whole")
    record = MemoryTracker().start("score", {})
    return folder, run(folder, run=record), record


def killed(folder, workers=1, ensemble=1, worker_dies_at=-1, run_dies_at=-1):
    folder.mkdir()
    numbers = map(str, (workers, ensemble, worker_dies_at, run_dies_at))
    command = [sys.executable, str(CHILD), str(folder), *numbers]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(log_probs(folder)) < 7


@pytest.mark.backend
def test_a_fit_is_a_training_without_its_fold(whole):
    fit, epochs = Fit(1, 2), CONFIG.training.epochs
    arrays = log_probs(whole[0])["r001-k00002.npz"]
    assert arrays["held_out"].sum() == 20
    seed = fit.seed(CONFIG.seed)
    model = VAE(IMAGES.image_shape, "mnist_mlp", units=(16,), latent_dim=2, seed=seed)
    adam = {"vae": keras.optimizers.Adam(1e-2)}
    rows = np.flatnonzero(~arrays["held_out"])
    history = Trainer(model, {"images": IMAGES.images}, adam, 8, seed, rows).fit(epochs)
    expected = model.log_prob(IMAGES.images, 4, fit.seed(CONFIG.seed, epochs))
    np.testing.assert_allclose(arrays["log_probs"][-1], expected, rtol=1e-5)
    losses = [epoch["loss/vae"] for epoch in history.epochs]
    np.testing.assert_allclose(arrays["losses"][:, 0], losses, rtol=1e-5)


def test_the_score_is_that_of_the_files(whole):
    folder, result, _ = whole
    arrays = [fit for name, fit in log_probs(folder).items() if "-k" in name]
    values = np.array([fit["log_probs"][-1] for fit in arrays], np.float64)
    masks = np.array([fit["held_out"] for fit in arrays])
    seen, unseen = np.where(masks, -np.inf, values), np.where(masks, values, -np.inf)
    expected = np.logaddexp.reduce(seen) - np.log(4) - np.logaddexp.reduce(unseen) + np.log(2)
    np.testing.assert_allclose(result.final.score, expected, rtol=1e-9)
    assert result.metrics["memorization/q0.95"] == pytest.approx(np.quantile(expected, 0.95))
    low, high = (result.metrics[f"memorization/quantile_{side}"] for side in ("low", "high"))
    assert low <= high


def test_everything_is_written_and_recorded(whole):
    folder, result, record = whole
    with open(folder / "scores.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert float(rows[7]["score"]) == pytest.approx(result.final.score[7], rel=1e-5)
    assert int(rows[7]["index"]) == IMAGES.indices[7]
    assert json.loads((folder / "score.json").read_text())["by_epoch"].keys() == {"1", "2"}
    np.testing.assert_array_equal(report.other_scores(folder), result.final.score)
    pictures = ("gallery", "log_prob", "quantiles", "densities", "losses", "rho")
    assert {f"{name}.png" for name in pictures} | {"scores.csv", "scores.npz"} <= set(
        record.artifacts
    )
    assert [step for step, _ in record.metrics["memorization/max"]] == [1, 2]
    assert len(record.metrics["elbo/held_out"]) == 2
    assert result.full.rho.shape == (60,)
    assert "2 × 3 fits" in scores.table(result).title


@pytest.mark.backend
@pytest.mark.parametrize("ensemble", [1, pytest.param(2, marks=on_jax)])
def test_a_killed_run_ends_as_one_that_was_not(whole, tmp_path, ensemble):
    killed(tmp_path / "killed", ensemble=ensemble, run_dies_at=17)
    assert list((tmp_path / "killed" / "checkpoints").iterdir())
    run(tmp_path / "killed", resources=Resources(ensemble=ensemble))
    assert_same(tmp_path / "killed", whole[0])  # ensembles too: on a CPU members take turns
    assert not list((tmp_path / "killed" / "checkpoints").iterdir())


def test_workers_may_die_and_the_run_too(tmp_path):
    killed(tmp_path / "killed", workers=2, worker_dies_at=9, run_dies_at=25)
    run(tmp_path / "killed", resources=Resources(2, num_threads=1, prepare=import_keras))
    run(tmp_path / "whole", resources=Resources(1, num_threads=1, prepare=import_keras))
    assert_same(tmp_path / "killed", tmp_path / "whole")


def test_repeats_can_be_added(whole, tmp_path):
    run(tmp_path, CONFIG.with_values({"num_repeats": 1}))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("r000*.npz")}
    run(tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.glob("r000*.npz")}
    assert_same(tmp_path, whole[0])


def test_repeats_stop_when_the_quantile_is_known(tmp_path):
    quick = {"num_repeats": 5, "num_folds": 2, "full_run": False, "training.epochs": 1}
    result = run(tmp_path, CONFIG.with_values({**quick, "tolerance": 1e6}))
    assert result.num_repeats == 3
    assert result.full is None


def test_leave_one_out_is_the_definition(tmp_path):
    few = IMAGES.take(np.arange(12))
    config = CONFIG.with_values({"num_folds": "leave-one-out", "training.batch_size": 4})
    result = run(tmp_path, config, images=few)
    fits = log_probs(tmp_path)
    full = [fits[f"r00{r}-full.npz"]["log_probs"][-1] for r in range(2)]
    without = [
        [fits[f"r00{r}-k{k:05d}.npz"] for k in range(12)] for r in range(2)
    ]  # fold k need not hold image k
    own = [
        np.sum([np.where(fit["held_out"], fit["log_probs"][-1], 0) for fit in repeat], axis=0)
        for repeat in without
    ]
    expected = memorization.leave_one_out_score(np.array(full), np.array(own))
    np.testing.assert_allclose(result.final.score, expected.score, rtol=1e-9)


def test_fits_of_another_configuration_are_refused(whole, tmp_path):
    run(tmp_path, CONFIG.with_values({"num_repeats": 1, "full_run": False}))
    with pytest.raises(RgfError, match=f"{tmp_path} holds results of another configuration"):
        run(tmp_path, CONFIG.with_values({"training.epochs": 3}))
    with pytest.raises(RgfError, match=f"{tmp_path} holds results of another configuration"):
        run(tmp_path, images=IMAGES.take(np.arange(59)))
    foreign = CONFIG.with_values({"num_repeats": 1, "full_run": False, "seed": 1})
    run(tmp_path / "other", foreign)
    (tmp_path / "r000-k00001.npz").write_bytes(
        (tmp_path / "other" / "r000-k00001.npz").read_bytes()
    )
    with pytest.raises(RgfError, match=r"r000-k00001.npz belongs to another configuration"):
        run(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_folds": 61}, r"num_folds must lie in \[2, 60\].* received 61"),
        ({"num_folds": 1}, r"num_folds must lie in \[2, 60\].* received 1"),
        (
            {"training.batch_size": 50},
            "training.batch_size: a step takes 50 images",
        ),
        ({"model": GANConfig().model_dump()}, "a GAN draws images but cannot tell how likely"),
    ],
)
def test_bad_input_is_named(tmp_path, change, message):
    with pytest.raises(RgfError, match=message):
        run(tmp_path / "none", CONFIG.with_values({"full_run": False, **change}))


@pytest.mark.backend
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has them")
def test_ensembles_need_jax(tmp_path):
    with pytest.raises(RgfError, match="ensembles need the jax backend"):
        run(tmp_path, resources=Resources(ensemble=2))


def test_a_folder_of_something_else_is_refused(tmp_path):
    HELD_OUT.save(tmp_path / "images.npz")
    with pytest.raises(RgfError, match=f"{tmp_path} holds other files"):
        run(tmp_path)
