"""Noise schedules against their closed forms, and the forward process against its moments."""

import numpy as np
import pytest
from keras import ops

from rgf_keras.models.noise_schedules import SCHEDULES, cosine, linear

pytestmark = pytest.mark.backend


def test_linear_betas_are_those_of_the_paper():
    betas = linear(1000).betas
    assert betas[0] == pytest.approx(1e-4)
    assert betas[-1] == pytest.approx(0.02)
    np.testing.assert_allclose(np.diff(betas), (0.02 - 1e-4) / 999)


def test_linear_schedules_of_any_length_end_alike():
    """log ᾱ_T = Σ log(1 − β) ≈ −T·(mean β), about −10 with a first-order correction."""
    ends = [np.log(linear(length).alphas_cumprod[-1]) for length in (250, 1000, 4000)]
    np.testing.assert_allclose(ends, -10.1, atol=0.4)


def test_cosine_alphas_are_a_squared_cosine():
    alphas_cumprod = cosine(1000).alphas_cumprod
    for t in (0, 99, 499, 899):
        expected = (
            np.cos(((t + 1) / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2
            / np.cos(0.008 / 1.008 * np.pi / 2) ** 2
        )
        assert alphas_cumprod[t] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("length", [1, 7, 1000])
def test_signal_falls_and_noise_grows(name, length):
    schedule = SCHEDULES[name](length)
    assert len(schedule) == length
    assert ((schedule.betas > 0) & (schedule.betas < 1)).all()
    assert (np.diff(schedule.signal_to_noise) < 0).all()


@pytest.mark.parametrize("name", SCHEDULES)
def test_moments_of_the_forward_process(name):
    """Step by step, x_t = √(1 − β_t) x_{t−1} + √β_t ε: mean and variance by their recurrences."""
    schedule, rng = SCHEDULES[name](50), np.random.default_rng(0)
    image = rng.uniform(-1, 1, (1, 2, 2, 3)).astype(np.float32)
    mean, variance = 1.0, 0.0
    for t, beta in enumerate(schedule.betas):
        mean, variance = np.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        if t in (0, 20, 49):
            noise = rng.standard_normal((40_000, 2, 2, 3), np.float32)
            images = np.broadcast_to(image, noise.shape)
            noisy = ops.convert_to_numpy(
                schedule.add_noise(images, noise, np.full(len(noise), t, np.int32))
            )
            deviation = 4 * np.sqrt(variance / len(noise))
            np.testing.assert_allclose(noisy.mean(axis=0), mean * image[0], atol=deviation)
            np.testing.assert_allclose(noisy.var(axis=0), variance, rtol=4 * np.sqrt(2 / 40_000))
