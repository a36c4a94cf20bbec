"""From a configuration to hooks, and through an assessment."""

import numpy as np
import pytest

from rgf_keras.cache import Cache
from rgf_keras.config import RejectionConfig
from rgf_keras.errors import RgfError
from rgf_keras.experiments import (
    AssessConfig,
    DataConfig,
    EvaluationConfig,
    GANConfig,
    OracleConfig,
    TrainingConfig,
    VAEConfig,
    assess,
)
from rgf_keras.tracking.tracker import Context, MemoryTracker

pytestmark = pytest.mark.backend

CONFIG = AssessConfig(
    data=DataConfig(num_train=320, num_test=200),
    model=GANConfig(units=(16,)),
    training=TrainingConfig(epochs=2, batch_size=32, player_turns={"discriminator": 2}),
    oracle=OracleConfig(epochs=1, min_accuracy=0.0),
    evaluation=EvaluationConfig(num_samples=50, num_resamples=5, reference="shared"),
)
# On the unit circle at 0, 90 and 150 degrees: the nearest are 1, 0.5 and 0.5 away (1 − cos).
ANGLES = np.deg2rad([0, 90, 150])
CIRCLE = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"threshold": 0.3}, 0.3),
        ({"threshold": "auto"}, 2 / 3),
        ({"threshold": "auto", "factor": 0.5}, 1 / 3),
        ({"quantile": 0.5}, 0.5),
    ],
)
def test_thresholds_of_the_training_set(changes, expected):
    assert RejectionConfig(**changes).resolved_threshold(CIRCLE) == pytest.approx(expected)


@pytest.mark.parametrize("embedding", ["oracle", "pixels"])
@pytest.mark.parametrize("mode", ["mask", "resample"])
def test_an_assessment_with_rejection(tmp_path, cache, embedding, mode):
    config = CONFIG.with_values(
        {
            "rejection.threshold": "auto",
            "rejection.embedding": embedding,
            "rejection.mode": mode,
            "rejection.warm_up_epochs": 1,
            "rejection.reject_for_discriminator": mode == "mask",
        }
    )
    run = MemoryTracker().start("x", {})
    assess(config, Context(run, tmp_path, cache))
    acceptance = [value for _, value in run.metrics["generator/acceptance"]]
    assert acceptance[0] == 1
    assert 0 <= acceptance[1] <= 1
    assert ("discriminator/acceptance" in run.metrics) == (mode == "mask")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rejection.threshold": 2.5}, "rejection.threshold"),
        ({"rejection.threshold": 0.1, "rejection.quantile": 0.5}, "exclude each other"),
        ({"rejection.quantile": 1.0}, "rejection.quantile"),
        ({"rejection.mode": "both"}, "rejection.mode"),
        ({"training.player_turns": {"discriminator": 0}}, "player_turns"),
    ],
)
def test_bad_settings_are_named(changes, message):
    with pytest.raises(RgfError, match=message):
        CONFIG.with_values(changes)


def test_rejection_needs_a_gan():
    config = AssessConfig(model=VAEConfig())
    with pytest.raises(RgfError, match="rejection needs a discriminator"):
        config.with_values({"rejection.threshold": 0.1})


def test_an_unknown_embedding_is_named(tmp_path, cache):
    config = CONFIG.with_values({"rejection.threshold": 0.1, "rejection.embedding": "clip"})
    with pytest.raises(RgfError, match="unknown feature extractor 'clip'"):
        assess(config, Context(MemoryTracker().start("x", {}), tmp_path, cache))
