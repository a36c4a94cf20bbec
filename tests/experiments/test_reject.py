"""The sweep over rejection thresholds, end to end on few digits."""

import numpy as np
import pytest

from rgf_keras.cache import Cache
from rgf_keras.errors import RgfError
from rgf_keras.experiments import (
    AssessConfig,
    DataConfig,
    EvaluationConfig,
    GANConfig,
    OracleConfig,
    TrainingConfig,
    reject,
)
from rgf_keras.experiments.tracking import MemoryTracker

pytestmark = pytest.mark.backend

CONFIG = AssessConfig(
    data=DataConfig(num_train=400, num_test=200, rarity=0.5),
    model=GANConfig(units=(16,)),
    training=TrainingConfig(epochs=1, batch_size=32),
    oracle=OracleConfig(epochs=1, min_accuracy=0.0),
    evaluation=EvaluationConfig(num_samples=100, num_resamples=5, reference="shared"),
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("cache"))


def test_a_sweep_is_measured_drawn_and_not_repeated(tmp_path, cache):
    tracker = MemoryTracker()
    points = reject.sweep(CONFIG, [None, "auto", 2.0], tracker, tmp_path, cache)
    assert [point.label for point in points] == ["none", "auto", "2.0"]
    assert set(points[0].by_embedding) == {"oracle", "pixels"}
    assert "generator/acceptance" not in points[0].metrics
    assert points[2].metrics["generator/acceptance"] == 0
    # What rejects everything leaves the generator as it was; what rejects nothing does not.
    assert (points[0].images != points[2].images).any()
    files = reject.draw(tmp_path, points, np.zeros((400, 28, 28, 3), np.uint8))
    assert all(path.stat().st_size > 500 for path in files)
    assert {"tradeoff.png", "classes.png", "copies-auto.png"} <= {path.name for path in files}
    again = reject.sweep(CONFIG, [None, "auto", 2.0], tracker, tmp_path, cache)
    assert [point.metrics for point in again] == [point.metrics for point in points]
    assert len(tracker.runs) == 3


def test_a_threshold_named_twice_is_refused(tmp_path, cache):
    with pytest.raises(RgfError, match="named twice"):
        reject.sweep(CONFIG, [0.1, 0.1], MemoryTracker(), tmp_path, cache)
