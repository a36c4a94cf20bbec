"""Trains on several virtual devices: started by test_devices.py in a process of its own."""

import os
import sys
from functools import partial

family, optimizer, folder = sys.argv[1:4]
devices, epochs = map(int, sys.argv[4:])
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"

import jax  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
from recipes import trainer  # noqa: E402

from rgf_keras import datasets  # noqa: E402

keras.distribution.set_distribution(keras.distribution.DataParallel())
# Ten steps an epoch: a pixel of the background that a rounding error takes across a ReLU's kink is
# thousands of pixels, after which two trainings go apart.
digits = datasets.load("mnist-10k").split(160 if family == "conv_vae" else 640)[0]
images = datasets.skewed(digits, datasets.Colour(), 1, seed=0).images
turns = {"discriminator": 2} if family == "gan" else None
training = trainer(
    family,
    images,
    optimizer,
    checkpoint_dir=folder,
    batch_size=16,
    turns=turns,
    streamed=family == "conv_vae" and devices > 1,
)
distribute, shares = training._distribute, set()


def observe(x):
    """How a batch lies when a step begins."""
    x = distribute(x)
    see = partial(lambda shape, sharding: shares.add(sharding.shard_shape(shape)), x.shape)
    jax.debug.inspect_array_sharding(x, callback=see)
    return x


training._distribute = observe
began = len(training.history.steps)
history = training.fit(epochs)
assert {share[0] for share in shares} == {16 // devices}, shares
used = {len(variable.value.sharding.device_set) for variable in training.variables}
assert used == {devices}, used
state = {f"v{i}": keras.ops.convert_to_numpy(v.value) for i, v in enumerate(training.variables)}
np.savez(f"{folder}/result.npz", steps=history.steps, began=began, **state)
