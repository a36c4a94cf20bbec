"""Trains on several virtual devices: started by test_devices.py in a process of its own."""

import os
import sys

family, optimizer, folder = sys.argv[1:4]
devices, epochs = map(int, sys.argv[4:])
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"

import keras  # noqa: E402
import numpy as np  # noqa: E402
from recipes import trainer  # noqa: E402

from rgf_keras import datasets  # noqa: E402

keras.distribution.set_distribution(keras.distribution.DataParallel())
digits = datasets.load("mnist-10k").split(640)[0]
images = datasets.skewed(digits, datasets.Colour(), 1, seed=0).images
turns = {"discriminator": 2} if family == "gan" else None
training = trainer(family, images, optimizer, checkpoint_dir=folder, batch_size=16, turns=turns)
history = training.fit(epochs)
used = {len(variable.value.sharding.device_set) for variable in training.variables}
assert used == {devices}, used
state = {f"v{i}": keras.ops.convert_to_numpy(v.value) for i, v in enumerate(training.variables)}
np.savez(f"{folder}/result.npz", steps=history.steps, **state)
