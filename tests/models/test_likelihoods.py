"""Observations, decoders' densities and robust losses against SciPy, sums and integrals."""

from itertools import product

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, stats

from rgf_keras.errors import ArgumentError
from rgf_keras.models import VAE, load_model, to_float
from rgf_keras.models.architectures import ARCHITECTURES
from rgf_keras.models.likelihoods import Bernoulli, Binarized, DiagonalGaussian, Gaussian, Logit
from rgf_keras.models.robust import beta_cross_entropy
from rgf_keras.training import Trainer

pytestmark = pytest.mark.backend

BINARY = np.array(list(product([0, 1], repeat=4)), np.float32)  # all images of four pixels


def rows(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def tensor(array):
    return ops.convert_to_tensor(np.asarray(array, np.float32))


def numbers(value):
    return ops.convert_to_numpy(ops.stop_gradient(ops.convert_to_tensor(value)))


# ------------------------------------------------------------------------------- densities


def test_bernoulli_is_a_distribution():
    outputs = np.repeat(rows(1, 4), len(BINARY), axis=0)
    log_prob = numbers(Bernoulli().log_prob(tensor(BINARY), tensor(outputs)))
    probability = 1 / (1 + np.exp(-outputs.astype(float)))
    np.testing.assert_allclose(
        log_prob, stats.bernoulli.logpmf(BINARY, probability).sum(axis=1), rtol=1e-5
    )
    assert np.exp(log_prob).sum() == pytest.approx(1, rel=1e-5)


def test_gaussians_equal_scipy():
    x, outputs = rows(5, 3), 8 * rows(5, 6, seed=1)
    mean, log_variance = np.split(outputs, 2, axis=1)
    scale = np.exp(np.maximum(log_variance, -7.0) / 2)
    assert (log_variance < -7).any()
    np.testing.assert_allclose(
        numbers(DiagonalGaussian(Logit()).log_prob(tensor(x), tensor(outputs))),
        stats.norm(mean, scale).logpdf(x).sum(axis=1),
        rtol=1e-4,
    )
    np.testing.assert_allclose(
        numbers(Gaussian(ops.convert_to_tensor(-1.0), Logit()).log_prob(tensor(x), tensor(mean))),
        stats.norm(mean, np.exp(-0.5)).logpdf(x).sum(axis=1),
        rtol=1e-4,
    )


def test_a_density_of_logits_is_one_of_pixel_values():
    """A narrow Gaussian in logit space integrates to 1 over the dequantised pixel."""

    def density(value):
        pixel, uniform = np.floor(value) / 255, value - np.floor(value)
        x = numbers(Logit().observe(tensor(pixel), tensor(uniform)))
        return float(
            np.exp(stats.norm(0.3, 0.4).logpdf(x) + numbers(Logit().log_volume(tensor(x))))
        )

    values = np.linspace(0, 256, 801)[1:-1]
    mass = integrate.trapezoid([density(value) for value in values], values)
    assert mass == pytest.approx(1, abs=1e-3)


def test_pixels_come_back_from_logits():
    pixels = tensor(np.linspace(0, 1, 11))
    x = Logit().observe(pixels, 0 * pixels + 0.5)
    np.testing.assert_allclose(numbers(Logit().pixels(x)), numbers(pixels), atol=0.5 / 256 + 1e-6)


def test_binarizing_keeps_black_and_white_and_the_mean():
    pixels = np.repeat(np.float32([[0], [0.3], [1]]), 4000, axis=1)
    uniforms = np.random.default_rng(0).random(pixels.shape, np.float32)
    drawn = numbers(Binarized().observe(tensor(pixels), tensor(uniforms)))
    assert set(np.unique(drawn)) == {0, 1}
    np.testing.assert_allclose(drawn.mean(axis=1), [0, 0.3, 1], atol=0.03)
    assert drawn[0].max() == 0
    assert drawn[2].min() == 1


@pytest.mark.parametrize(
    ("likelihood", "observation"),
    [("bernoulli", "logit"), ("gaussian", "binarized"), ("diagonal_gaussian", "binarized")],
)
def test_a_likelihood_of_other_values_is_refused(likelihood, observation):
    with pytest.raises(ArgumentError, match=f"'{likelihood}' is no density of '{observation}'"):
        VAE((4, 4, 1), likelihood=likelihood, observation=observation)


# --------------------------------------------------------------------------- architectures


@pytest.mark.parametrize(
    ("name", "shape", "num_weights"),
    [
        # 1024-512-256-2·16 and 16-256-512-1024 with biases
        ("mnist_mlp", (28, 28, 1), 664_352 + 661_248),
        # 4×4×(3·32 + 32·64 + 64·128 + 128·256), BatchNorm of 64 + 128 + 256, 1024·128 + 128;
        # 2×2×64·256, 4×4×(256·128 + 128·64 + 64·32 + 32·6), BatchNorm of 256 + 128 + 64 + 32
        ("cifar_conv", (32, 32, 3), 821_760 + 757_696),
        ("celeba_conv", (32, 32, 3), 756_160 + 723_392 + 1),
    ],
)
def test_paper_architectures(name, shape, num_weights):
    model = VAE(shape, name)
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == num_weights
    assert model.observed_shape == (32, 32, shape[-1])
    assert model.latent_dim == ARCHITECTURES[name].latent_dim
    assert model.sample(2, seed=0).shape == (2, *shape)


def test_small_images_are_padded_with_zeros():
    model = VAE((28, 28, 1), "mnist_mlp", units=(4,))
    images = np.ones((1, 28, 28, 1), np.float32)
    observed = numbers(model.observe(tensor(images), tensor(np.full((1, 32, 32, 1), 0.5))))
    np.testing.assert_array_equal(observed[0, ..., 0], np.pad(np.ones((28, 28)), 2))


def test_paper_convolutions_are_for_32():
    with pytest.raises(ArgumentError, match="for 32×32, received 64×64"):
        VAE((64, 64, 3), "cifar_conv")


def test_configurations_saved_before_observations_load():
    config = VAE((4, 4, 1), "mlp", "gaussian", 2, (3,)).get_config()
    for name in ("observation", "beta_divergence", "outlier_weight", "learn_outlier_weight"):
        del config[name]
    again = VAE.from_config(config)
    assert (again.observation, again.outliers) == ("pixels", None)
    assert again.trainable_variables[0].name == "log_variance"


# -------------------------------------------------------------------------------- robustness


@pytest.mark.parametrize("exponent", [1.0, 1.3])
def test_integrals_of_powers(exponent):
    outputs = rows(1, 4)
    total = np.exp(exponent * numbers(Bernoulli().log_prob(tensor(BINARY), tensor(outputs)))).sum()
    assert numbers(Bernoulli().log_power(tensor(outputs), exponent))[0] == pytest.approx(
        np.log(total), abs=1e-5
    )
    expected = sum(
        np.log(integrate.quad(lambda x, s=s: stats.norm(0, s).pdf(x) ** exponent, -30, 30)[0])
        for s in np.exp(outputs[0, 2:] / 2)
    )
    log_power = numbers(DiagonalGaussian(Logit()).log_power(tensor(outputs), exponent))[0]
    assert log_power == pytest.approx(expected, abs=1e-5)
    expected = 2 * np.log(integrate.quad(lambda x: stats.norm.pdf(x) ** exponent, -30, 30)[0])
    shared = Gaussian(ops.convert_to_tensor(0.0), Logit())
    assert numbers(shared.log_power(tensor(rows(1, 2)), exponent))[0] == pytest.approx(
        expected, abs=1e-5
    )


def test_beta_cross_entropy():
    log_prob, log_power = np.float32([-3.0, -400.0]), np.float32([-0.1, -0.1])
    loss = numbers(beta_cross_entropy(tensor(log_prob), tensor(log_power), 0.5))
    np.testing.assert_allclose(loss, -3 * (np.exp(0.5 * log_prob) - 1) + np.exp(-0.1), rtol=1e-5)
    nearly = numbers(beta_cross_entropy(tensor(log_prob), tensor(0 * log_power), 1e-6))
    np.testing.assert_allclose(nearly, 1 - log_prob, rtol=1e-3)


def outlier_vae(**options):
    return VAE((2, 2, 1), "mlp", "bernoulli", 2, (3,), observation="binarized", **options)


def test_the_mixture_is_a_distribution():
    model = outlier_vae(outlier_weight=0.25)
    model.outliers.outputs.assign(rows(1, 4, seed=5))
    observed = tensor(BINARY.reshape(-1, 2, 2, 1))
    density = np.exp(numbers(model.log_likelihood(observed, tensor(rows(1, 4)))))
    assert density.sum() == pytest.approx(1, rel=1e-5)
    parts = [
        np.exp(numbers(Bernoulli().log_prob(tensor(BINARY), tensor(y))))
        for y in (rows(1, 4), rows(1, 4, seed=5))
    ]
    np.testing.assert_allclose(density, 0.75 * parts[0] + 0.25 * parts[1], rtol=1e-5)


@pytest.mark.parametrize("learned", [False, True])
def test_outlier_components_train_and_save(learned, tmp_path):
    model = outlier_vae(outlier_weight=0.1, learn_outlier_weight=learned)
    white = np.full((64, 2, 2, 1), 255, np.uint8)
    trainer = Trainer(model, {"images": white}, {"vae": keras.optimizers.Adam(0.1)}, batch_size=16)
    trainer.fit(10)
    assert (numbers(model.outliers.outputs) > 1).all(), "fitted to what it sees"
    model.save(tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.log_prob(white[:2], 4), model.log_prob(white[:2], 4))
    weight_moved = learned and not np.isclose(numbers(model.outliers.logit), np.log(1 / 9))
    assert weight_moved == learned


def test_the_fitting_term_costs_nothing():
    model = outlier_vae(outlier_weight=0.1)
    assert not numbers(model.outliers.fitting(tensor(BINARY))).any()


def test_one_robust_likelihood_at_a_time():
    with pytest.raises(ArgumentError, match="exclude each other"):
        outlier_vae(outlier_weight=0.1, beta_divergence=0.01)


def test_a_robust_loss_leaves_log_prob_the_decoders():
    plain, robust = outlier_vae(), outlier_vae(beta_divergence=0.01)
    images = (255 * BINARY).astype(np.uint8).reshape(-1, 2, 2, 1)
    np.testing.assert_array_equal(plain.log_prob(images, 4), robust.log_prob(images, 4))
    batch = {"images": to_float(images), **plain.draw_noise(len(images))}
    losses = [model.players()[0].loss(batch) for model in (plain, robust)]
    assert not np.allclose(*(numbers(loss.per_example) for loss in losses))
    assert numbers(losses[0].metrics["reconstruction"]) == pytest.approx(
        float(numbers(losses[1].metrics["reconstruction"]))
    )
