"""The bound of diffusion models against closed forms, for images of independent Gaussian values."""

import numpy as np
import pytest
from gaussian_denoiser import gaussian_model
from scipy.stats import norm

from rgf_keras.models.noise_schedules import SCHEDULES, NoiseSchedule
from rgf_keras.models.variational_bound import (
    decoder_log_prob,
    prior_divergence,
    stratified_timesteps,
)

pytestmark = pytest.mark.backend

SHAPE = (8, 8, 3)
MEAN, DEVIATION = 0.2, 0.02


@pytest.fixture(scope="module")
def images():
    values = np.random.default_rng(0).normal(MEAN, DEVIATION, (100, *SHAPE))
    return np.round((values + 1) * 127.5).astype(np.uint8)


@pytest.fixture(scope="module", params=SCHEDULES)
def model(request):
    return gaussian_model(SHAPE, MEAN, DEVIATION, noise_schedule=request.param)


def bin_log_prob(images, mean, deviation):
    """log of the probability of 8-bit values under N(mean, deviation²), all values away from 0."""
    values = images / 127.5 - 1
    high = norm.cdf((values + 1 / 255 - mean) / deviation)
    return np.log(high - norm.cdf((values - 1 / 255 - mean) / deviation))


def expected_bound(schedule):
    """Closed form: x_0 given x_t has the variance 1 / (1/s² + SNR_t), x̂_0 being its mean."""
    signal_to_noise = schedule.alphas_cumprod / (1 - schedule.alphas_cumprod)
    error = 1 / (1 / DEVIATION**2 + signal_to_noise)
    sum_of_steps = 0.5 * ((signal_to_noise[:-1] - signal_to_noise[1:]) * error[1:]).sum()
    beta = schedule.betas[0]
    decoder = 0.5 * np.log(2 * np.pi * beta) + error[0] / (2 * beta) - np.log(2 / 255)
    last = schedule.alphas_cumprod[-1]
    prior = 0.5 * (last * (MEAN**2 + DEVIATION**2) - last - np.log(1 - last))
    return (sum_of_steps + decoder + prior) * np.prod(SHAPE)


def test_bound_is_above_the_exact_negative_log_likelihood_and_close(model, images):
    """All images share their noise, so the mean over images has an error of 3 % for each seed."""
    bounds = np.array([-model.log_prob(images, num_samples=149, seed=seed) for seed in range(8)])
    exact = -bin_log_prob(images, MEAN, DEVIATION).sum(axis=(1, 2, 3))
    assert bounds.shape == (8, 100)
    assert bounds.dtype == np.float32
    assert bounds.mean() == pytest.approx(expected_bound(model.schedule), rel=0.03)
    assert 1.0 < bounds.mean() / exact.mean() < 1.12
    assert np.corrcoef(bounds.mean(axis=0), exact)[0, 1] > 0.95


def test_an_images_bound_depends_on_its_pixels_draws_and_seed_alone(model, images):
    bounds = model.log_prob(images, num_samples=30, seed=3)
    np.testing.assert_allclose(model.log_prob(images[:7], 30, seed=3), bounds[:7], rtol=1e-5)
    np.testing.assert_allclose(
        model.log_prob(np.concatenate([images, images[:3]]), 30, 3)[-3:], bounds[:3], rtol=1e-5
    )
    assert not np.allclose(bounds, model.log_prob(images, 30, seed=4), rtol=1e-5)


@pytest.mark.parametrize("name", SCHEDULES)
def test_timesteps_and_weights_estimate_the_sum(name):
    schedule, rng = SCHEDULES[name](50), np.random.default_rng(0)
    falls = -np.diff(schedule.signal_to_noise)
    exact = 0.5 * (falls / schedule.signal_to_noise[1:] ** 0.9).sum()
    estimates = []
    for _ in range(4000):
        timesteps, weights = stratified_timesteps(schedule, 3, rng)
        estimates.append((weights / schedule.signal_to_noise[timesteps] ** 0.9).sum())
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert np.mean(estimates) == pytest.approx(exact, abs=4 * error)
    assert error < 0.02 * exact


def test_many_timesteps_are_spread_over_all():
    timesteps, weights = stratified_timesteps(
        SCHEDULES["cosine"](1000), 200_000, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(np.unique(timesteps), np.arange(1, 1000))
    assert (weights > 0).all()


def test_decoder_integrates_a_gaussian_over_the_bins():
    schedule, rng = NoiseSchedule(np.array([0.01, 0.02])), np.random.default_rng(0)
    images = rng.integers(1, 255, (5, *SHAPE), dtype=np.uint8)
    denoised = images / 127.5 - 1 + rng.normal(0, 0.1, images.shape)
    expected = bin_log_prob(images, denoised, 0.1).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(decoder_log_prob(images, denoised, schedule), expected)


def test_decoder_knows_black_white_and_what_is_far_away():
    """The outermost bins have no end; 2 is 200 standard deviations: log p ≈ −(200 − 0.4)²/2."""
    schedule = NoiseSchedule(np.array([1e-4, 0.02]))
    extremes = np.array([0, 255, 0, 255], np.uint8).reshape(4, 1, 1, 1)
    denoised = np.array([-1.0, 1.0, 1.0, -1.0]).reshape(4, 1, 1, 1)
    near, _, far, _ = log_probs = decoder_log_prob(extremes, denoised, schedule)
    np.testing.assert_allclose(log_probs[::2], log_probs[1::2], rtol=1e-6)
    assert near == pytest.approx(np.log(norm.cdf(100 / 255)))
    assert far == pytest.approx(-((200 - 100 / 255) ** 2) / 2, rel=1e-3)


def test_prior_divergence_is_that_of_two_gaussians():
    schedule, value = NoiseSchedule(np.array([0.5, 0.5])), 0.6
    images = np.full((1, 1, 1, 1), value)
    x = np.linspace(-12, 12, 200_001)
    q = norm.pdf(x, np.sqrt(0.25) * value, np.sqrt(0.75))
    expected = np.trapezoid(q * (np.log(q) - norm.logpdf(x)), x)
    assert prior_divergence(images, schedule)[0] == pytest.approx(expected, rel=1e-6)
