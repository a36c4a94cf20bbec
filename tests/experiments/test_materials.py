"""From a configuration to a trainer."""

import numpy as np

from rgf_keras.cache import Cache
from rgf_keras.datasets import Dataset
from rgf_keras.experiments import AssessConfig, BigGANConfig, TrainingConfig
from rgf_keras.experiments.materials import build_trainer


def test_conditional_models_learn_from_the_labels_of_the_data(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (16, 16, 16, 3), dtype=np.uint8)
    dataset = Dataset("noise", images, np.arange(16) % 3, np.arange(16), ("a", "b", "c"))
    model = BigGANConfig(width=4, latent_dim=8, shared_dim=2, augment=True, flip=True)
    config = AssessConfig(model=model, training=TrainingConfig(epochs=1, batch_size=8))
    trainer = build_trainer(config, dataset, None, Cache(tmp_path), tmp_path / "checkpoints")
    assert trainer.model.num_classes == 3
    assert np.isfinite(trainer.fit(1).steps).all()
