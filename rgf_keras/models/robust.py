"""Densities and losses that a few unusual images do not bend a VAE with."""

import keras
import numpy as np
from keras import ops

from rgf_keras.models.base import Tensor
from rgf_keras.models.likelihoods import Bernoulli, DiagonalGaussian, Likelihood, Observation


def beta_cross_entropy(log_prob: Tensor, log_power: Tensor, beta: float) -> Tensor:
    """−(1+β)/β·(p(x|z)^β − 1) + ∫ p(x'|z)^(1+β) dx', a robust −log p(x|z) (Akrami et al. 2019).

    The gradient of −log p(x|z) is weighted by p(x|z)^β: images that the model finds very unlikely
    hardly count. As p is that of a whole image, β of some thousandths is much. For β → 0 it is
    −log p(x|z) + 1.

    Args:
        log_prob: (n,) log p(x|z) in nats.
        log_power: (n,) log ∫ p(x'|z)^(1+β) dx'.
        beta: β > 0.
    """
    return -(1.0 + beta) / beta * ops.expm1(beta * log_prob) + ops.exp(log_power)


class OutlierComponent(keras.layers.Layer):
    """A broad density b beside the decoder's: (1 − w)·p(x|z) + w·b(x), which is a density again.

    b has independent values and no latents. It is fitted to all images alike, whatever the mixture
    makes of them: so it stays broad, and cannot come to hold a single outlier.

    Args:
        likelihood: of the decoder.
        observation: of the decoder's likelihood.
        num_values: D, of an observed image.
        weight: w in (0, 1), to begin with.
        learned: whether training changes it.
    """

    def __init__(
        self,
        likelihood: Likelihood,
        observation: Observation,
        num_values: int,
        weight: float,
        learned: bool,
        **kwargs,
    ):
        super().__init__(**kwargs)
        bernoulli = isinstance(likelihood, Bernoulli)
        self._density = likelihood if bernoulli else DiagonalGaussian(observation)
        outputs = num_values * self._density.outputs_per_value
        self.outputs = self.add_weight((1, outputs), "zeros", name="outputs")
        self.logit = logit = float(np.log(weight) - np.log1p(-weight))
        if learned:
            self.logit = self.add_weight((), keras.initializers.Constant(logit), name="logit")
        self.built = True

    def mix(self, log_prob: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) of the decoder, (n,), and x, (n, D), to that of the mixture."""
        broad = ops.stop_gradient(self._density.log_prob(x, self.outputs))
        logit = ops.convert_to_tensor(self.logit)
        return ops.logaddexp(ops.log_sigmoid(-logit) + log_prob, ops.log_sigmoid(logit) + broad)

    def fitting(self, x: Tensor) -> Tensor:
        """A part of the loss that is 0 and whose gradient fits b to x, (n, D) to (n,)."""
        broad = self._density.log_prob(x, self.outputs)
        return ops.stop_gradient(broad) - broad
