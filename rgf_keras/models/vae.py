"""Variational autoencoders (Kingma and Welling 2014; β as in Higgins et al. 2017)."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from rgf_keras.models.base import Batch, GenerativeModel, Loss, Player, Tensor
from rgf_keras.models.networks import conv_decoder, conv_encoder, mlp

LOG_2PI = float(np.log(2 * np.pi))


@keras.saving.register_keras_serializable("rgf_keras")
class VAE(GenerativeModel):
    """A VAE with a diagonal Gaussian posterior and a standard normal prior.

    The loss per image is −log p(x|z) + β·KL(q(z|x) ‖ p(z)) in nats, with one draw of z.

    Args:
        image_shape: (H, W, C).
        architecture: ``"mlp"`` (dense layers) or ``"conv"`` (strided convolutions).
        likelihood: ``"bernoulli"`` (pixels in [0, 1] are taken as probabilities) or ``"gaussian"``
            (pixels in [0, 1], one learned log-variance shared by all).
        latent_dim: length of a latent vector.
        units: widths of the dense encoder's hidden layers; the decoder's are the reverse.
        width: of the convolutional networks.
        beta: β ≥ 0.
        seed: of the weights and of everything random in training.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        architecture: Literal["mlp", "conv"] = "mlp",
        likelihood: Literal["bernoulli", "gaussian"] = "bernoulli",
        latent_dim: int = 16,
        units: Sequence[int] = (1024, 512, 256),
        width: int = 32,
        beta: float = 1.0,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(image_shape, latent_dim, seed, **kwargs)
        self.architecture, self.likelihood = architecture, likelihood
        self.units, self.width, self.beta = tuple(units), width, beta
        pixels = int(np.prod(image_shape))
        if architecture == "mlp":
            self.encoder = mlp(image_shape, units, 2 * latent_dim, seed, name="encoder")
            self.decoder = mlp((latent_dim,), units[::-1], pixels, seed + 1, name="decoder")
        else:
            self.encoder = conv_encoder(image_shape, width, 2 * latent_dim, seed, "encoder")
            body = conv_decoder(latent_dim, image_shape, width, seed + 1)
            outputs = ops.reshape(body.output, (-1, pixels))
            self.decoder = keras.Model(body.input, outputs, name="decoder")
        if likelihood == "gaussian":
            self.log_variance = self.add_weight(
                name="log_variance", initializer=keras.initializers.Constant(-2.0)
            )

    def players(self) -> list[Player]:
        return [Player("vae", self.trainable_variables, self._loss, ("reconstruction", "kl"))]

    def encode(self, images: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """Images (n, H, W, C) in [−1, 1] to mean and log_var of q(z|x), each (n, latent_dim)."""
        mean, log_var = ops.split(self.encoder(images, training=training), 2, axis=-1)
        return mean, log_var

    def log_likelihood(self, images: Tensor, outputs: Tensor) -> Tensor:
        """log p(x|z) in nats.

        Args:
            images: (n, H, W, C) in [−1, 1].
            outputs: (n, H·W·C), what the decoder made of z.

        Returns:
            (n,) in nats, over pixels in [0, 1].
        """
        pixels = ops.reshape((images + 1.0) / 2.0, ops.shape(outputs))
        if self.likelihood == "bernoulli":
            return ops.sum(pixels * outputs - ops.softplus(outputs), axis=-1)
        squared = ops.square(pixels - ops.sigmoid(outputs)) * ops.exp(-self.log_variance)
        return -0.5 * ops.sum(squared + self.log_variance + LOG_2PI, axis=-1)

    def _loss(self, batch: Batch) -> Loss:
        images = batch["images"]
        mean, log_var = self.encode(images, training=True)
        latents = mean + ops.exp(0.5 * log_var) * self.normal(ops.shape(images)[0])
        reconstruction = -self.log_likelihood(images, self.decoder(latents, training=True))
        kl = 0.5 * ops.sum(ops.square(mean) + ops.exp(log_var) - 1.0 - log_var, axis=-1)
        return Loss(
            per_example=reconstruction + self.beta * kl,
            metrics={"reconstruction": ops.mean(reconstruction), "kl": ops.mean(kl)},
        )

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Latents (n, latent_dim) to the likelihood's mean images (n, H, W, C) in [−1, 1]."""
        outputs = self.decoder.predict(latents, batch_size=500, verbose=0)
        # Both likelihoods have the mean sigmoid(y), and 2·sigmoid(y) − 1 = tanh(y/2).
        return np.tanh(outputs / 2).reshape(-1, *self.image_shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "architecture": self.architecture,
            "likelihood": self.likelihood,
            "units": self.units,
            "width": self.width,
            "beta": self.beta,
        }
