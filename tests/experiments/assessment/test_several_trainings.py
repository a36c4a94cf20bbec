"""Assessments of several trainings on few digits, on every backend."""

import json

import keras
import numpy as np
import pytest

from rgf_keras.cache import Cache
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
from rgf_keras.experiments.assessment import materials, trainings
from rgf_keras.experiments.assessment.calibrate import calibrate
from rgf_keras.metrics import rgf_table
from rgf_keras.runtime.progress import Progress
from rgf_keras.runtime.workers import WorkersSpec
from rgf_keras.tracking.tracker import Context, MemoryTracker
from rgf_keras.training import Trainer

CONFIG = AssessConfig(
    data=DataConfig(num_train=320, num_test=200),
    model=GANConfig(units=(16,)),
    training=TrainingConfig(epochs=2, batch_size=32),
    oracle=OracleConfig(epochs=1, min_accuracy=0.0),
    evaluation=EvaluationConfig(
        num_samples=200, every=1, num_resamples=2, num_references=3, num_trainings=2
    ),
)
NUM_STEPS = 20


class Recorded(Progress):
    """What was trained, and from which step on; may interrupt a training in its second epoch."""

    def __init__(self, interrupt=None, name="", begun=None):
        self.interrupt, self.name = interrupt, name
        self.begun = {} if begun is None else begun

    def task(self, description, unit="steps"):
        return Recorded(self.interrupt, description.split(": ")[-1], self.begun)

    def __call__(self, done, total):
        if " on " in self.name:
            self.begun.setdefault(self.name, done)
            if self.name == self.interrupt and done > NUM_STEPS // 2:
                raise KeyboardInterrupt


def _save_always(trainer, chunk, seconds):
    """Checkpoints at every call, which is of few steps."""
    trainer.checkpoint_seconds = 0.0
    return 3


def context(folder, cache, progress=None):
    run = MemoryTracker().start("x", {})
    return Context(run, folder, cache, progress or Recorded())


@pytest.mark.backend
def test_trainings_are_kept_and_a_killed_one_continues(tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "_next_chunk", _save_always)
    cache, folder = Cache(tmp_path / "cache"), tmp_path / "work"
    folder.mkdir()
    third = "model on balanced data, training 3"
    killed = Recorded(interrupt=third)
    with pytest.raises(KeyboardInterrupt):
        assess(CONFIG, context(folder, cache, killed))
    balanced = ["model on balanced data", "model on balanced data, training 2", third]
    assert [*killed.begun] == balanced

    again = Recorded()
    result = assess(CONFIG, context(folder, cache, again))
    skewed = ["model on skewed data", "model on skewed data, training 2"]
    assert [*again.begun] == [third, *skewed]
    assert again.begun[third] > NUM_STEPS // 2  # from its checkpoint
    assert not list(folder.glob("training-*"))
    assert not list(cache.folder.glob("*.partial"))
    assert rgf_table.num_trainings(result.table) == (2, 3)
    low, mean, high = (result.metrics[f"rgf/gap{end}"] for end in ("_low", "", "_high"))
    assert low <= mean <= high
    assert 0 < result.metrics["rgf/gap_p"] <= 1
    assert {"model.keras", "rgf_table.json"} <= set(result.files)

    # Asking for one more trains one more; asking again trains nothing.
    more = Recorded()
    wanted = CONFIG.with_values({"evaluation.num_trainings": 3})
    run = context(folder, cache, more)
    table = assess(wanted, run).table
    assert [*more.begun] == ["model on skewed data, training 3"]
    assert rgf_table.num_trainings(table) == (3, 3)
    assert [step for step, _ in run.run.metrics["epoch"]] == [1, 2]
    same = Recorded()
    assert repr(assess(wanted, context(folder, cache, same)).table) == repr(table)
    assert same.begun == {}

    # Nothing depends on the interruption, on what was kept, and on how many there are.
    whole = assess(CONFIG, context(tmp_path, Cache(tmp_path / "other")))
    for name, value in result.metrics.items():
        assert whole.metrics[name] == pytest.approx(value, rel=1e-4), name

    # A single training is the first of several.
    alone = Recorded()
    single = assess(CONFIG.of_one_training(), context(folder, cache, alone)).table
    assert alone.begun == {}
    assert [row.counts_r for row in single] == [row.trainings_r[:2] for row in table]


def test_the_first_training_is_what_was_kept_when_there_was_one(tmp_path):
    """Keys of an earlier version, which had one reference with the seed of everything."""
    cache = Cache(tmp_path)
    shared = materials.prepare(CONFIG, cache)
    found = trainings.Trainings(CONFIG, shared, tmp_path)
    first, second = (found._description("balanced", number) for number in (0, 1))
    assert set(first) == {
        *("config", "samples", "balanced", "held_out", "rare_class", "backend", "keras")
    }
    assert set(first["config"]) == {
        *("model", "training", "seed", "spectral_decoupling", "rejection", "oracle")
    }
    assert (first["config"]["seed"], second["config"]["seed"], second["training"]) == (0, 1, 1)
    assert CONFIG.of_one_training().key == CONFIG.with_values(
        {"evaluation.test": "two_sample", "evaluation.num_references": None,
         "evaluation.num_trainings": 1}
    ).key  # fmt: skip


def test_workers_share_the_trainings(tmp_path):
    cache = Cache(tmp_path / "cache")
    config = CONFIG.with_values({"training.epochs": 1, "evaluation.num_references": 2})
    spread = Recorded()
    result = assess(config, context(tmp_path, cache, spread), WorkersSpec(2, num_threads=1))
    assert rgf_table.num_trainings(result.table) == (2, 2)
    assert {row.verdict for row in result.table} <= {"too few trainings", "too few samples"}
    assert {"model on balanced data", "model on skewed data, training 2"} <= set(spread.begun)


needs_jax = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="one program for several trainings is JAX'"
)


@pytest.mark.backend
@needs_jax
def test_vaes_are_trained_as_one_program_on_an_accelerator(tmp_path, monkeypatch):
    config = CONFIG.with_values({"model.family": "vae", "model.units": [32]})
    monkeypatch.setattr(trainings, "_has_accelerator", lambda: True)
    together = Recorded()
    once = assess(config, context(tmp_path, Cache(tmp_path / "once"), together))
    assert [*together.begun] == [
        *("3 models on balanced data", "model on skewed data", "model on skewed data, training 2")
    ]
    monkeypatch.setattr(trainings, "_has_accelerator", lambda: False)
    other = tmp_path / "other"
    other.mkdir()
    apart = assess(config, context(other, Cache(tmp_path / "apart")))
    assert [row.trainings_u for row in once.table] == [row.trainings_u for row in apart.table]


@pytest.mark.backend
@needs_jax
@pytest.mark.usefixtures("quick_compilation")
@pytest.mark.parametrize(
    "model",
    [
        {"family": "gan", "units": [16]},
        {"family": "diffusion", "backbone": "keras", "size": "tiny", "width": 4, "num_steps": 2},
    ],
    ids=lambda model: model["family"],
)
def test_one_program_trains_what_trainings_of_their_own_do(tmp_path, monkeypatch, model):
    values = {f"model.{name}": value for name, value in model.items()}
    config = CONFIG.with_values({"data.num_train": 64, "training.passes_per_epoch": 2, **values})
    results = []
    for is_there in (True, False):
        monkeypatch.setattr(trainings, "_has_accelerator", lambda is_there=is_there: is_there)
        shared = materials.prepare(config, Cache(tmp_path / str(is_there)))
        results.append(trainings.Trainings(config, shared, tmp_path).get("balanced", [0, 1]))
    for together, alone in zip(*results, strict=True):
        np.testing.assert_array_equal(together.counts, alone.counts)
        for epoch, other in zip(together.epochs, alone.epochs, strict=True):
            assert epoch == pytest.approx(other, rel=1e-4)


def test_a_calibration(tmp_path):
    config = AssessConfig(
        **{**dict(CONFIG), "model": VAEConfig(units=(16,)), "evaluation": EvaluationConfig(
            num_samples=200, min_class_samples=2)}
    )  # fmt: skip
    cache = Cache(tmp_path / "cache")
    run = context(tmp_path, cache)
    found = calibrate(config, run, num_seeds=4, num_skewed=1)
    record = json.loads(found.files["calibration.json"].read_text())
    assert [(each["test"], each["trainings"], each["references"])
            for each in record["false_calls"]] == [
        ("trainings", 1, 3), ("two_sample", 1, 1), ("sample", 1, 1), ("reference", 1, 1)
    ]  # fmt: skip
    assert np.array(record["counts"]["balanced"]).shape == (4, 11, 2)
    assert np.array(record["counts"]["balanced"])[:, -1].sum(-1).tolist() == [200] * 4
    assert len(record["gaps"][0]["balanced"]) == 4
    assert set(run.run.artifacts) == {"calibration.json", "calibration.png"}
    # An assessment finds the references.
    trained = Recorded()
    assess(config, context(tmp_path, cache, trained))
    assert not any("balanced" in name for name in trained.begun)
