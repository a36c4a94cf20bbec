"""`rgf` whose process is killed in the middle of a training, and that tells where trainings begin.

Arguments: a log file, the step of a trial's training to be killed after (0 for never), and those of
`rgf`. Checkpoints are written after every call.
"""

import functools
import os
import signal
import sys
from pathlib import Path

from rgf_keras.training import Trainer

log, kill_at = Path(sys.argv[1]), int(sys.argv[2])
fit = Trainer.fit


class Kill:
    """A callback of Keras' form, so that Keras need not be imported yet."""

    def __init__(self, trainer):
        self.trainer = trainer

    def on_train_batch_end(self, batch, logs=None):
        if len(self.trainer.history.steps) >= kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def __getattr__(self, name):
        return lambda *arguments: None


@functools.wraps(fit)
def logged_fit(self, epochs, callbacks=()):
    self.checkpoint_seconds = 0.0
    of_a_trial = self.checkpoints and "trial-" in str(self.checkpoints.folder)
    if of_a_trial:
        with log.open("a") as file:
            file.write(f"{len(self.history.steps)}\n")
    return fit(self, epochs, [*callbacks, *([Kill(self)] if kill_at and of_a_trial else [])])


Trainer.fit = logged_fit
Trainer._next_chunk = lambda self, chunk, seconds: 4
sys.argv = ["rgf", *sys.argv[3:]]

from rgf_keras.cli import main  # noqa: E402 (reads the arguments)

main()
