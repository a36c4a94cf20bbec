"""Importance-weighted log-probabilities: golden values, an exact marginal, chunks, bad input."""

from pathlib import Path

import numpy as np
import pytest
from keras import ops

from rgf_keras.models import VAE

pytestmark = pytest.mark.backend

GOLDEN = Path(__file__).parents[1] / "golden" / "vae_log_prob.npz"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def paper_vae(golden):
    """The paper's MNIST model with the golden weights."""
    model = VAE((32, 32, 1), "mnist_mlp")
    names = ["encoder_0", "encoder_1", ("mean", "log_var")]
    for network, names in (
        (model.encoder, ["encoder_0", "encoder_1", ("mean", "log_var")]),
        (model.decoder, ["decoder_0", "decoder_1", "decoder_out"]),
    ):
        dense = [layer for layer in network.layers if layer.weights]
        for layer, name in zip(dense, names, strict=True):
            heads = [name] if isinstance(name, str) else name
            layer.set_weights(
                [
                    np.concatenate([golden[f"{head}_{part}"] for head in heads], axis=-1)
                    for part in ("kernel", "bias")
                ]
            )
    return model


def test_golden_log_prob(golden, paper_vae):
    images = 255 * golden["images"][..., np.newaxis]
    found = paper_vae.log_prob(images, 64, noise=golden["noise"])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, golden["log_prob"], rtol=1e-4)


def test_golden_posterior_and_elbo(golden, paper_vae):
    observed = golden["images"][..., np.newaxis].astype(np.float32)
    mean, log_var = paper_vae.encode(observed)
    np.testing.assert_allclose(ops.convert_to_numpy(mean), golden["mean"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        ops.convert_to_numpy(log_var), golden["log_var"], rtol=1e-4, atol=1e-6
    )
