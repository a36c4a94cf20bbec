"""Attempts at a trial: what fails at one place again and again is given up, and the study goes on.

A process may die for reasons that have nothing to do with its trial. So attempts are counted that
come no further than the one before: by trainings, evaluations or checkpoints.
"""

import os
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from rgf_keras import outputs
from rgf_keras.errors import LostLease, first_line
from rgf_keras.experiments.studies.optuna_adapter import snapshot
from rgf_keras.experiments.studies.ranking import TRAININGS
from rgf_keras.experiments.studies.trial import Outcome

ATTEMPTS = "attempts"  # the attribute that counts them
MAX_ATTEMPTS = 3
ELSEWHERE = "elsewhere.txt"  # in a trial's folder: the path from there to where it is trained
DEATH = "its process died, for lack of memory perhaps"


def begin(trial: optuna.Trial, folder: Path) -> Outcome | None:
    """Count an attempt at a trial; returns the trial's outcome if it is given up instead.

    Args:
        trial: that is to be evaluated. The baseline is never given up: all others refer to it.
        folder: of its checkpoints.
    """
    reached = _reached(snapshot(trial.study, trial), folder)
    known = trial.user_attrs.get(ATTEMPTS, {})
    count = known["count"] if known.get("reached") == reached else 0
    if count >= MAX_ATTEMPTS and not trial.user_attrs.get("baseline"):
        reason = f"given up after {count} attempts: {known['error'] or DEATH}"
        return Outcome({}, reason, failed=True)
    attempt = {"count": count + 1, "reached": reached, "error": ""}
    trial.set_user_attr(ATTEMPTS, attempt)
    return None


def note_folder(folder: Path, trial_folder: Path) -> None:
    """Note that a trial's checkpoints and results are in another folder than its own."""
    outputs.write_text(trial_folder / ELSEWHERE, os.path.relpath(folder, trial_folder))


def fail(trial: optuna.Trial, error: Exception) -> int:
    """Note why an attempt failed; returns how many have."""
    known = trial.user_attrs[ATTEMPTS]
    kind = type(error).__name__
    trial.set_user_attr(ATTEMPTS, {**known, "error": f"{kind}: {first_line(error)}"})
    return known["count"]


def forgive(trial: optuna.Trial) -> None:
    """Uncount an attempt that was ended from outside, not by an error, if it is the last one."""
    known = trial.user_attrs.get(ATTEMPTS)
    if snapshot(trial.study, trial).user_attrs.get(ATTEMPTS) != known:
        return  # another process has the trial
    if known and not known["error"]:
        trial.set_user_attr(ATTEMPTS, {**known, "count": max(known["count"] - 1, 0)})


def is_blameless(error: BaseException) -> bool:
    """Whether an error says nothing of its trial: a lost lease, a full disk."""
    causes = (each for each in (error, error.__cause__) if isinstance(each, OSError))
    return isinstance(error, LostLease) or any(each.errno in outputs.FULL for each in causes)


def _reached(trial: FrozenTrial, folder: Path) -> list[Any]:
    """How far a trial has come, in a form that a record keeps."""
    notes = [path for path in outputs.files(folder) if path.name == ELSEWHERE]
    others = [note.parent / note.read_text() for note in notes]
    names = [path.name for place in (folder, *others) for path in outputs.files(place)]
    checkpoints = sorted(name for name in names if fnmatch(name, "step-*.npz"))
    trainings = len(trial.user_attrs.get(TRAININGS, []))
    return [trainings, trial.last_step, checkpoints[-1:], *map(_num_results, others)]


def _num_results(folder: Path) -> int:
    """How much is finished, whose checkpoints are gone; without what was being written."""
    return sum(
        not path.name.startswith("step-") and not path.parent.name.startswith(outputs.SCRATCH)
        for path in outputs.files(folder)
        if path.suffix == ".npz"
    )
