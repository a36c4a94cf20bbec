"""What a VAE's decoder says of an image: observations of pixels, and their densities.

An observation turns pixels into the values x that encoder and likelihood see. A likelihood reads
the decoder's outputs as a density of x.
"""

from typing import Literal

import numpy as np
from keras import ops

from rgf_keras.models.base import Tensor

ObservationName = Literal["pixels", "binarized", "logit"]
LikelihoodName = Literal["bernoulli", "gaussian", "diagonal_gaussian"]

LOG_2PI = float(np.log(2 * np.pi))
MARGIN = 0.05  # λ of the logit
MIN_LOG_VARIANCE = -7.0


class Observation:
    """How pixels in [0, 1] are observed: here as they are, x is the pixel.

    Attributes:
        random: whether observing takes uniform draws.
        likelihoods: names of the likelihoods that are densities of x.
    """

    random = False
    likelihoods: tuple[str, ...] = ("bernoulli", "gaussian", "diagonal_gaussian")

    def observe(self, pixels: Tensor, uniforms: Tensor) -> Tensor:
        """Pixels in [0, 1] and draws in [0, 1) of the same shape to values x of this shape."""
        return pixels

    def centred(self, x: Tensor) -> Tensor:
        """What the encoder sees of x."""
        return 2.0 * x - 1.0

    def location(self, outputs: Tensor) -> Tensor:
        """The decoder's linear outputs as a mean of x, for Gaussians."""
        return ops.sigmoid(outputs)

    def pixels(self, x: Tensor) -> Tensor:
        """x back to pixels."""
        return x

    def log_volume(self, x: Tensor) -> Tensor:
        """What to add, per value, to a density of x to have that of the observed pixel, in nats."""
        return ops.zeros_like(x)


class Binarized(Observation):
    """x is 1 with the pixel's value as probability, else 0, drawn at every access."""

    random = True
    likelihoods = ("bernoulli",)

    def observe(self, pixels, uniforms):
        return ops.cast(uniforms < pixels, "float32")

    def centred(self, x):
        return x


class Logit(Observation):
    """x is the logit of the dequantised pixel: logit(λ + (1 − 2λ)·(255·pixel + u)/256).

    Dinh et al. 2017, with λ = 0.05. Densities are those of 255·pixel + u in [0, 256]: log p(x)
    + log(1 − 2λ) − log 256 − x + 2·softplus(x) per value, which bounds the log-probability of the
    8-bit pixel from below on average over u (Papamakarios et al. 2017, eq. 27).
    """

    random = True
    likelihoods = ("gaussian", "diagonal_gaussian")

    def observe(self, pixels, uniforms):
        values = (255.0 * pixels + uniforms) / 256.0
        share = MARGIN + (1.0 - 2.0 * MARGIN) * values
        return ops.log(share) - ops.log(1.0 - share)

    def centred(self, x):
        return x

    def location(self, outputs):
        return outputs

    def pixels(self, x):
        return ops.clip((ops.sigmoid(x) - MARGIN) / (1.0 - 2.0 * MARGIN), 0.0, 1.0)

    def log_volume(self, x):
        constant = float(np.log(1.0 - 2.0 * MARGIN) - np.log(256.0))
        return constant - x + 2.0 * ops.softplus(x)


class Bernoulli:
    """A density of independent values x (n, D), read from a decoder's outputs: here their logits.

    Values between 0 and 1 are taken as probabilities. ``outputs_per_value`` is k, for outputs
    (n, k·D).
    """

    outputs_per_value = 1

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        """log p(x|z) in nats, (n,)."""
        return ops.sum(x * outputs - ops.softplus(outputs), axis=-1)

    def mean(self, outputs: Tensor) -> Tensor:
        """Mean of x, (n, D)."""
        return ops.sigmoid(outputs)

    def log_power(self, outputs: Tensor, exponent: float) -> Tensor:
        """log ∫ p(x|z)^exponent dx, (n,)."""
        terms = (exponent * ops.log_sigmoid(sign * outputs) for sign in (1.0, -1.0))
        return ops.sum(ops.logaddexp(*terms), axis=-1)


class DiagonalGaussian:
    """As :class:`Bernoulli`; outputs are means, then log-variances, which are held at −7 or above.

    Means are :meth:`Observation.location`.
    """

    outputs_per_value = 2

    def __init__(self, observation: Observation):
        self.observation = observation

    def moments(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of x, (n, D)."""
        location, log_variance = ops.split(outputs, 2, axis=-1)
        return self.observation.location(location), ops.maximum(log_variance, MIN_LOG_VARIANCE)

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        mean, log_variance = self.moments(outputs)
        squares = ops.square(x - mean) * ops.exp(-log_variance)
        return -0.5 * ops.sum(squares + log_variance + LOG_2PI, axis=-1)

    def mean(self, outputs: Tensor) -> Tensor:
        return self.moments(outputs)[0]

    def log_power(self, outputs: Tensor, exponent: float) -> Tensor:
        scale = (exponent - 1.0) * (LOG_2PI + self.moments(outputs)[1]) + float(np.log(exponent))
        return -0.5 * ops.sum(scale, axis=-1)


class Gaussian(DiagonalGaussian):
    """As :class:`DiagonalGaussian`, but one log-variance, a scalar variable, is all values'."""

    outputs_per_value = 1

    def __init__(self, log_variance: Tensor, observation: Observation):
        super().__init__(observation)
        self.log_variance = log_variance

    def moments(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        return self.observation.location(outputs), self.log_variance + ops.zeros_like(outputs)


Likelihood = Bernoulli | DiagonalGaussian
OBSERVATIONS = {"pixels": Observation(), "binarized": Binarized(), "logit": Logit()}
