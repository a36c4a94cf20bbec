"""GECO's multiplier by hand, in a training, and through a resume."""

import keras
import numpy as np
import pytest
from keras import ops

from rgf_keras.config import AssessConfig, ScoreConfig, VAEConfig
from rgf_keras.errors import ArgumentError, RgfError
from rgf_keras.models import VAE
from rgf_keras.models.base import Loss
from rgf_keras.training import GECO, Trainer

pytestmark = pytest.mark.backend

IMAGES = np.random.default_rng(0).integers(0, 256, (32, 4, 4, 1)).astype(np.uint8)
TOLERANCE = 0.66  # nats a value; noise as Bernoullis cannot be below about 0.5, and starts at 0.69


def trainer():
    model = VAE((4, 4, 1), units=(16,), latent_dim=4)
    hooks = VAEConfig(geco_tolerance=TOLERANCE, geco_decay=0.9).regularizers(model)
    optimizers = {"vae": keras.optimizers.Adam(1e-2)}
    data = {"images": IMAGES}
    return Trainer(model, data, optimizers, 16, regularizers=hooks)


def test_the_multiplier_by_hand():
    hook = GECO(0.5, num_values=10, decay=0.9, rate=0.2)
    rng, average, multiplier = np.random.default_rng(0), None, 1.0
    for _ in range(4):
        kl, reconstruction = rng.uniform(0, 20, (2, 3)).astype(np.float32)
        tensors = {
            "kl": ops.convert_to_tensor(kl),
            "reconstruction": ops.convert_to_tensor(reconstruction),
        }
        changed = hook(Loss(tensors["kl"] + tensors["reconstruction"], tensors), {}, 0)
        np.testing.assert_allclose(
            ops.convert_to_numpy(changed.per_example), kl + multiplier * reconstruction, rtol=1e-5
        )
        constraint = reconstruction.mean() / 10 - 0.5
        average = constraint if average is None else 0.9 * average + 0.1 * constraint
        assert float(changed.metrics["constraint"]) == pytest.approx(average, rel=1e-5)
        hook.after(changed.metrics)
        multiplier *= np.exp(0.2 * average)
        assert float(hook.multiplier.value) == pytest.approx(multiplier, rel=1e-5)


def test_the_multiplier_follows_the_constraint_and_a_resume_continues_it(tmp_path):
    whole = trainer()
    history = whole.fit(6)
    names = history.names
    average, multiplier, reconstruction = (
        history.steps[:, names.index(f"vae/{name}")]
        for name in ("constraint", "multiplier", "reconstruction")
    )
    np.testing.assert_allclose(
        multiplier[1:] / multiplier[:-1], np.exp(0.1 * average[:-1]), rtol=1e-4
    )
    expected = [reconstruction[0] / 16 - TOLERANCE]
    for each in reconstruction[1:]:
        expected.append(0.9 * expected[-1] + 0.1 * (each / 16 - TOLERANCE))
    np.testing.assert_allclose(average, expected, rtol=1e-3, atol=1e-6)
    for epochs in (3, 6):  # the same program, begun anew, then from a checkpoint
        whole.restart(VAE((4, 4, 1), units=(16,), latent_dim=4), seed=0, checkpoint_dir=tmp_path)
        again = whole.fit(epochs)
    np.testing.assert_array_equal(again.steps, history.steps)


def test_what_cannot_be():
    with pytest.raises(ArgumentError, match="rate"):
        GECO(0.5, 10, rate=0)
    vae = {"model.family": "vae", "model.geco_tolerance": 0.1}
    with pytest.raises(RgfError, match="geco_tolerance and beta"):
        AssessConfig().with_values({**vae, "model.beta": 4})
    with pytest.raises(RgfError, match=r"training\.privacy and model\.geco_tolerance"):
        ScoreConfig().with_values({**vae, "training.privacy.noise_multiplier": 1.0})


def test_a_reference_is_without_it_and_old_keys_stay():
    plain = AssessConfig().with_values({"model.family": "vae"})
    constrained = plain.with_values({"model.geco_tolerance": 0.1})
    assert constrained.unmitigated() == plain
    assert "geco_tolerance" not in plain.identity()["model"]
    assert constrained.key != plain.key
