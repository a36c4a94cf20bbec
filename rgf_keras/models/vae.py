"""Variational autoencoders (Kingma and Welling 2014; β as in Higgins et al. 2017)."""

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import keras
import numpy as np
from keras import ops

from rgf_keras import backend
from rgf_keras.models.architectures import ARCHITECTURES, ArchitectureName, networks
from rgf_keras.models.arguments import require, require_choice, require_range
from rgf_keras.models.base import Batch, LikelihoodModel, Loss, Player, Tensor, to_float
from rgf_keras.models.importance import LogWeights, log_mean_weight
from rgf_keras.models.inference import infer
from rgf_keras.models.likelihoods import (
    OBSERVATIONS,
    Bernoulli,
    DiagonalGaussian,
    Gaussian,
    Likelihood,
    LikelihoodName,
    ObservationName,
)
from rgf_keras.models.networks import initialize_as_torch
from rgf_keras.models.robust import OutlierComponent, beta_cross_entropy

FLOAT32_BYTES = 4


@keras.saving.register_keras_serializable("rgf_keras")
class VAE(LikelihoodModel):
    """A VAE with a diagonal Gaussian posterior and a standard normal prior.

    The loss per image is −log p(x|z) + β·KL(q(z|x) ‖ p(z)) in nats, with one draw of z. Hooks are
    offered both as ``reconstruction`` and ``kl``, (n,).

    Args:
        image_shape: (H, W, C).
        architecture: a name of :mod:`rgf_keras.models.architectures`; what is None below is its
            own.
        likelihood: ``"bernoulli"``, ``"gaussian"`` (one learned log-variance shared by all values)
            or ``"diagonal_gaussian"`` (the decoder gives every value its log-variance).
        latent_dim: length of a latent vector.
        units: widths of the dense encoder's hidden layers; the decoder's are the reverse.
        width: of the convolutional networks.
        beta: β ≥ 0 of the Kullback–Leibler divergence.
        beta_divergence: if above 0, the loss has a robust β-cross-entropy instead of −log p(x|z),
            see :func:`rgf_keras.models.robust.beta_cross_entropy`.
        outlier_weight: if above 0, p(x|z) is a mixture of the decoder's density and a broad one of
            this weight in (0, 1), see :class:`rgf_keras.models.robust.OutlierComponent`.
        learn_outlier_weight: whether training changes that weight.
        flip: whether training mirrors half of the images, left to right; :meth:`log_prob` is of
            the images as they are.
        initialization: of the networks' weights: ``"glorot"``, or ``"torch"``, see
            :func:`rgf_keras.models.networks.initialize_as_torch`.
        observation: ``"pixels"`` (in [0, 1], for Bernoullis taken as probabilities),
            ``"binarized"`` (drawn at every access; Bernoulli) or ``"logit"`` (dequantised at every
            access; Gaussians).
        seed: of the weights and of everything random in training.

    Raises:
        ArgumentError: arguments out of range, images that the architecture is not for, a likelihood
            that is no density of such observations, or both a robust cross-entropy and an outlier
            component.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        architecture: ArchitectureName = "mlp",
        likelihood: LikelihoodName | None = None,
        latent_dim: int | None = None,
        units: Sequence[int] | None = None,
        width: int | None = None,
        beta: float = 1.0,
        observation: ObservationName | None = None,
        beta_divergence: float = 0.0,
        outlier_weight: float = 0.0,
        learn_outlier_weight: bool = False,
        flip: bool = False,
        initialization: Literal["glorot", "torch"] = "glorot",
        seed: int = 0,
        **kwargs,
    ):
        require_choice("architecture", architecture, ARCHITECTURES)
        own = ARCHITECTURES[architecture]
        latent_dim = own.latent_dim if latent_dim is None else latent_dim
        super().__init__(image_shape, latent_dim, seed, **kwargs)
        self.architecture, self.beta, self.beta_divergence = architecture, beta, beta_divergence
        self.outlier_weight, self.learn_outlier_weight = outlier_weight, learn_outlier_weight
        self.flip, self.initialization = flip, initialization
        self.likelihood = likelihood or own.likelihood
        self.observation = observation or own.observation
        self.units = tuple(own.units if units is None else units)
        self.width = own.width if width is None else width
        require_choice("observation", self.observation, OBSERVATIONS)
        self._observation = OBSERVATIONS[self.observation]
        self._check_arguments()
        self._padding = own.padding(image_shape)
        self.observed_shape = tuple(
            int(size + sum(pad))
            for size, pad in zip(image_shape, (*self._padding, (0, 0)), strict=True)
        )
        self._density = self._make_density()
        self.outliers: OutlierComponent | None = None
        if outlier_weight:
            self.outliers = OutlierComponent(
                self._density,
                self._observation,
                int(np.prod(self.observed_shape)),
                outlier_weight,
                learn_outlier_weight,
                name="outliers",
            )
        self.encoder, self.decoder = networks(
            own.kind,
            self.observed_shape,
            latent_dim,
            self._density.outputs_per_value,
            self.units,
            self.width,
            seed,
        )
        if initialization == "torch":
            initialize_as_torch(self.encoder, seed)
            initialize_as_torch(self.decoder, seed + 1)

    def _check_arguments(self) -> None:
        require_range("width", self.width, 1)
        require_choice("initialization", self.initialization, ("glorot", "torch"))
        require_range("beta", self.beta, 0)
        require_range("beta_divergence", self.beta_divergence, 0)
        require_range("outlier_weight", self.outlier_weight, 0, 1)
        require(
            not (self.beta_divergence and self.outlier_weight),
            "beta_divergence and outlier_weight exclude each other; set one of them to 0",
        )
        known = OBSERVATIONS[self.observation].likelihoods
        require(
            self.likelihood in known,
            f"the likelihood '{self.likelihood}' is no density of '{self.observation}' "
            f"observations; use {' or '.join(known)}",
        )

    def _make_density(self) -> Likelihood:
        if self.likelihood == "bernoulli":
            return Bernoulli()
        if self.likelihood == "diagonal_gaussian":
            return DiagonalGaussian(self._observation)
        self.log_variance = self.add_weight(
            name="log_variance", initializer=keras.initializers.Constant(-2.0)
        )
        return Gaussian(self.log_variance, self._observation)

    def players(self) -> list[Player]:
        variables = self.trainable_variables
        return [Player("vae", variables, self._loss, ("reconstruction", "kl"), self.draw_noise)]

    def draw_noise(self, num: int) -> dict[str, Tensor]:
        """The noise that the loss of ``num`` images takes, from the model's own state."""
        noise = {"noise": self.normal(num)}
        if self._observation.random:
            shape = (num, *self.observed_shape)
            noise["uniforms"] = keras.random.uniform(shape, seed=self.noise)
        if self.flip:
            noise["flips"] = keras.random.uniform((num, 1, 1, 1), seed=self.noise) < 0.5
        return noise

    def observe(self, images: Tensor, uniforms: Tensor | None) -> Tensor:
        """What encoder and likelihood see of images (n, H, W, C) in [−1, 1], (n, *observed_shape).

        Smaller images than the architecture's are padded with zeros. ``uniforms`` are draws in
        [0, 1) of the result's shape; None if observing takes none.
        """
        pixels = ops.pad((images + 1.0) / 2.0, ((0, 0), *self._padding, (0, 0)))
        return self._observation.observe(pixels, uniforms)

    def encode(self, observed: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """Observed images to mean and log_var of q(z|x), each (n, latent_dim)."""
        outputs = self.encoder(self._observation.centred(observed), training=training)
        mean, log_var = ops.split(outputs, 2, axis=-1)
        return mean, log_var

    def log_likelihood(self, observed: Tensor, outputs: Tensor) -> Tensor:
        """log p(x|z) in nats of observed images (n, …) under the decoder's outputs, (n,)."""
        x = self._flat(observed)
        log_prob = self._density.log_prob(x, outputs)
        return log_prob if self.outliers is None else self.outliers.mix(log_prob, x)

    def _loss(self, batch: Batch) -> Loss:
        if "noise" not in batch:
            batch = {**batch, **self.draw_noise(ops.shape(batch["images"])[0])}
        images = batch["images"]
        if self.flip:
            images = ops.where(batch["flips"], ops.flip(images, axis=2), images)
        observed = self.observe(images, batch.get("uniforms"))
        mean, log_var = self.encode(observed, training=True)
        latents = mean + ops.exp(0.5 * log_var) * batch["noise"]
        outputs = self.decoder(latents, training=True)
        log_prob = self.log_likelihood(observed, outputs)
        kl = kl_divergence(mean, log_var)
        per_example = self.beta * kl - log_prob
        if self.beta_divergence:
            log_power = self._density.log_power(outputs, 1.0 + self.beta_divergence)
            robust = beta_cross_entropy(log_prob, log_power, self.beta_divergence)
            per_example = self.beta * kl + robust
        elif self.outliers is not None:
            per_example = per_example + self.outliers.fitting(self._flat(observed))
        metrics = {"reconstruction": -ops.mean(log_prob), "kl": ops.mean(kl)}
        return Loss(per_example, {"reconstruction": -log_prob, "kl": kl}, metrics)

    def log_weights(self, images: Tensor, uniforms: Tensor, noise: Tensor) -> Tensor:
        """log p(x|z) + log p(z) − log q(z|x) for draws of z, in nats, of pixels in their own space.

        A pure function of the weights: a caller may compile it for several sets of weights at once.

        Args:
            images: (n, H, W, C) uint8.
            uniforms: (n, *observed_shape) in [0, 1).
            noise: (num_samples, n, latent_dim) standard normal.

        Returns:
            (num_samples, n). Binarized images have probabilities; others densities over pixels in
            [0, 1], or over dequantised pixels in [0, 256] if observed as logits.
        """
        observed = self.observe(to_float(images), uniforms)
        mean, log_var = self.encode(observed)
        latents = mean + ops.exp(0.5 * log_var) * noise
        # log p(z) − log q(z|x), whose normalising constants cancel
        ratio = 0.5 * ops.sum(ops.square(noise) - ops.square(latents) + log_var, axis=-1)
        num_samples, n = noise.shape[:2]
        outputs = self.decoder(ops.reshape(latents, (num_samples * n, self.latent_dim)))
        tiles = ops.tile(self._flat(observed), (num_samples, 1))
        log_prob = self.log_likelihood(tiles, outputs)
        volume = ops.sum(self._observation.log_volume(observed), axis=(1, 2, 3))
        return ops.reshape(log_prob, (num_samples, n)) + ratio + volume

    @cached_property
    def _compiled_log_weights(self) -> LogWeights:
        return backend.jit(self.log_weights, self.variables)

    def log_prob(
        self,
        images: np.ndarray,
        num_samples: int,
        seed: int = 0,
        noise: np.ndarray | None = None,
        log_weights: LogWeights | None = None,
        max_bytes: int = 2**28,
    ) -> np.ndarray:
        """Importance-weighted log p(x) in nats (Burda et al. 2016, eq. 8).

        An estimate depends on the image, ``num_samples`` and ``seed``, not on the images beside it,
        the backend or ``max_bytes``, up to rounding.

        Args:
            images: (n, H, W, C) uint8.
            num_samples: draws of z per image; 1 gives the ELBO's estimate from one draw.
            seed: of all draws, those of binarizing or dequantising included.
            noise: (num_samples, n, latent_dim) standard normal, instead of draws by ``seed``.
            log_weights: instead of this model's own :meth:`log_weights`, compiled; with leading
                axes in its result, e.g. of an ensemble's members.
            max_bytes: of the decoder's activations at a time, about.

        Returns:
            (n,) float32, or (..., n).

        Raises:
            ArgumentError: as for :meth:`LikelihoodModel.log_prob`; ``noise`` of another shape.
        """
        self.check_images(images, num_samples)
        expected = (num_samples, len(images), self.latent_dim)
        require(
            noise is None or noise.shape == expected,
            f"noise must be {expected}, received {getattr(noise, 'shape', None)}",
        )
        values = sum(int(np.prod(layer.output.shape[1:])) for layer in self.decoder.layers)
        return log_mean_weight(
            log_weights or self._compiled_log_weights,
            images,
            self.observed_shape,
            (num_samples, self.latent_dim),
            seed,
            noise,
            max(1, max_bytes // (FLOAT32_BYTES * values)),
        )

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Latents (n, latent_dim) to the likelihood's mean images (n, H, W, C) in [−1, 1]."""
        outputs = infer(self.decoder, latents)
        pixels = self._observation.pixels(self._density.mean(outputs))
        (top, _), (left, _) = self._padding
        height, width = self.image_shape[:2]
        images = 2.0 * ops.convert_to_numpy(pixels).reshape(-1, *self.observed_shape) - 1.0
        return images[:, top : top + height, left : left + width]

    def _flat(self, observed: Tensor) -> Tensor:
        return ops.reshape(observed, (-1, int(np.prod(self.observed_shape))))


def kl_divergence(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, exp(log_var)) ‖ N(0, 1)) in nats, (n, d) to (n,)."""
    return 0.5 * ops.sum(ops.square(mean) + ops.exp(log_var) - 1.0 - log_var, axis=-1)
