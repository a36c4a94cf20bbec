"""From a configuration to a trainer."""

import numpy as np
import pytest

from rgf_keras.cache import Cache
from rgf_keras.datasets import Dataset
from rgf_keras.experiments import (
    AssessConfig,
    BigGANConfig,
    DataConfig,
    DiffusionConfig,
    EvaluationConfig,
    OracleConfig,
    TrainingConfig,
)
from rgf_keras.experiments.assessment import materials
from rgf_keras.experiments.assessment.models import build_model, build_trainer, draw_samples
from rgf_keras.experiments.assessment.oracles import Oracles
from rgf_keras.metrics.features import extractor
from rgf_keras.models import Oracle


def test_conditional_models_learn_from_the_labels_of_the_data(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (16, 16, 16, 3), dtype=np.uint8)
    dataset = Dataset("noise", images, np.arange(16) % 3, np.arange(16), ("a", "b", "c"))
    model = BigGANConfig(width=4, latent_dim=8, shared_dim=2, augment=True, flip=True)
    config = AssessConfig(model=model, training=TrainingConfig(epochs=1, batch_size=8))
    trainer = build_trainer(config, dataset, extractor, Cache(tmp_path), tmp_path / "checkpoints")
    assert trainer.model.num_classes == 3
    assert np.isfinite(trainer.fit(1).steps).all()


@pytest.mark.parametrize(("num_train", "expected"), [(None, 100), (300, 300)])
def test_oracles_may_see_more_images_than_the_generator(tmp_path, monkeypatch, num_train, expected):
    seen = []

    def train_oracles(train, *rest):
        seen.append(train)
        return Oracles(Oracle((28, 28, 3), 10), Oracle((28, 28, 3), 2), {})

    monkeypatch.setattr(materials, "train_oracles", train_oracles)
    config = AssessConfig(
        data=DataConfig(num_train=100, num_test=50), oracle=OracleConfig(num_train=num_train)
    )
    found = materials.prepare(config, Cache(tmp_path))
    assert len(seen[0]) == expected
    assert len(found.data.skewed) == 100


def test_diffusion_models_are_built_and_drawn_as_configured():
    images = np.zeros((4, 8, 8, 3), np.uint8)
    dataset = Dataset("black", images, np.arange(4) % 2, np.arange(4), ("a", "b"))
    model = DiffusionConfig(
        size="tiny", backbone="keras", width=4, timesteps=30, num_steps=3, augment=("flip",)
    )
    config = AssessConfig(model=model, evaluation=EvaluationConfig(num_samples=2, fast=True))
    told = []
    built = build_model(config, dataset)
    drawn = draw_samples(built, config, lambda done, total: told.append((done, total)))
    assert (built.augment, drawn.shape, drawn.dtype) == (("flip",), (2, 8, 8, 3), np.uint8)
    assert told == [(25, 25)]
