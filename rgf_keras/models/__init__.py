"""Networks and their losses. They know nothing of data sets, files or tracking."""

from rgf_keras.models.base import (
    GenerativeModel,
    LikelihoodModel,
    Loss,
    Player,
    load_model,
    sample_uint8,
    to_float,
    to_uint8,
)
from rgf_keras.models.conditional import SAGAN, BigGAN
from rgf_keras.models.diffusion import DDPM
from rgf_keras.models.gan import GAN
from rgf_keras.models.oracle import Oracle
from rgf_keras.models.vae import VAE

__all__ = [
    "DDPM",
    "GAN",
    "SAGAN",
    "VAE",
    "BigGAN",
    "GenerativeModel",
    "LikelihoodModel",
    "Loss",
    "Oracle",
    "Player",
    "load_model",
    "sample_uint8",
    "to_float",
    "to_uint8",
]
