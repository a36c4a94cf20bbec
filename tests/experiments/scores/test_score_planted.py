"""A real run on planted images: what is everywhere is not memorized, what is unique is."""

from dataclasses import replace

import numpy as np
import pytest

from rgf_keras import datasets
from rgf_keras.cache import Cache
from rgf_keras.config import ScoreConfig
from rgf_keras.experiments import OptimizerConfig, TrainingConfig, VAEConfig, score
from rgf_keras.tracking.tracker import Context, MemoryTracker

pytestmark = [pytest.mark.backend, pytest.mark.slow]

NUM_OUTLIERS, NUM_COPIED, NUM_COPIES = 4, 5, 20


def test_outliers_rank_high_and_duplicates_low(tmp_path):
    digits, held_out = datasets.load("mnist-10k").split(1000)
    images = digits.images.copy()
    copied = slice(NUM_OUTLIERS, NUM_OUTLIERS + NUM_COPIED * NUM_COPIES)
    images[:NUM_OUTLIERS] = 255 - images[:NUM_OUTLIERS]
    images[copied] = np.repeat(images[copied][:NUM_COPIED], NUM_COPIES, axis=0)
    config = ScoreConfig(
        model=VAEConfig(architecture="mnist_mlp"),
        training=TrainingConfig(
            epochs=40, optimizer=OptimizerConfig(learning_rate=1e-3, beta_1=0.9)
        ),
        num_repeats=2,
        num_folds=5,
        num_samples=32,
        every=None,
        full_run=False,
    )
    planted = replace(digits, images=images)
    run = MemoryTracker().start("planted", {})
    found = score(
        config, planted, held_out.split(100)[0], Context(run, tmp_path, Cache(tmp_path))
    ).final.score
    others = found[copied.stop :]
    assert found[:NUM_OUTLIERS].min() > np.quantile(found, 0.99)
    assert np.median(found[copied]) < 0.7 * np.median(others)
