"""Importance-weighted log-probabilities: golden values, an exact marginal, chunks, bad input."""

from pathlib import Path

import numpy as np
import pytest
from keras import ops
from scipy import stats

from rgf_keras import backend
from rgf_keras.errors import ArgumentError
from rgf_keras.models import VAE
from rgf_keras.models.vae import kl_divergence

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
    log_prob = paper_vae.log_prob(images, 64, noise=golden["noise"])
    assert log_prob.dtype == np.float32
    np.testing.assert_allclose(log_prob, golden["log_prob"], rtol=1e-4)


def test_golden_posterior_and_elbo(golden, paper_vae):
    observed = ops.convert_to_tensor(golden["images"][..., np.newaxis].astype(np.float32))
    (player,) = paper_vae.players()
    batch = {"images": 2 * observed - 1, "uniforms": 0 * observed + 0.5}
    loss = player.loss({**batch, "noise": ops.convert_to_tensor(golden["noise"][0])}).per_example
    mean, log_var = paper_vae.encode(observed)
    results = {
        "mean": mean,
        "log_var": log_var,
        "kl": kl_divergence(mean, log_var),
        "elbo_first_noise": -loss,
    }
    for name, values in results.items():
        values = ops.convert_to_numpy(ops.stop_gradient(values))
        np.testing.assert_allclose(values, golden[name], rtol=1e-4, atol=1e-6, err_msg=name)


# -------------------------------------------------------------------- an exact marginal, the draws


@pytest.fixture(scope="module")
def linear():
    """A linear VAE on logits of 6 pixels, 12 images, and their exact log-densities.

    y = Wz + b + noise of variance γ, so y ~ N(b, WWᵀ + γI).
    """
    model = VAE((2, 3, 1), "mlp", "gaussian", 2, (), observation="logit", seed=1)
    images = np.random.default_rng(0).integers(60, 200, (12, 2, 3, 1), np.uint8)
    kernel, bias = (ops.convert_to_numpy(v) for v in model.decoder.trainable_variables)
    dequantised = (images.reshape(12, 6) + 0.5) / 256
    share = 0.05 + 0.9 * dequantised
    y = np.log(share / (1 - share))
    exact = stats.multivariate_normal(bias, kernel.T @ kernel + np.exp(-2) * np.eye(6)).logpdf(y)
    # dy/dx of the pixel's value in [0, 256]
    exact += np.log(0.9 / 256 / (share * (1 - share))).sum(axis=1)
    return model, images, exact


def middle(model):
    """The model's log-weights with every pixel dequantised by one half."""

    def log_weights(images, uniforms, noise):
        return model.log_weights(images, 0 * uniforms + 0.5, noise)

    return backend.jit(log_weights, model.variables)


def test_the_estimate_is_within_its_standard_error(linear):
    model, images, exact = linear
    noise = np.random.default_rng(1).standard_normal((20_000, len(images), 2)).astype(np.float32)
    weights = ops.convert_to_numpy(middle(model)(images, np.zeros(images.shape, np.float32), noise))
    weights = np.exp(weights.astype(np.float64) - exact)
    error = weights.std(axis=0) / weights.mean(axis=0) / np.sqrt(20_000)
    assert error.max() < 0.1
    log_prob = model.log_prob(images, 20_000, noise=noise, log_weights=middle(model))
    assert (np.abs(log_prob - exact) < 4 * error).all()


def test_more_samples_come_closer_from_below(linear):
    model, images, exact = linear
    few, many = (
        model.log_prob(images, num, log_weights=middle(model)) - exact for num in (4, 2000)
    )
    assert np.abs(many).mean() < np.abs(few).mean() / 4
    assert few.mean() < many.mean() < 0.05


def test_estimates_do_not_depend_on_chunks_or_the_images_beside(linear):
    model, images, _ = linear
    whole = model.log_prob(images, 5, seed=3)
    for max_bytes in (1, 500, 1500):
        np.testing.assert_allclose(
            model.log_prob(images, 5, seed=3, max_bytes=max_bytes), whole, rtol=1e-5
        )
    np.testing.assert_allclose(model.log_prob(images[4:7], 5, seed=3), whole[4:7], rtol=1e-5)
    assert not np.isclose(model.log_prob(images, 5, seed=4), whole, rtol=1e-5).any()


def test_normalization_is_in_inference_mode():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), np.uint8)
    model = VAE((8, 8, 1), "conv", latent_dim=2, width=2)
    assert any("moving_mean" in v.path for v in model.variables)
    before = [ops.convert_to_numpy(v) for v in model.variables]
    together = model.log_prob(images, 3)
    np.testing.assert_allclose(model.log_prob(images[:1], 3), together[:1], rtol=1e-5)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)


def test_members_of_an_ensemble_are_estimated_at_once(linear):
    model, images, _ = linear

    def members(*draws):
        return ops.stack([model.log_weights(*draws), model.log_weights(*draws) - 1])

    twice = backend.jit(members, model.variables)
    log_probs = model.log_prob(images, 3, log_weights=twice)
    assert log_probs.shape == (2, len(images))
    np.testing.assert_allclose(log_probs[0], model.log_prob(images, 3), rtol=1e-5)
    np.testing.assert_allclose(log_probs[0] - log_probs[1], 1, atol=1e-4)


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (np.zeros((2, 2, 3, 1)), {}, r"uint8 images, received \(2, 2, 3, 1\) float64"),
        (np.zeros((2, 3, 3, 1), np.uint8), {}, r"needs \(n, 2, 3, 1\)"),
        (np.zeros((0, 2, 3, 1), np.uint8), {}, "received .0, 2"),
        (np.zeros((2, 2, 3, 1), np.uint8), {"num_samples": 0}, "num_samples must be at least 1"),
        (
            np.zeros((2, 2, 3, 1), np.uint8),
            {"noise": np.zeros((4, 1, 2))},
            r"noise must be \(4, 2, 2\), received \(4, 1, 2\)",
        ),
    ],
)
def test_bad_input_is_named(linear, images, options, message):
    with pytest.raises(ArgumentError, match=message):
        linear[0].log_prob(images, **{"num_samples": 4, **options})


def test_flips_are_of_training_alone():
    plain, flipped = (VAE((8, 8, 3), "conv", width=4, flip=flip) for flip in (False, True))
    flipped.set_weights(plain.get_weights())
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3)).astype(np.uint8)
    np.testing.assert_array_equal(*(model.log_prob(images, 2) for model in (plain, flipped)))
    batch = {"images": ops.convert_to_tensor(images / 127.5 - 1, "float32")}
    noise = flipped.draw_noise(16)
    mirrored = ops.convert_to_numpy(noise["flips"])[:, 0, 0, 0]
    assert 0 < mirrored.sum() < 16
    (player,), (other,) = flipped.players(), plain.players()
    given = np.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
    as_flipped = {**noise, "images": ops.convert_to_tensor(given / 127.5 - 1, "float32")}
    losses = player.loss({**batch, **noise}), other.loss(as_flipped)
    first, second = (ops.convert_to_numpy(loss.per_example) for loss in losses)
    np.testing.assert_allclose(first, second, rtol=1e-5)


@pytest.mark.parametrize("architecture", ["mnist_mlp", "cifar_conv"])
def test_weights_as_torch_draws_them(architecture):
    model = VAE((32, 32, 3), architecture, initialization="torch", seed=1)
    for network in (model.encoder, model.decoder):
        for layer in network.layers:
            if hasattr(layer, "kernel"):
                # torch: 1/√(weight.size(1) · positions) of a weight (out, in, ...), transposed
                # convolutions (in, out, ...); Keras has both with that axis before the last
                bound = 1 / np.sqrt(np.prod(layer.kernel.shape[:-1]))
                values = np.concatenate([w.ravel() for w in layer.get_weights()])
                assert np.abs(values).max() <= bound * (1 + 1e-6)
                assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)
    again = VAE((32, 32, 3), architecture, initialization="torch", seed=1)
    np.testing.assert_array_equal(model.get_weights()[0], again.get_weights()[0])
    with pytest.raises(ArgumentError, match="initialization"):
        VAE((8, 8, 1), initialization="he")
