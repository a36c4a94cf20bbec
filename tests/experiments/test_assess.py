"""The assessment end to end on few digits, on every backend."""

import numpy as np
import pytest

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
from rgf_keras.experiments.cache import Cache
from rgf_keras.experiments.tracking import MemoryTracker

pytestmark = pytest.mark.backend

SMALL = {
    "data": DataConfig(num_train=320, num_test=200),
    "training": TrainingConfig(epochs=2, batch_size=32),
    "oracle": OracleConfig(epochs=1, min_accuracy=0.0),
    "evaluation": EvaluationConfig(num_samples=100, every=1, num_resamples=5),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize(
    "model", [GANConfig(units=(16,)), VAEConfig(units=(32,))], ids=lambda model: model.family
)
def test_assessment_is_recorded_and_repeatable(tmp_path, cache, model):
    config = AssessConfig(model=model, **SMALL)
    tracker = MemoryTracker()
    run = tracker.start("first", {})
    first = assess(config, run, tmp_path, cache)
    assert [row.name for row in first.table] == [*"0123456789", "all"]
    assert first.table[-1].n_r == 100
    assert set(first.metrics) <= set(run.metrics)
    assert {"config.yaml", "rgf_table.csv", "samples.png", "model.keras"} <= set(run.artifacts)
    assert ("real_loss.png" in run.artifacts) == (model.family == "gan")
    assert [step for step, _ in run.metrics["epoch"]] == [1, 2]
    assert run.params["model.family"] == model.family

    second = assess(config, tracker.start("second", {}), tmp_path / "again", cache)
    for name, value in first.metrics.items():
        assert second.metrics[name] == pytest.approx(value, rel=1e-4), name


def test_an_oracle_that_is_too_weak_is_refused(tmp_path, cache):
    oracle = OracleConfig(epochs=1, min_accuracy=0.99)
    with pytest.raises(RgfError, match=r"the class oracle is right on .* of held-out images"):
        assess(
            AssessConfig(**{**SMALL, "oracle": oracle}),
            MemoryTracker().start("x", {}),
            tmp_path,
            cache,
        )


def test_cache_survives_damage(tmp_path):
    cache = Cache(tmp_path)
    calls = []

    def compute():
        calls.append(1)
        return {"x": np.arange(3)}

    cache.get("thing", {"a": 1}, compute)
    np.testing.assert_array_equal(cache.get("thing", {"a": 1}, compute)["x"], [0, 1, 2])
    assert len(calls) == 1
    next(tmp_path.glob("thing-*")).write_bytes(b"broken")
    cache.get("thing", {"a": 1}, compute)
    assert len(calls) == 2
