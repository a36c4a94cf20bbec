"""The sweep over rejection thresholds, end to end on few digits."""

import json

import numpy as np
import pytest
from PIL import Image

from rgf_keras.cache import Cache
from rgf_keras.datasets import load
from rgf_keras.errors import RgfError
from rgf_keras.experiments import (
    AssessConfig,
    DataConfig,
    EvaluationConfig,
    GANConfig,
    OracleConfig,
    TrainingConfig,
)
from rgf_keras.experiments.rejection import reject
from rgf_keras.reports import rejection as report
from rgf_keras.reproduce.reproduction import assess_once
from rgf_keras.tracking.tracker import Context, MemoryTracker

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


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Other digits as a folder of images; its name as a data set."""
    digits = load("mnist-10k", "test")
    path = tmp_path_factory.mktemp("digits")
    for label, name in enumerate(digits.class_names):
        (path / name).mkdir()
        for i in np.flatnonzero(digits.labels == label)[:50]:
            Image.fromarray(digits.images[i, ..., 0]).save(path / name / f"{i}.png")
    return f"folder:{path}"


def test_a_sweep_is_measured_plotted_and_not_repeated(tmp_path, cache, folder):
    tracker = MemoryTracker()
    points = reject.sweep(
        CONFIG, [None, "auto", 2.0], tracker, tmp_path, cache, references=[folder]
    )
    assert [point.label for point in points] == ["none", "auto", "2.0"]
    assert set(points[0].c_t_by["embedding"]) == {"oracle", "pixels"}
    assert set(points[0].c_t_by["reference"]) == {"mnist-10k", folder}
    assert points[0].c_t_by["reference"]["mnist-10k"] == points[0].metrics["copying/c_t"]
    assert points[0].features[1].shape == (100, 64)
    assert "generator/acceptance" not in points[0].metrics
    assert points[2].metrics["generator/acceptance"] == 0
    # What rejects everything leaves the generator as it was; what rejects nothing does not.
    assert (points[0].images != points[2].images).any()
    files = report.write(tmp_path, points, np.zeros((400, 28, 28, 3), np.uint8))
    assert all(path.stat().st_size > 500 for path in files)
    names = {"tradeoff.png", "classes.png", "copies-auto.png", "tsne-2.0.png", "spectrum.png"}
    assert names | {"class-auto.png"} <= {path.name for path in files}
    features = points[0].train_features
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    own = 1 - (unit @ unit.T - 3 * np.eye(len(unit))).max(axis=1)
    assert points[0].mean_distance == pytest.approx(own.mean(), abs=1e-5)
    assert f"{points[0].mean_distance:.4f}" in report.table(points).caption
    again = reject.sweep(CONFIG, [None, "auto", 2.0], tracker, tmp_path, cache)
    assert [point.metrics for point in again] == [point.metrics for point in points]
    assert len(tracker.runs) == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [("mnist-10k", "the data itself"), ("cifar10.1", "does not exist|RGF_DATA_DIR")],
)
def test_a_bad_reference_is_named(tmp_path, cache, name, message):
    with pytest.raises(RgfError, match=message):
        reject.sweep(CONFIG, [None], MemoryTracker(), tmp_path, cache, references=[name])


def test_a_threshold_named_twice_is_refused(tmp_path, cache):
    with pytest.raises(RgfError, match="named twice"):
        reject.sweep(CONFIG, [0.1, 0.1], MemoryTracker(), tmp_path, cache)


def test_a_reproduction_keeps_the_figures_of_its_first_training(tmp_path, cache):
    from rgf_keras.reproduce import rejection

    config = CONFIG.with_values({"rejection.threshold": "auto", "evaluation.test": "two_sample"})
    run = MemoryTracker().start("trial", {})
    folder = tmp_path / "work" / "study" / "trial-0000"
    context = Context(run, folder, cache)
    assess_once(config, context)
    (own,) = tmp_path.glob("work/assess-*")
    before = {path.name: path.read_bytes() for path in own.iterdir() if path.suffix == ".png"}
    rejection.assess_and_compare(config, context)
    assert {name: (own / name).read_bytes() for name in before} == before
    kept = {*rejection.PICTURES.values(), rejection.C_T_BY}
    assert all((own / name).stat().st_size > 0 for name in kept)
    by = json.loads((own / rejection.C_T_BY).read_text())
    assert set(by["embedding"]) == {"oracle", "pixels"}


def test_c_t_of_a_class_needs_few_training_images():
    rng = np.random.default_rng(0)
    labels = [np.repeat([0, 1], [num, 2]) for num in (10, 40, 40)]
    sets = [(rng.normal(size=(len(y), 3)), y) for y in labels]
    assert set(reject._by_class(sets, ("many", "two"))) == {"many"}
