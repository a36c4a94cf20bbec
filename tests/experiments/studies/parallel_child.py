"""A study on a formula, run by two workers, some of which kill themselves or this process."""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import toy_study

from rgf_keras.cache import Cache
from rgf_keras.experiments.studies.parallel import run_parallel
from rgf_keras.experiments.studies.run import StudySpec
from rgf_keras.runtime.progress import SILENT
from rgf_keras.runtime.workers import WorkersSpec
from rgf_keras.tracking.mlflow_tracker import MlflowTracker

# Who is killed when a trial is at its nth attempt.
VICTIMS = {
    ("trial-0003", 1): os.getpid,
    ("trial-0003", 2): os.getpid,
    ("trial-0006", 1): os.getppid,
}


def assess(config, context):
    """Leaves a checkpoint, and a line in the log."""
    work = context.folder
    resumed = (work / "checkpoint").exists()
    (work / "checkpoint").touch()
    log = work.parents[1] / "assessed.log"
    with open(log, "a") as lines:
        lines.write(f"{work.name} {config.spectral_decoupling.weight!r} {resumed}\n")
    attempt = sum(line.startswith(work.name) for line in log.read_text().splitlines())
    if victim := VICTIMS.get((work.name, attempt)):
        os.kill(victim(), signal.SIGKILL)
        time.sleep(60)  # an orphan ends before that
    return toy_study.assessment(config)


def random_study():
    return toy_study.RANDOM


if __name__ == "__main__":
    folder, url = Path(sys.argv[1]), sys.argv[2]
    uri = f"sqlite:///{folder}/mlflow.db"
    spec = StudySpec(
        random_study,
        url,
        partial(MlflowTracker, uri, "toy", folder / "spool", folder / "artifacts"),
        "toy",
        folder,
        Cache(folder / "cache"),
        num_trials=12,
        evaluate=assess,
    )
    run_parallel(spec, WorkersSpec(2), SILENT, lambda trial: print("ended", trial.number))
