"""Which trial is best: by its result, or by the mean of its repeats if there are any."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from scipy import stats

from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies.storage import REPEATS
from rgf_keras.experiments.studies.study import FAR_OUTSIDE, Bound

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Mean:
    """A mean of n ≥ 2 values and Student's t-interval for it."""

    value: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Mean":
        mean = float(np.mean(values))
        error = float(np.std(values, ddof=1)) / len(values) ** 0.5
        half = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
        return cls(mean, mean - half, mean + half, len(values))

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Repeated:
    """A trial's repeats with fresh seeds, its first run, for which it was chosen, not among them.

    Args:
        objective: the mean of the objective.
        difference: the mean over seeds of its difference to the baseline's; None for the baseline.
        violations: of the bounds by the mean metrics, relative to the baseline's mean metrics.
    """

    objective: Mean
    difference: Mean | None
    violations: dict[str, float]

    @property
    def feasible(self) -> bool:
        return all(violation <= 0 for violation in self.violations.values())


def finished(record: optuna.Study) -> list[FrozenTrial]:
    """Trials that have a result, in order."""
    return record.get_trials(deepcopy=False, states=[TrialState.COMPLETE])


def feasible(trial: FrozenTrial) -> bool:
    """Whether an ended trial keeps all bounds."""
    return all(violation <= 0 for violation in trial.constraints.values())


def baseline_trial(record: optuna.Study) -> FrozenTrial:
    """The finished trial that relative bounds refer to."""
    return next(trial for trial in finished(record) if trial.user_attrs["baseline"])


def baseline_metrics(record: optuna.Study) -> dict[str, float]:
    """The baseline's metrics."""
    return baseline_trial(record).user_attrs["metrics"]


def best(record: optuna.Study) -> FrozenTrial:
    """The feasible trial with the smallest objective; if there is none, the nearest to feasible.

    If trials were repeated it is one of those, by their means.

    Raises:
        RgfError: no trial has finished.
    """
    trials = finished(record)
    if not trials:
        raise RgfError(f"study '{record.study_name}' has no finished trial yet; run it")
    again = repeats(record)
    found: list[Any] = [
        (trial, again[trial.number].objective.value, again[trial.number].violations)
        for trial in trials
        if trial.number in again
    ] or [(trial, trial.value, trial.constraints) for trial in trials]

    def rank(entry: Any) -> tuple[float, float]:
        _, value, violations = entry
        return sum(max(violation, 0) for violation in violations.values()), value

    return min(found, key=rank)[0]


def repeats(record: optuna.Study) -> dict[int, Repeated]:
    """What the repeats say, by trial; nothing before the baseline and another have two each."""
    runs = _runs(record)
    if not runs:
        return {}
    baseline = runs.get(baseline_trial(record).number, {})
    enough = {number: seeds for number, seeds in runs.items() if len(seeds) >= 2}
    if len(baseline) < 2 or len(enough) < 2:
        return {}
    bounds = [Bound(**values) for values in record.user_attrs["subject_to"]]
    return {
        number: Repeated(
            Mean.of([run.value for run in seeds.values()]),  # type: ignore[misc]
            _difference(seeds, baseline),
            _violations(bounds, list(seeds.values()), list(baseline.values())),
        )
        for number, seeds in enough.items()
    }


def _runs(record: optuna.Study) -> dict[int, dict[int, FrozenTrial]]:
    """Finished repeats by the number of their trial and by seed."""
    name = record.study_name + REPEATS
    if name not in optuna.get_all_study_names(record._storage):
        return {}
    found: dict[int, dict[int, FrozenTrial]] = {}
    for run in finished(optuna.load_study(study_name=name, storage=record._storage)):
        found.setdefault(run.user_attrs["of"], {})[run.user_attrs["seed"]] = run
    return found


def _difference(seeds: dict[int, FrozenTrial], baseline: dict[int, FrozenTrial]) -> Mean | None:
    if seeds is baseline:
        return None
    common = seeds.keys() & baseline.keys()
    if len(common) < 2:
        return None
    return Mean.of([seeds[seed].value - baseline[seed].value for seed in sorted(common)])  # type: ignore[operator]


def _violations(
    bounds: Sequence[Bound], runs: Sequence[FrozenTrial], baseline: Sequence[FrozenTrial]
) -> dict[str, float]:
    limits, found = _mean_metrics(bounds, baseline), _mean_metrics(bounds, runs)
    if not limits or any(run.user_attrs["reason"] for run in runs):
        return {bound.metric: FAR_OUTSIDE for bound in bounds}
    return {bound.metric: bound.violation(found, limits) for bound in bounds}


def _mean_metrics(bounds: Sequence[Bound], runs: Sequence[FrozenTrial]) -> dict[str, float]:
    """What bounds are on, over the runs that have a result; nothing if none has."""
    metrics = [run.user_attrs["metrics"] for run in runs if not run.user_attrs["reason"]]
    names = {bound.metric for bound in bounds} if metrics else ()
    return {name: float(np.mean([each[name] for each in metrics])) for name in names}
