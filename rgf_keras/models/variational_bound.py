"""The variational bound of diffusion models on log p(x) (Ho et al. 2020, Eq. 5), in nats.

−log p(x_0) ≤ KL(q(x_T|x_0) ‖ N(0, I)) + Σ_t E KL(q(x_{t−1}|x_t, x_0) ‖ p(x_{t−1}|x_t))
− E log p(x_0|x_1), t from 2 to T. The first term has a closed form. The sum is estimated: with
variances β̃_t, the term of t is ½ (SNR(t−1) − SNR(t)) ‖x_0 − x̂_0(x_t)‖² (Kingma et al. 2021,
Eq. 13), SNR = α_t² / σ_t².
"""

import numpy as np
from keras import ops
from scipy.special import log_ndtr

from rgf_keras import backend
from rgf_keras.models.base import Tensor, to_float
from rgf_keras.models.inference import whole_batches
from rgf_keras.models.noise_schedules import NoiseSchedule
from rgf_keras.models.sampling import IMAGES_PER_BATCH, STEPS_PER_CALL, Denoiser

HALF_BIN = 1 / 255  # of 8-bit pixels in [−1, 1]


class VariationalBound:
    """Estimates the bound; the passes at several timesteps are one compiled loop.

    Args:
        denoiser: x_t to x̂_0.
    """

    def __init__(self, denoiser: Denoiser):
        self.denoiser = denoiser
        self._run = backend.jit(self._errors, denoiser.network.variables)

    def __call__(self, images: np.ndarray, num_samples: int, seed: int) -> np.ndarray:
        """The bound, (n,) float32, see :meth:`rgf_keras.models.DDPM.log_prob`."""
        schedule, rng = self.denoiser.schedule, np.random.default_rng(seed)
        timesteps, weights = stratified_timesteps(schedule, num_samples, rng)
        noise = rng.standard_normal((num_samples + 1, *images.shape[1:]), np.float32)
        # The last pass, at t = 0, is the decoder's. It is repeated until all calls are alike.
        num_calls = -(-(num_samples + 1) // STEPS_PER_CALL)
        length = -(-(num_samples + 1) // num_calls)
        rows = np.minimum(np.arange(num_calls * length), num_samples).reshape(num_calls, length)
        draws = (np.append(timesteps, np.int32(0)), np.append(weights, 0).astype("f4"), noise)
        bounds = []
        for batch in whole_batches(len(images), IMAGES_PER_BATCH):
            pixels = to_float(images[batch])
            calls = (self._run(pixels, *(x[part] for x in draws)) for part in rows)
            parts = [[ops.convert_to_numpy(x) for x in results] for results in calls]
            error = prior_divergence(ops.convert_to_numpy(pixels), schedule)
            error += sum(part[0].astype(np.float64) for part in parts)
            bounds.append(decoder_log_prob(images[batch], parts[-1][1], schedule) - error)
        return np.concatenate(bounds)[: len(images)].astype(np.float32)

    def _errors(
        self, images: Tensor, timesteps: Tensor, weights: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Σ weight · ‖x_0 − x̂_0(x_t)‖² over the timesteps, (n,), and the last x̂_0."""

        def step(i, carry):
            alpha_t, sigma_t = self.denoiser.schedule.scales(timesteps[i])
            denoised = self.denoiser(alpha_t * images + sigma_t * noise[i], timesteps[i])
            squares = ops.sum(ops.square(images - denoised), axis=(1, 2, 3))
            return carry[0] + weights[i] * squares, denoised

        start = ops.zeros((images.shape[0],)), ops.zeros_like(images)
        return ops.fori_loop(0, timesteps.shape[0], step, start)


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
    falls = np.minimum(np.searchsorted(np.cumsum(shares), places), len(shares) - 1)
    weights = -0.5 * np.diff(signal_to_noise)[falls] / (num * shares[falls])
    return falls.astype(np.int32) + 1, weights


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
