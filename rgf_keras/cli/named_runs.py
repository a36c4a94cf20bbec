"""Runs and studies by what people call them: STUDY, STUDY/TRIAL, or an MLflow run's id."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rgf_keras.cli.options import open_records
from rgf_keras.errors import RgfError

if TYPE_CHECKING:
    import optuna

    from rgf_keras.tracking.records import Records, RunRecord


@dataclass(frozen=True)
class Places:
    """Where runs and studies are looked for.

    Attributes:
        storage: Optuna's; the workspace's if None.
        tracking_uri: MLflow's; the workspace's if None.
        workspace: folder of records.
    """

    storage: str | None
    tracking_uri: str | None
    workspace: Path

    @cached_property
    def records(self) -> "Records":
        return open_records(self.tracking_uri, self.workspace)


def study(name: str, places: Places) -> "optuna.Study | None":
    """The study of this name; None if there is none and the name is a run's id."""
    from rgf_keras.experiments.studies.storage import find_study

    try:
        return find_study(name, places.storage, places.workspace)
    except RgfError:
        if _is_id(name):
            return None
        raise


def find(name: str, places: Places) -> "RunRecord":
    """The run that STUDY/TRIAL or an id names.

    Raises:
        RgfError: there is none.
    """
    study_name, slash, number = name.rpartition("/")
    if not slash:
        return places.records.run(name)
    known = study(study_name, places)
    trials = {str(trial.number): trial for trial in known.trials} if known else {}
    own = trials[number].user_attrs if number in trials else {}
    if "mlflow_run_id" not in own:
        raise RgfError(f"there is no trial '{name}'; known: {', '.join(trials) or 'none'}")
    result = own.get("metrics", {}), trials[number].params
    return places.records.run(own["mlflow_run_id"], name, result)


def may_be_run(name: str) -> bool:
    """Whether a name has the form of STUDY/TRIAL or of a run's id.

    >>> [may_be_run(name) for name in ("quickstart/3", "model.keras", "local-runs/model.keras")]
    [True, False, False]
    >>> may_be_run("3"), may_be_run("/tmp/3")
    (False, False)
    """
    return _is_id(name) or bool(re.fullmatch(r"[^/].*/\d+", name))


def _is_id(name: str) -> bool:
    return bool(re.fullmatch("[0-9a-f]{32}|local-[^/]*", name))
