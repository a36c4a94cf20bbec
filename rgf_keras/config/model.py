"""Models, one class per family: a model's configuration builds it."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from rgf_keras import image_sizes, plugins
from rgf_keras.config.base import LATER, MITIGATES, Config, Positive
from rgf_keras.errors import ArgumentError, RgfError, first_line

if TYPE_CHECKING:
    import keras

    from rgf_keras.training import Regularizer

ADVERSARIAL = ("discriminator", "generator")


class FamilyConfig(Config):
    """What all families share.

    Attributes:
        kind: name of the class in :mod:`rgf_keras.models`.
        players: names of those who take turns in training; None where only the model knows.
        of_training: fields that the model is not built from.
    """

    kind: ClassVar[str]
    of_training: ClassVar[tuple[str, ...]] = ()
    players: ClassVar[tuple[str, ...] | None] = None

    def build(self, image_shape: Sequence[int], num_classes: int, seed: int) -> "keras.Model":
        """The model.

        Args:
            image_shape: (H, W, C).
            num_classes: of the images, for models that are conditional on the class.
            seed: of the weights and of everything random in training.

        Raises:
            RgfError: the architecture cannot take images of this shape.
        """
        try:
            return self._build(tuple(image_shape), num_classes, seed)
        except ArgumentError as error:
            raise RgfError(f"model: {error}") from error

    def regularizers(self, model: "keras.Model") -> "list[Regularizer]":
        """Hooks that the family's own options put into every training of its model."""
        return []

    def check_names(self) -> None:
        """Refuse a guest that does not exist, without running anybody's code.

        Raises:
            RgfError: it does not.
        """

    def check_size(self, image_shape: Sequence[int]) -> None:
        """Refuse images that the architecture cannot take, without building it.

        Raises:
            RgfError: it cannot take images (H, W, C) of this shape.
        """
        try:
            self._check_size(image_shape)
        except ArgumentError as error:
            raise RgfError(f"model: {error}") from error

    def _check_size(self, image_shape: Sequence[int]) -> None:
        """Without a limit unless a family has one."""

    def _build(self, image_shape: tuple[int, ...], num_classes: int, seed: int) -> "keras.Model":
        from rgf_keras import models

        kind = getattr(models, self.kind)
        given = type(self).model_fields.keys() - {"family", *self.of_training}
        arguments = {name: getattr(self, name) for name in given}
        if kind.conditional:
            arguments["num_classes"] = num_classes
        return kind(image_shape=image_shape, seed=seed, **arguments)


class GANConfig(FamilyConfig):
    """See :class:`rgf_keras.models.GAN`."""

    kind = "GAN"
    players = ADVERSARIAL

    family: Literal["gan"] = "gan"
    architecture: Literal["mlp", "conv"] = "mlp"
    latent_dim: Positive = 64
    units: tuple[Positive, ...] = (256, 512)
    width: Positive = 64
    batch_normalization: bool = True
    dropout: float = Field(0.0, ge=0, lt=1)

    def _check_size(self, image_shape: Sequence[int]) -> None:
        if self.architecture == "conv":
            image_sizes.num_doublings(image_shape)


class VAEConfig(FamilyConfig):
    """See :class:`rgf_keras.models.VAE`; what is None is the architecture's own.

    Attributes:
        architecture: ``mlp`` or ``conv``, or the paper's ``mnist_mlp``, ``cifar_conv`` or
            ``celeba_conv``, which bring their likelihoods.
        likelihood: of the decoder.
        observation: what likelihood and encoder see of pixels.
        latent_dim: length of a latent vector.
        units: of dense networks.
        width: of convolutional networks.
        beta: β of the Kullback–Leibler divergence.
        beta_divergence: β of a robust reconstruction; 0 for the plain one.
        outlier_weight: of a broad component of the likelihood; 0 for none.
        learn_outlier_weight: whether training changes it.
        flip: whether training mirrors half of the images; scoring never does.
        geco_tolerance: κ of :class:`rgf_keras.training.GECO`, the reconstruction's error in nats
            per value of the image that is good enough; its Lagrange multiplier then takes the part
            of β. None for a fixed β.
        geco_rate: ν, how fast the multiplier moves.
        geco_decay: α of the average that it follows.
        initialization: of the weights: Keras' own (``glorot``), or that of ``torch``.
    """

    kind = "VAE"
    players = ("vae",)
    of_training = ("geco_tolerance", "geco_rate", "geco_decay")

    family: Literal["vae"] = "vae"
    architecture: Literal["mlp", "conv", "mnist_mlp", "cifar_conv", "celeba_conv"] = "mlp"
    likelihood: Literal["bernoulli", "gaussian", "diagonal_gaussian"] | None = None
    observation: Literal["pixels", "binarized", "logit"] | None = None
    latent_dim: Positive | None = None
    units: tuple[Positive, ...] | None = None
    width: Positive | None = None
    beta: float = Field(1.0, ge=0)
    beta_divergence: float = Field(0.0, ge=0, json_schema_extra=MITIGATES)
    outlier_weight: float = Field(0.0, ge=0, lt=1, json_schema_extra=MITIGATES)
    learn_outlier_weight: bool = False
    flip: bool = Field(False, json_schema_extra=LATER)
    initialization: Literal["glorot", "torch"] = Field("glorot", json_schema_extra=LATER)
    geco_tolerance: float | None = Field(None, json_schema_extra=LATER | MITIGATES)
    geco_rate: float = Field(0.1, gt=0, json_schema_extra=LATER | MITIGATES)
    geco_decay: float = Field(0.99, ge=0, lt=1, json_schema_extra=LATER | MITIGATES)

    @model_validator(mode="after")
    def _one_robust_likelihood(self) -> "VAEConfig":
        if self.beta_divergence and self.outlier_weight:
            raise ValueError("beta_divergence and outlier_weight exclude each other")
        if self.geco_tolerance is not None and (self.beta_divergence or self.beta != 1):
            raise ValueError(
                "geco_tolerance and beta or beta_divergence exclude each other: GECO finds β"
            )
        return self

    def regularizers(self, model: "keras.Model") -> "list[Regularizer]":
        from rgf_keras.training import GECO

        if self.geco_tolerance is None:
            return []
        num_values = math.prod(model.observed_shape)
        return [GECO(self.geco_tolerance, num_values, self.geco_decay, self.geco_rate)]

    def _check_size(self, image_shape: Sequence[int]) -> None:
        if self.architecture == "conv":
            image_sizes.num_doublings(image_shape)
        elif self.architecture in ("cifar_conv", "celeba_conv"):
            image_sizes.require_at_most(32, image_shape)


class SAGANConfig(FamilyConfig):
    """See :class:`rgf_keras.models.SAGAN`; the data has the classes."""

    kind = "SAGAN"
    players = ADVERSARIAL

    family: Literal["sagan"] = "sagan"
    width: int = Field(64, ge=4)
    latent_dim: Positive = 128
    augment: bool = False
    flip: bool = False

    def _check_size(self, image_shape: Sequence[int]) -> None:
        image_sizes.num_growing_blocks(image_shape)


class BigGANConfig(FamilyConfig):
    """See :class:`rgf_keras.models.BigGAN`; the data has the classes."""

    kind = "BigGAN"
    players = ADVERSARIAL

    family: Literal["biggan"] = "biggan"
    width: int = Field(96, ge=4)
    latent_dim: int = Field(80, ge=4, multiple_of=4)
    shared_dim: Positive = 128
    augment: bool = False
    flip: bool = False

    def _check_size(self, image_shape: Sequence[int]) -> None:
        image_sizes.num_growing_blocks(image_shape)


class DiffusionConfig(FamilyConfig):
    """See :class:`rgf_keras.models.DDPM`."""

    kind = "DDPM"
    players = ("diffusion",)

    family: Literal["diffusion"] = "diffusion"
    size: Literal["tiny", "small", "base"] = "small"
    width: int | None = Field(None, ge=4, multiple_of=4)
    backbone: Literal["keras", "keras_cv_attention", "keras_cv"] = "keras_cv_attention"
    prediction: Literal["epsilon", "v"] = "epsilon"
    noise_schedule: Literal["linear", "cosine"] = "linear"
    timesteps: int = Field(1000, ge=2)
    dropout: float = Field(0.0, ge=0, lt=1, json_schema_extra=MITIGATES)
    augment: tuple[Literal["flip", "translation", "brightness", "saturation", "contrast"], ...] = (
        Field((), json_schema_extra=MITIGATES)
    )
    num_steps: Positive = 100
    eta: float = Field(0.0, ge=0, le=1)

    def _check_size(self, image_shape: Sequence[int]) -> None:
        image_sizes.require_even(image_shape)

    @model_validator(mode="after")
    def _arguments_fit(self) -> "DiffusionConfig":
        if self.num_steps > self.timesteps:
            raise ValueError(
                f"num_steps must be at most timesteps ({self.timesteps}), received {self.num_steps}"
            )
        if self.backbone != "keras" and (self.width or 32) % 32:
            raise ValueError(
                f"the backbone {self.backbone} needs a width that is a multiple of 32, "
                f"received {self.width}; use such a width or the backbone keras"
            )
        return self


class CustomConfig(FamilyConfig):
    """A guest's model.

    Attributes:
        target: ``module:attr``, ``file.py:attr`` or an entry point of ``rgf_keras.models``: what
            makes a ``keras.Model`` with ``sample(n, seed)``, images (n, H, W, C) in [−1, 1]. Of
            ``image_shape``, ``num_classes`` and ``seed`` it receives what it has parameters for.
            A model with ``players()`` is trained by our Trainer, any other by its own ``fit``.
        arguments: further ones.
    """

    family: Literal["custom"] = "custom"
    target: str
    arguments: dict[str, Any] = Field({})

    def check_names(self) -> None:
        plugins.check("models", self.target, key="model.target")

    def _build(self, image_shape: tuple[int, ...], num_classes: int, seed: int) -> "keras.Model":
        import keras

        from rgf_keras.backend.seeds import set_random_seed

        make = plugins.resolve("models", self.target)
        set_random_seed(seed)  # for layers that are not given one
        offered = {"image_shape": image_shape, "num_classes": num_classes, "seed": seed}
        try:
            model = plugins.call(make, self.arguments, **offered)
        except RgfError:
            raise
        except Exception as error:  # whatever the guest's code raises
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise RgfError(f"model.target: {self.target} fails: {reason}") from error
        if not isinstance(model, keras.Model):
            raise RgfError(
                f"model.target: {self.target} makes a {type(model).__name__}; "
                "it must make a keras.Model"
            )
        if not callable(getattr(model, "sample", None)):
            raise RgfError(
                f"model.target: {self.target} makes a {type(model).__name__} without a method "
                "sample(n, seed), which draws n images (n, H, W, C) in [−1, 1]; add one"
            )
        return model


ModelConfig = Annotated[
    GANConfig | SAGANConfig | BigGANConfig | VAEConfig | DiffusionConfig | CustomConfig,
    Field(discriminator="family"),
]
FAMILIES: tuple[type[FamilyConfig], ...] = get_args(get_args(ModelConfig)[0])


def families_with(player: str) -> list[str]:
    """Names of the families in which somebody of this name takes turns."""
    return [
        kind.model_fields["family"].default for kind in FAMILIES if player in (kind.players or ())
    ]
