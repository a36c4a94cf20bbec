"""The trials of a study, as all its tables, pictures and pages have them."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from rgf_keras.experiments.studies.ranking import RepeatSummary, feasible
from rgf_keras.reports import values

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

Summary = dict[str, Any]
Trial = dict[str, Any]


def trial_record(
    trial: "FrozenTrial", again: RepeatSummary | None, subject_to: Sequence[str]
) -> Trial:
    """A trial that has ended, JSON-able; its value is that of a single objective.

    Args:
        trial: of the search.
        again: its repeats, if there are any.
        subject_to: the study's bounds, as text.
    """
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
        "limits": _limits(trial, subject_to),
        "metrics": metrics,
        "repeats": asdict(again) if again else None,
        "mlflow_run_id": trial.user_attrs["mlflow_run_id"],
    }


def _limits(trial: "FrozenTrial", subject_to: Sequence[str]) -> dict[str, float]:
    """By metric, its bound; not of those that are bounded from both sides."""
    metrics, limits = trial.user_attrs["metrics"], {}
    for name, text in bounds({"subject_to": subject_to}).items():
        if " and " not in text and name in metrics and name in trial.constraints:
            # a violation is value − limit, or limit − value
            missed = trial.constraints[name]
            limits[name] = metrics[name] + (missed if text.startswith("≥") else -missed)
    return limits


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
