"""Configurations of models, one class per family."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[int, Field(ge=1)]


class Config(BaseModel):
    """What all configurations are: frozen, without unknown keys and infinite numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class GANConfig(Config):
    """See :class:`rgf_keras.models.GAN`."""

    family: Literal["gan"] = "gan"
    architecture: Literal["mlp", "conv"] = "mlp"
    latent_dim: Positive = 64
    units: tuple[Positive, ...] = (256, 512)
    width: Positive = 64
    batch_normalization: bool = True
    dropout: float = Field(0.0, ge=0, lt=1)


class VAEConfig(Config):
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
    """

    family: Literal["vae"] = "vae"
    architecture: Literal["mlp", "conv", "mnist_mlp", "cifar_conv", "celeba_conv"] = "mlp"
    likelihood: Literal["bernoulli", "gaussian", "diagonal_gaussian"] | None = None
    observation: Literal["pixels", "binarized", "logit"] | None = None
    latent_dim: Positive | None = None
    units: tuple[Positive, ...] | None = None
    width: Positive | None = None
    beta: float = Field(1.0, ge=0)
    beta_divergence: float = Field(0.0, ge=0)
    outlier_weight: float = Field(0.0, ge=0, lt=1)
    learn_outlier_weight: bool = False

    @model_validator(mode="after")
    def _one_robust_likelihood(self) -> "VAEConfig":
        if self.beta_divergence and self.outlier_weight:
            raise ValueError("beta_divergence and outlier_weight exclude each other")
        return self


class SAGANConfig(Config):
    """See :class:`rgf_keras.models.SAGAN`; the data has the classes."""

    family: Literal["sagan"] = "sagan"
    width: int = Field(64, ge=4)
    latent_dim: Positive = 128
    augment: bool = False
    flip: bool = False


class BigGANConfig(Config):
    """See :class:`rgf_keras.models.BigGAN`; the data has the classes."""

    family: Literal["biggan"] = "biggan"
    width: int = Field(96, ge=4)
    latent_dim: int = Field(80, ge=4, multiple_of=4)
    shared_dim: Positive = 128
    augment: bool = False
    flip: bool = False


class DiffusionConfig(Config):
    """See :class:`rgf_keras.models.DDPM`."""

    family: Literal["diffusion"] = "diffusion"
    size: Literal["tiny", "small", "base"] = "small"
    width: int | None = Field(None, ge=4, multiple_of=4)
    backbone: Literal["keras", "keras_cv"] = "keras"
    prediction: Literal["epsilon", "v"] = "epsilon"
    noise_schedule: Literal["linear", "cosine"] = "linear"
    timesteps: int = Field(1000, ge=2)
    dropout: float = Field(0.0, ge=0, lt=1)
    augment: tuple[Literal["flip", "translation", "brightness", "saturation", "contrast"], ...] = ()
    num_steps: Positive = 100
    eta: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _arguments_fit(self) -> "DiffusionConfig":
        if self.num_steps > self.timesteps:
            raise ValueError(
                f"num_steps must be at most timesteps ({self.timesteps}), received {self.num_steps}"
            )
        if self.backbone == "keras_cv" and (self.width or 32) % 32:
            raise ValueError(
                f"the backbone keras_cv needs a width that is a multiple of 32, "
                f"received {self.width}; use such a width or the backbone keras"
            )
        return self


ModelConfig = Annotated[
    GANConfig | SAGANConfig | BigGANConfig | VAEConfig | DiffusionConfig,
    Field(discriminator="family"),
]
ADVERSARIAL = ("gan", "sagan", "biggan")
# What is a mitigation in a model's own configuration, switched off. β of a VAE is not one.
UNMITIGATED: dict[str, dict[str, Any]] = {
    "vae": {"beta_divergence": 0.0, "outlier_weight": 0.0},
    "diffusion": {"dropout": 0.0, "augment": ()},
}
