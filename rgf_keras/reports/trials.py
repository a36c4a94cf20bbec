"""The trials of a study, as all its tables, pictures and pages have them."""

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from rgf_keras.experiments.studies.ranking import RepeatSummary, feasible
from rgf_keras.reports import values

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

Summary = dict[str, Any]
Trial = dict[str, Any]


def trial_record(trial: "FrozenTrial", again: RepeatSummary | None) -> Trial:
    """A trial that has ended, JSON-able; its value is that of a single objective."""
    metrics = trial.user_attrs["metrics"]
    violations = again.violations if again else trial.constraints
    pruned = trial.state == TrialState.PRUNED
    return {
        "trial": trial.number,
        "baseline": trial.user_attrs["baseline"],
        "parameters": trial.params,
        # what was reported of a pruned trial is for the pruner, and no result
        "value": None if pruned or len(trial.values) > 1 else trial.value,
        "pruned": pruned,
        "feasible": again.feasible if again else feasible(trial),
        "reason": trial.user_attrs["reason"],
        "broken": [f"no: {values.label(name)}" for name, v in violations.items() if v > 0],
        # a violation is value − limit, so the limit is their difference
        "limits": {n: metrics[n] - v for n, v in trial.constraints.items() if n in metrics},
        "metrics": metrics,
        "repeats": asdict(again) if again else None,
        "mlflow_run_id": trial.user_attrs["mlflow_run_id"],
    }


def trial_name(trial: Trial) -> str:
    """What a trial is called in tables."""
    return "baseline" if trial["baseline"] else f"trial {trial['trial']}"


def verdict(trial: Trial) -> str:
    """Why a trial has no result, or which bounds it breaks, or yes."""
    return trial["reason"] or ", ".join(trial["broken"]) or "yes"


def bounds(summary: Summary) -> dict[str, str]:
    """What metrics are bounded by, e.g. ``≤ 1.1 × baseline``."""
    limits: dict[str, str] = {}
    for bound in summary["subject_to"]:
        name, sign, limit = re.fullmatch("(.*) ([≤≥]) (.*)", bound, re.DOTALL).groups()  # type: ignore[union-attr]
        limits[name] = " and ".join(filter(None, (limits.get(name), f"{sign} {limit}")))
    return limits


def objectives(summary: Summary) -> list[str]:
    """The metrics that are minimized."""
    names = summary["minimize"]
    return [names] if isinstance(names, str) else names


def ranking(summary: Summary) -> list[Trial]:
    """Trials, the best first; infeasible ones last."""
    return sorted(summary["trials"], key=_rank)


def _rank(trial: Trial) -> tuple[Any, ...]:
    """Repeated trials before those that were not, pruned ones last."""
    again = trial["repeats"]
    value = again["objective"]["value"] if again else trial["value"]
    missing = value is None
    return trial["pruned"], not trial["feasible"], again is None, missing, value
