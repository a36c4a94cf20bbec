"""The variational bound of diffusion models on log p(x) (Ho et al. 2020, Eq. 5), in nats.

−log p(x_0) ≤ KL(q(x_T|x_0) ‖ N(0, I)) + Σ_t E KL(q(x_{t−1}|x_t, x_0) ‖ p(x_{t−1}|x_t))
− E log p(x_0|x_1), t from 2 to T. The first term has a closed form. The sum is estimated: with
variances β̃_t, the term of t is ½ (SNR(t−1) − SNR(t)) ‖x_0 − x̂_0(x_t)‖² (Kingma et al. 2021,
Eq. 13), SNR = ᾱ / (1 − ᾱ).
"""

import numpy as np
from scipy.special import log_ndtr

from rgf_keras.models.noise_schedules import NoiseSchedule

HALF_BIN = 1 / 255  # of 8-bit pixels in [−1, 1]


def stratified_timesteps(
    schedule: NoiseSchedule, num: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Timesteps to estimate the sum from, and what each squared error counts.

    A timestep is drawn in proportion to the fall of log SNR that it stands for, which leaves about
    the error of the predicted noise to be averaged, and one from each of ``num`` equal parts (the
    low-discrepancy sampler of Kingma et al. 2021, Appendix I.1).

    Returns:
        (num,) int32 in [1, T − 1], and (num,) float64 such that Σ weight · ‖x_0 − x̂_0‖² has the
        sum as its expectation.
    """
    signal_to_noise = schedule.signal_to_noise
    shares = -np.diff(np.log(signal_to_noise))
    shares /= shares.sum()
    places = (np.arange(num) + rng.random()) / num
    found = np.minimum(np.searchsorted(np.cumsum(shares), places), len(shares) - 1)
    weights = -0.5 * np.diff(signal_to_noise)[found] / (num * shares[found])
    return found.astype(np.int32) + 1, weights


def prior_divergence(images: np.ndarray, schedule: NoiseSchedule) -> np.ndarray:
    """KL(q(x_T|x_0) ‖ N(0, I)), (n,), of images (n, H, W, C) in [−1, 1]."""
    signal = schedule.alphas_cumprod[-1]
    per_value = signal * np.square(images, dtype=np.float64) - signal - np.log1p(-signal)
    return 0.5 * per_value.sum(axis=(1, 2, 3))


def decoder_log_prob(
    images: np.ndarray, denoised: np.ndarray, schedule: NoiseSchedule
) -> np.ndarray:
    """log p(x_0|x_1), (n,): a Gaussian of variance β_1, integrated over each pixel's bin (Eq. 13).

    Args:
        images: (n, H, W, C) uint8.
        denoised: x̂_0 of x_1, the Gaussian's mean, in [−1, 1].
        schedule: of the model.
    """
    values = images / 127.5 - 1.0
    deviation = np.sqrt(schedule.betas[0])
    above = np.where(images == 255, np.inf, (values + HALF_BIN - denoised) / deviation)
    below = np.where(images == 0, -np.inf, (values - HALF_BIN - denoised) / deviation)
    # Mirrored if the bin lies above the mean, where both probabilities are close to 1.
    mirror = below > 0
    high, low = np.where(mirror, -below, above), np.where(mirror, -above, below)
    log_high = log_ndtr(high)
    return (log_high + np.log1p(-np.exp(log_ndtr(low) - log_high))).sum(axis=(1, 2, 3))
