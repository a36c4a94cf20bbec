"""A study whose assessments cost nothing: kills itself with SIGKILL in the middle of a trial."""

import os
import signal
import sys
from pathlib import Path

from toy_study import STUDY, assessment

from rgf_keras.cache import Cache
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.tracking.mlflow_tracker import MlflowTracker

folder, kill_at = Path(sys.argv[1]), int(sys.argv[2])


def assess(config, context):
    """Leaves a checkpoint, and dies where it is told to unless one was there."""
    work = context.folder
    checkpoint = work / "checkpoint"
    resumed = checkpoint.exists()
    checkpoint.touch()
    with open(folder / "assessed.log", "a") as log:
        log.write(f"{config.spectral_decoupling.weight!r} {resumed}\n")
    done = len((folder / "assessed.log").read_text().splitlines())
    if done == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
    return assessment(config)


uri = f"sqlite:///{folder}/mlflow.db"
with MlflowTracker(uri, "toy", folder / "spool", folder / "artifacts") as tracker:
    run_study(
        STUDY,
        "toy",
        folder / "work",
        open_storage(f"sqlite:///{folder}/optuna.db"),
        tracker,
        Cache(folder / "cache"),
        num_trials=6,
        evaluate=assess,
    )
