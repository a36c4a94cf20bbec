"""Scores the toy with checkpoints at every call, and kills itself, or its workers, on the way.

A worker process imports this file too, and so does as it says.
"""

import multiprocessing
import os
import signal
import sys
from pathlib import Path

import toy_score

from rgf_keras.cli.quiet import import_keras
from rgf_keras.experiments.scores import fits
from rgf_keras.experiments.scores.workers import Resources
from rgf_keras.training import ReportProgress, Trainer

folder = Path(sys.argv[1])
num_workers, ensemble = int(sys.argv[2]), int(sys.argv[3])
# Calls (over all fits and processes) after which the one that made it dies, or the whole run.
worker_dies_at, run_dies_at = int(sys.argv[4]), int(sys.argv[5])

fits.CHECKPOINT_SECONDS = 0.0
Trainer._next_chunk = lambda self, chunk, seconds: 3  # type: ignore[method-assign]
on_train_batch_end = ReportProgress.on_train_batch_end


def die_if_told(self, batch, logs=None):
    on_train_batch_end(self, batch, logs)
    with open(folder / "calls", "ab") as log:
        log.write(b".")
        calls = log.tell()
    if calls == worker_dies_at:
        os.kill(os.getpid(), signal.SIGKILL)
    if calls == run_dies_at:
        parent = multiprocessing.parent_process()
        os.kill(parent.pid if parent else os.getpid(), signal.SIGKILL)


ReportProgress.on_train_batch_end = die_if_told  # type: ignore[method-assign]

if __name__ == "__main__":
    threads = 1 if num_workers > 1 else None
    resources = Resources(num_workers, threads, prepare=import_keras, ensemble=ensemble)
    toy_score.run(folder, resources=resources)
