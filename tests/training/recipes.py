"""Small trainings that several tests share."""

import keras

from rgf_keras.models import GAN, VAE
from rgf_keras.training import SpectralDecoupling, Trainer, until

IMAGE_SHAPE = (28, 28, 3)


def small(family: str, seed: int = 0):
    """A small model: ``gan``, ``dcgan``, ``vae`` or ``conv_vae``."""
    if family == "gan":
        return GAN(IMAGE_SHAPE, latent_dim=8, units=(16, 32), dropout=0.2, seed=seed)
    if family == "dcgan":
        return GAN(IMAGE_SHAPE, "conv", latent_dim=8, width=4, seed=seed)
    if family == "vae":
        return VAE(IMAGE_SHAPE, latent_dim=4, units=(32, 16), seed=seed)
    return VAE(IMAGE_SHAPE, "conv", "gaussian", latent_dim=4, width=4, seed=seed)


FAMILIES = ("gan", "dcgan", "vae", "conv_vae")


def trainer(family, images, optimizer="adam", seed=0, **kwargs):
    """A trainer with everything switched on: schedules, regularizer, moving average."""
    model = small(family, seed)

    def build():
        rate = keras.optimizers.schedules.CosineDecay(1e-3, 40)
        if optimizer == "adam":
            return keras.optimizers.Adam(rate, beta_1=0.5)
        return keras.optimizers.SGD(0.1 * 1e-3 if "vae" in family else rate, momentum=0.5)

    hooks = [SpectralDecoupling(until(0.5, 15, "linear"))] if "gan" in family else []
    options = {"batch_size": 32, "seed": seed, "regularizers": hooks, "ema_decay": 0.9, **kwargs}
    optimizers = {player.name: build() for player in model.players()}
    return Trainer(model, {"images": images}, optimizers, **options)
