"""The perfect network for images whose values are independent N(mean, deviation²), for tests."""

import keras

from rgf_keras.models import DDPM


class GaussianDenoiser(keras.layers.Layer):
    """Knows the expected noise of such images."""

    def __init__(self, model, mean, deviation):
        super().__init__()
        self.schedule, self.prediction = model.schedule, model.prediction
        self.mean, self.deviation = mean, deviation

    def call(self, inputs):
        noisy, timesteps = inputs
        of_image, of_noise = self.schedule.scales(timesteps)
        variance = of_image**2 * self.deviation**2 + of_noise**2
        noise = of_noise * (noisy - of_image * self.mean) / variance
        if self.prediction == "epsilon":
            return noise
        return of_image * noise - of_noise * (noisy - of_noise * noise) / of_image


def gaussian_model(image_shape, mean, deviation, **options):
    """A diffusion model of 1000 timesteps with this network."""
    model = DDPM(image_shape, "tiny", width=4, timesteps=1000, **{"num_steps": 3, **options})
    model.network = GaussianDenoiser(model, mean, deviation)
    return model
