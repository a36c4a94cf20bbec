"""Twenty steps from given weights, batches and noise; started by test_parity.py per backend."""

import sys

import keras
import numpy as np
from keras import ops

from rgf_keras.models import DDPM, GAN, VAE
from rgf_keras.training import SpectralDecoupling, Trainer

source, target, *names = sys.argv[1:]
STEPS, BATCH, LATENT = 20, 16, 6


def with_given_noise(family, table):
    class Given(family):
        """Draws its noise from a table, in an order that lies in its state."""

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.drawn = self.add_weight(name="drawn", dtype="int32", trainable=False)

        def normal(self, num):
            noise = ops.take(ops.convert_to_tensor(table), self.drawn.value, axis=0)
            self.drawn.assign_add(1)
            return noise

    return Given


def gan_or_vae(family, **architecture):
    images, noise = given["images"], given["noise"]
    architecture = architecture or {"units": (24, 16)}
    model = with_given_noise(family, noise)((8, 8, 3), latent_dim=LATENT, **architecture)
    hooks = [SpectralDecoupling(0.5)] if family is GAN else []
    return model, {"images": images}, hooks, lambda: keras.optimizers.Adam(1e-3)


def diffusion(backbone, width):
    """Timesteps and noise are given with the images. SGD, as Adam takes long to compile."""
    data = {name: given[name] for name in ("images", "timesteps", "latents")}
    model = DDPM((8, 8, 3), "tiny", width, backbone, prediction="v")
    return model, data, [], lambda: keras.optimizers.SGD(0.05)


MODELS = {
    "gan": lambda: gan_or_vae(GAN),
    "vae": lambda: gan_or_vae(VAE),
    "dcgan": lambda: gan_or_vae(GAN, architecture="conv", width=4),
    "diffusion": lambda: diffusion("keras", 8),
    "diffusion_keras_cv": lambda: diffusion("keras_cv", 32),
    "diffusion_keras_cv_attention": lambda: diffusion("keras_cv_attention", 32),
}
results = {}
with np.load(source) as given:
    for name in names:
        model, data, hooks, optimizer = MODELS[name]()
        for i, variable in enumerate(model.trainable_variables):
            rng = np.random.default_rng(i)
            variable.assign(rng.normal(0, 0.1, variable.shape).astype("float32"))
        optimizers = {p.name: optimizer() for p in model.players()}
        results[name] = Trainer(model, data, optimizers, BATCH, regularizers=hooks).fit(1).steps
assert all(len(steps) == STEPS for steps in results.values())
np.savez(target, **results)
