"""Twenty steps from given weights, batches and noise; started by test_parity.py per backend."""

import sys

import keras
import numpy as np
from keras import ops

from rgf_keras.models import DDPM, GAN, VAE
from rgf_keras.training import SpectralDecoupling, Trainer

source, target = sys.argv[1:]
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


def train(model, data):
    for i, variable in enumerate(model.trainable_variables):
        rng = np.random.default_rng(i)
        variable.assign(rng.normal(0, 0.1, variable.shape).astype("float32"))
    optimizers = {p.name: keras.optimizers.Adam(1e-3) for p in model.players()}
    hooks = [SpectralDecoupling(0.5)] if isinstance(model, GAN) else []
    return Trainer(model, data, optimizers, BATCH, regularizers=hooks).fit(1).steps


results = {}
with np.load(source) as given:
    images = given["images"]
    for name, family in (("gan", GAN), ("vae", VAE)):
        model = with_given_noise(family, given["noise"])(
            (8, 8, 3), latent_dim=LATENT, units=(24, 16)
        )
        results[name] = train(model, {"images": images})
    for backbone, width in (("keras", 8), ("keras_cv", 32)):
        # Timesteps and noise are given with the images.
        drawn = {name: given[name] for name in ("images", "timesteps", "latents")}
        model = DDPM((8, 8, 3), "tiny", width, backbone, prediction="v")
        results[f"diffusion, {backbone}"] = train(model, drawn)
assert all(len(steps) == STEPS for steps in results.values())
np.savez(target, **results)
