"""A score that takes seconds, and what its tests share."""

import numpy as np

from rgf_keras import datasets
from rgf_keras.cache import Cache
from rgf_keras.config import ScoreConfig
from rgf_keras.experiments import OptimizerConfig, TrainingConfig, VAEConfig
from rgf_keras.experiments.scores.score import score
from rgf_keras.experiments.scores.workers import ALONE
from rgf_keras.tracking.tracker import Context, MemoryTracker

IMAGES, HELD_OUT = datasets.load("mnist-10k").split(90)[0].split(60)
CONFIG = ScoreConfig(
    model=VAEConfig(architecture="mnist_mlp", units=(16,), latent_dim=2),
    training=TrainingConfig(
        epochs=2, batch_size=8, optimizer=OptimizerConfig(learning_rate=1e-2, beta_1=0.9)
    ),
    num_repeats=2,
    num_folds=3,
    num_samples=4,
    every=1,
)


def run(folder, config=CONFIG, resources=ALONE, images=IMAGES, run=None):
    run = run or MemoryTracker().start("score", {})
    return score(config, images, HELD_OUT, Context(run, folder, Cache(folder)), resources)


def log_probs(folder):
    """What every fit has left, by file."""
    found = {}
    for path in sorted(folder.glob("r*.npz")):
        with np.load(path) as arrays:
            found[path.name] = {
                name: arrays[name] for name in ("log_probs", "losses", "epochs", "held_out")
            }
    return found


def assert_same(folder, other, tolerance=0.0):
    expected, found = log_probs(other), log_probs(folder)
    assert found.keys() == expected.keys()
    for name, arrays in expected.items():
        for key, values in arrays.items():
            np.testing.assert_allclose(found[name][key], values, rtol=tolerance, err_msg=name)
