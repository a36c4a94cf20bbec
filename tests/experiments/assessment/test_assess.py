"""The assessment end to end on few digits, on every backend."""

import json

import numpy as np
import pytest
from PIL import Image

from rgf_keras.cache import Cache
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
from rgf_keras.metrics import features
from rgf_keras.tracking.tracker import Context, MemoryTracker
from rgf_keras.training import Trainer

SMALL = {
    "data": DataConfig(num_train=320, num_test=200),
    "training": TrainingConfig(epochs=2, batch_size=32),
    "oracle": OracleConfig(epochs=1, min_accuracy=0.0),
    "evaluation": EvaluationConfig(num_samples=100, every=1, num_resamples=5),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.mark.backend
@pytest.mark.parametrize(
    "model", [GANConfig(units=(16,)), VAEConfig(units=(32,))], ids=lambda model: model.family
)
def test_assessment_is_recorded_and_repeatable(tmp_path, cache, model):
    config = AssessConfig(model=model, **SMALL)
    tracker = MemoryTracker()
    run = tracker.start("first", {})
    first = assess(config, Context(run, tmp_path, cache))
    assert [row.name for row in first.table] == [*"0123456789", "all"]
    assert first.table[-1].n_r == 100
    assert set(first.metrics) <= set(run.metrics)
    assert {"config.yaml", "rgf_table.csv", "samples.png", "model/model.keras"} <= set(
        run.artifacts
    )
    assert ("real_loss.png" in run.artifacts) == (model.family == "gan")
    assert [step for step, _ in run.metrics["epoch"]] == [1, 2]
    assert run.params["model.family"] == model.family
    best = json.loads((tmp_path / "best.json").read_text())
    looks = dict(run.metrics["quality/frechet_oracle"][:2])
    assert best["epoch"] == min(looks, key=looks.__getitem__)
    assert best["metrics"]["quality/frechet_oracle"] == min(looks.values())
    assert {"best.json", "model-best.keras", "distances.npz"} <= set(run.artifacts)

    second = assess(config, Context(tracker.start("second", {}), tmp_path / "again", cache))
    for name, value in first.metrics.items():
        assert second.metrics[name] == pytest.approx(value, rel=1e-4), name


def test_a_factor_of_several_values(tmp_path, cache):
    data = DataConfig(
        factor="thickening", factor_parameters={"amount": [0.5, 1.0]}, num_train=320, num_test=200
    )
    config = AssessConfig(model=GANConfig(units=(16,)), **{**SMALL, "data": data})
    result = assess(config, Context(MemoryTracker().start("x", {}), tmp_path, cache))
    assert all(len(row.counts_r) == 3 for row in result.table)
    assert sum(result.table[-1].counts_r) == 100


def test_images_with_a_factor_of_their_own(tmp_path, cache):
    rng = np.random.default_rng(0)
    rows = ["file,size"]
    for i in range(300):
        file = tmp_path / "images" / "ab"[i % 2] / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (28, 28), np.uint8)).save(file)
        rows.append(f"{file.parent.name}/{file.name},{'large' if i % 3 else 'small'}")
    (tmp_path / "images" / "factors.csv").write_text("\n".join(rows))
    data = DataConfig(
        name=f"folder:{tmp_path / 'images'}",
        factor="size",
        factor_parameters={"values": ["large", "small"]},
    )
    config = AssessConfig(model=GANConfig(units=(16,)), **{**SMALL, "data": data})
    result = assess(config, Context(MemoryTracker().start("x", {}), tmp_path / "work", cache))
    assert [row.name for row in result.table] == ["a", "b", "all"]
    bad = config.with_values({"data.factor_parameters": {"rare": "small"}})
    with pytest.raises(RgfError, match=r"own 'size', whose only parameter is 'values'; .* 'rare'"):
        assess(bad, Context(MemoryTracker().start("x", {}), tmp_path / "work", cache))


def test_images_without_a_factor_are_looked_through_for_copies(tmp_path, cache):
    data = DataConfig(num_train=320, num_test=200, factor="none", rarity=0.5)
    config = AssessConfig(model=GANConfig(units=(16,)), **{**SMALL, "data": data})
    result = assess(config, Context(MemoryTracker().start("x", {}), tmp_path, cache))
    assert result.metrics["rgf/gap"] == result.metrics["rgf/num_memorized"] == 0
    assert {row.verdict for row in result.table} <= {"learned", "too few samples"}
    assert np.isfinite(result.metrics["copying/c_t"])
    assert "real_loss.png" not in result.files


def test_an_oracle_that_is_too_weak_is_refused(tmp_path, cache):
    oracle = OracleConfig(epochs=1, min_accuracy=0.99)
    with pytest.raises(RgfError, match=r"the class oracle is right on .* of held-out images"):
        assess(
            AssessConfig(**{**SMALL, "oracle": oracle}),
            Context(MemoryTracker().start("x", {}), tmp_path, cache),
        )


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Makes folders of noise: (classes, side) to the name of a data set with the factor size."""

    def make(classes, side):
        folder = tmp_path_factory.mktemp("noise")
        rng = np.random.default_rng(0)
        rows = ["file,size"]
        for i in range(100):
            file = folder / classes[i % len(classes)] / f"{i}.png"
            file.parent.mkdir(exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (side, side), np.uint8)).save(file)
            rows.append(f"{file.parent.name}/{file.name},{'large' if i % 3 else 'small'}")
        (folder / "factors.csv").write_text("\n".join(rows))
        return f"folder:{folder}"

    return make


@pytest.mark.parametrize(
    ("classes", "side", "changes", "message"),
    [
        ("ab", 8, {}, r"data\.name: .* are 8×8, but the oracles need 16×16 or more"),
        ("ab", 16, {"training.batch_size": 65}, r"training\.batch_size: 65 is more than \d+, the"),
        (
            "ab",
            16,
            {"oracle.batch_size": 99},
            r"oracle\.batch_size: 99 is more than the",
        ),
        ("ab", 16, {"training.optimizer.name": "adm"}, r"training\.optimizer\.name"),
        ("a", 16, {}, r"evaluation\.embedding: .* have a single class"),
        (
            "a",
            16,
            {"evaluation.embedding": "pixels", "rejection.threshold": 0.1},
            r"rejection\.embedding: .* have a single class",
        ),
    ],
)
def test_limits_are_told_before_anything_is_trained(
    tmp_path, monkeypatch, cache, noise, classes, side, changes, message
):
    monkeypatch.setattr(Trainer, "fit", None)
    data = DataConfig(name=noise(classes, side), factor="size", rare_class=0)
    config = AssessConfig(data=data, model=GANConfig(units=(8,)), oracle=OracleConfig(batch_size=8))
    small = {"training.batch_size": 8, "training.epochs": 1, **changes}
    with pytest.raises(RgfError, match=message):
        assess(config.with_values(small), Context(MemoryTracker().start("x", {}), tmp_path, cache))


def test_a_single_class_is_measured_in_a_named_embedding(tmp_path, cache, noise):
    data = DataConfig(name=noise("a", 16), factor="size", rare_class=0)
    config = AssessConfig(
        data=data,
        model=GANConfig(units=(8,)),
        training=TrainingConfig(epochs=1, batch_size=8),
        oracle=OracleConfig(batch_size=8, epochs=1, min_accuracy=0.0),
        evaluation=EvaluationConfig(num_samples=20, num_resamples=2, embedding="pixels"),
    )
    run = MemoryTracker().start("x", {})
    metrics = assess(config, Context(run, tmp_path, cache)).metrics
    assert np.isfinite(metrics["quality/frechet_pixels"])
    assert {"quality/frechet_oracle", "oracle/class_accuracy"}.isdisjoint(metrics)
    assert "quality/oracle_confidence" not in metrics
    assert "oracle/factor_accuracy" in metrics


# ------------------------------------------------------------------------------------ on request


@pytest.fixture
def small_inception(monkeypatch):
    """Pixels instead of the features of FID's network, which is too slow here."""

    class Small(features.Pixels):
        def __init__(self, name):
            super().__init__(7)
            self.name, self.traceable = name, name == "fid"

        def __call__(self, images):
            return super().__call__(images) + 1

    for name in ("fid", "clean_fid"):
        monkeypatch.setitem(features.INCEPTIONS, name, lambda _, name=name: Small(name))


ASKED = ("quality/fid", "quality/kid", "quality/mifid", "quality/precision", "quality/coverage")


def test_metrics_on_request(tmp_path, cache, small_inception):
    config = AssessConfig(model=GANConfig(units=(16,)), **SMALL)
    config = config.with_values({"evaluation.metrics": ASKED})
    run = MemoryTracker().start("x", {})
    metrics = assess(config, Context(run, tmp_path, cache)).metrics
    expected = {"quality/fid_train", "quality/fid_test", "quality/kid_train", "quality/kid_test"}
    expected |= {"quality/mifid_train", "quality/precision_oracle", "quality/coverage_oracle"}
    assert expected <= metrics.keys()
    assert expected <= run.metrics.keys()
    assert {"quality/fid_statistics", "quality/clean_fid_train"}.isdisjoint(metrics)
    assert metrics["quality/fid_train"] != metrics["quality/fid_test"]
    assert "moments" in {entry.kind for entry in cache.entries()}


def test_what_fid_lacks_is_told_before_anything_is_trained(tmp_path, monkeypatch, cache):
    monkeypatch.setattr(Trainer, "fit", None)
    config = AssessConfig(model=GANConfig(units=(16,)), **SMALL)
    narrow, torn = tmp_path / "narrow.npz", tmp_path / "torn.npz"
    np.savez(narrow, mu=np.zeros(64), sigma=np.eye(64))
    torn.write_bytes(narrow.read_bytes()[:99])

    def missing(weights):
        raise RgfError("no weights; get them")

    monkeypatch.setitem(features.INCEPTIONS, "fid", missing)
    asked = {"evaluation.metrics": ["quality/fid"]}
    for changes, message in (
        (asked, r"evaluation\.metrics: no weights; get them"),
        ({"evaluation.embedding": "fid"}, r"evaluation\.embedding: no weights; get them"),
        (
            asked | {"evaluation.reference_statistics": str(narrow)},
            r"reference_statistics: .*narrow\.npz is of 64 features, but FID's network has 2048",
        ),
        (asked | {"evaluation.reference_statistics": str(torn)}, r"torn\.npz holds no statistics"),
    ):
        context = Context(MemoryTracker().start("x", {}), tmp_path, cache)
        with pytest.raises(RgfError, match=message) as caught:
            assess(config.with_values(changes), context)
        assert "\n" not in str(caught.value)


@pytest.mark.backend
def test_rejection_refuses_what_training_cannot_trace(tmp_path, cache, small_inception):
    asked = {"rejection.embedding": "clean_fid", "rejection.threshold": 0.1}
    config = AssessConfig(model=GANConfig(units=(16,)), **SMALL).with_values(asked)
    with pytest.raises(
        RgfError, match=r"rejection\.embedding: clean_fid cannot be used in training; use fid"
    ):
        assess(config, Context(MemoryTracker().start("x", {}), tmp_path, cache))
