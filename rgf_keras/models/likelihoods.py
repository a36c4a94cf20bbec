"""What a VAE's decoder says of an image: observations of pixels, and their densities.

An observation turns pixels into the values x that encoder and likelihood see. A likelihood reads
the decoder's outputs as a density of x.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from keras import ops

Tensor = Any
ObservationName = Literal["pixels", "binarized", "logit"]
LikelihoodName = Literal["bernoulli", "gaussian", "diagonal_gaussian"]

LOG_2PI = float(np.log(2 * np.pi))
MARGIN = 0.05  # λ of the logit
MIN_LOG_VARIANCE = -7.0


class Observation(Protocol):
    """How pixels in [0, 1] are observed.

    Attributes:
        random: whether observing takes uniform draws.
    """

    random: bool

    def observe(self, pixels: Tensor, uniforms: Tensor) -> Tensor:
        """Pixels in [0, 1] and draws in [0, 1) of the same shape to values x of this shape."""

    def centred(self, x: Tensor) -> Tensor:
        """What the encoder sees of x."""

    def location(self, outputs: Tensor) -> Tensor:
        """The decoder's linear outputs as a mean of x, for Gaussians."""

    def pixels(self, x: Tensor) -> Tensor:
        """x back to pixels."""

    def log_volume(self, x: Tensor) -> Tensor:
        """What to add, per value, to a density of x to have that of the observed pixel, in nats."""


class Pixels:
    """x is the pixel, in [0, 1]."""

    random = False

    def observe(self, pixels, uniforms):
        return pixels

    def centred(self, x):
        return 2.0 * x - 1.0

    def location(self, outputs):
        return ops.sigmoid(outputs)

    def pixels(self, x):
        return x

    def log_volume(self, x):
        return ops.zeros_like(x)


class Binarized(Pixels):
    """x is 1 with the pixel's value as probability, else 0, drawn at every access."""

    random = True

    def observe(self, pixels, uniforms):
        return ops.cast(uniforms < pixels, "float32")

    def centred(self, x):
        return x


class Logit(Pixels):
    """x is the logit of the dequantised pixel: logit(λ + (1 − 2λ)·(255·pixel + u)/256).

    Dinh et al. 2017, with λ = 0.05. Densities are those of 255·pixel + u in [0, 256]: log p(x)
    + log(1 − 2λ) − log 256 − x + 2·softplus(x) per value, which bounds the log-probability of the
    8-bit pixel from below on average over u (Papamakarios et al. 2017, eq. 27).
    """

    random = True

    def observe(self, pixels, uniforms):
        dequantised = (255.0 * pixels + uniforms) / 256.0
        share = MARGIN + (1.0 - 2.0 * MARGIN) * dequantised
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


class Likelihood(Protocol):
    """A density of independent values.

    Attributes:
        outputs_per_value: of the decoder.
    """

    outputs_per_value: int

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        """log p(x|z) in nats.

        Args:
            x: (n, D) values.
            outputs: (n, D · outputs_per_value) of the decoder.

        Returns:
            (n,).
        """

    def mean(self, outputs: Tensor) -> Tensor:
        """Mean of x, (n, D)."""

    def log_power(self, outputs: Tensor, exponent: float) -> Tensor:
        """log ∫ p(x|z)^exponent dx, (n,)."""


class Bernoulli:
    """Outputs are logits. Values between 0 and 1 are taken as probabilities."""

    outputs_per_value = 1

    def log_prob(self, x, outputs):
        return ops.sum(x * outputs - ops.softplus(outputs), axis=-1)

    def mean(self, outputs):
        return ops.sigmoid(outputs)

    def log_power(self, outputs, exponent):
        terms = (exponent * ops.log_sigmoid(sign * outputs) for sign in (1.0, -1.0))
        return ops.sum(ops.logaddexp(*terms), axis=-1)


@dataclass(frozen=True)
class Gaussian:
    """One variance shared by all values.

    Args:
        log_variance: its logarithm, a scalar variable.
        observation: whose :meth:`Observation.location` the mean is.
    """

    log_variance: Any
    observation: Observation
    outputs_per_value = 1

    def log_prob(self, x, outputs):
        return _gaussian(x, self.mean(outputs), self.log_variance + ops.zeros_like(x))

    def mean(self, outputs):
        return self.observation.location(outputs)

    def log_power(self, outputs, exponent):
        return _gaussian_power(self.log_variance + ops.zeros_like(outputs), exponent)


@dataclass(frozen=True)
class DiagonalGaussian:
    """Outputs are means, then log-variances, which are held at −7 or above."""

    observation: Observation
    outputs_per_value = 2

    def log_prob(self, x, outputs):
        return _gaussian(x, self.mean(outputs), self._log_variance(outputs))

    def mean(self, outputs):
        return self.observation.location(ops.split(outputs, 2, axis=-1)[0])

    def log_power(self, outputs, exponent):
        return _gaussian_power(self._log_variance(outputs), exponent)

    def _log_variance(self, outputs):
        return ops.maximum(ops.split(outputs, 2, axis=-1)[1], MIN_LOG_VARIANCE)


def _gaussian(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    squared = ops.square(x - mean) * ops.exp(-log_variance)
    return -0.5 * ops.sum(squared + log_variance + LOG_2PI, axis=-1)


def _gaussian_power(log_variance: Tensor, exponent: float) -> Tensor:
    scale = (exponent - 1.0) * (LOG_2PI + log_variance) + float(np.log(exponent))
    return -0.5 * ops.sum(scale, axis=-1)


OBSERVATIONS: dict[str, Observation] = {
    "pixels": Pixels(),
    "binarized": Binarized(),
    "logit": Logit(),
}
