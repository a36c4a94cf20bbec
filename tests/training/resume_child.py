"""Trains with checkpoints until told to die: started by test_resume.py in a process of its own."""

import os
import signal
import sys

import keras
import numpy as np
from recipes import trainer

from rgf_keras import datasets
from rgf_keras.training import Trainer

family, optimizer, folder, kill_at = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])

digits = datasets.load("mnist-10k").split(640)[0]
images = datasets.skewed(digits, datasets.Colour(), 1, seed=0).images


class Kill(keras.callbacks.Callback):
    """SIGKILL at the first call that ends at or after a step."""

    def __init__(self, training):
        super().__init__()
        self.training = training

    def on_train_batch_end(self, batch, logs=None):
        if 0 <= kill_at <= len(self.training.history.steps):
            os.kill(os.getpid(), signal.SIGKILL)


Trainer._next_chunk = lambda self, chunk, seconds: 4  # type: ignore[method-assign]
if kill_at >= 0:  # as in a study: the process that is killed has made other models before
    trainer(family, images, optimizer)
training = trainer(family, images, optimizer, checkpoint_dir=folder, checkpoint_seconds=0.0)
began = len(training.history.steps)
history = training.fit(3, [Kill(training)])
state = {f"v{i}": keras.ops.convert_to_numpy(v.value) for i, v in enumerate(training.variables)}
np.savez(f"{folder}/result.npz", steps=history.steps, began=began, **state)
