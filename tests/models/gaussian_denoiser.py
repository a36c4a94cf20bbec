"""The perfect network for images whose values are independent N(mean, deviation²), for tests."""

import keras

from rgf_keras.models import DDPM
from rgf_keras.models.sampling import Denoiser, Sampler
from rgf_keras.models.variational_bound import VariationalBound


class GaussianNetwork(keras.layers.Layer):
    """Knows the expected noise of such images."""

    def __init__(self, model, mean, deviation):
        super().__init__()
        self.schedule, self.prediction = model.schedule, model.prediction
        self.mean, self.deviation = mean, deviation

    def call(self, inputs):
        noisy, timesteps = inputs
        alpha_t, sigma_t = self.schedule.scales(timesteps)
        variance = alpha_t**2 * self.deviation**2 + sigma_t**2
        noise = sigma_t * (noisy - alpha_t * self.mean) / variance
        if self.prediction == "epsilon":
            return noise
        return alpha_t * noise - sigma_t * (noisy - sigma_t * noise) / alpha_t


def gaussian_model(image_shape, mean, deviation, **options):
    """A diffusion model of 1000 timesteps with this network."""
    model = DDPM(image_shape, "tiny", 4, "keras", timesteps=1000, **{"num_steps": 3, **options})
    network = GaussianNetwork(model, mean, deviation)
    model.denoiser = Denoiser(network, model.schedule, model.prediction)
    model.sampler, model.bound = Sampler(model.denoiser), VariationalBound(model.denoiser)
    return model
