"""Bounds, and which trial is best: by its result, or by the mean of its repeats if it has any."""

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies.optuna_adapter import storage_of
from rgf_keras.metrics.differences import Difference, Mean, Spread, bounded, mean_of

Runs = dict[int, FrozenTrial]  # by seed

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
FAR_OUTSIDE = 1e6  # how far a trial without a result is outside every bound
REPEATS = "/repeats"  # ends the name of the Optuna study that holds a study's repeats
SPACES = "spaces"  # the attribute that names the spaces that a trial's mitigations use
TRAININGS = "trainings"  # the attribute that holds what each training of a trial came to


def check_finite(name: str, value: Any) -> float:
    """A number as a float.

    Raises:
        RgfError: it is none, or not finite.
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool)
    if not is_number or not math.isfinite(value):
        raise RgfError(f"{name} must be a finite number, received {value!r}")
    return float(value)


@dataclass(frozen=True)
class Bound:
    """A constraint on a metric.

    Attributes:
        metric: e.g. ``"quality/frechet_oracle"``.
        at_most: upper bound; exactly one of the two bounds is given.
        at_least: lower bound.
        relative: the bound is a factor of the baseline's value.
        difference: the bound is what is added to the baseline's value, in units of the metric.
    """

    metric: str
    at_most: float | None = None
    at_least: float | None = None
    relative: bool = False
    difference: bool = False

    def __post_init__(self) -> None:
        if (self.at_most is None) == (self.at_least is None):
            raise RgfError(f"the bound on {self.metric} needs exactly one of at_most and at_least")
        side = "at_least" if self.at_most is None else "at_most"
        value = check_finite(f"{side} of the bound on {self.metric}", getattr(self, side))
        object.__setattr__(self, side, value)

    def limit(self, baseline: Mapping[str, float]) -> float:
        """The bound as a number."""
        factor = baseline[self.metric] if self.relative else 1.0
        bound = factor * (self.at_least if self.at_most is None else self.at_most)  # type: ignore[operator]
        return bound + baseline[self.metric] if self.difference else bound

    def violation(self, metrics: Mapping[str, float], baseline: Mapping[str, float]) -> float:
        """Optuna's form of the constraint: feasible when ≤ 0, in units of the metric."""
        excess = metrics[self.metric] - self.limit(baseline)
        excess = -excess if self.at_most is None else excess
        return bounded(excess)

    def __str__(self) -> str:
        sign, limit = ("≥", self.at_least) if self.at_most is None else ("≤", self.at_most)
        if self.difference:
            return f"{self.metric} {sign} baseline {limit:+g}"
        return f"{self.metric} {sign} {limit:g}{' × baseline' if self.relative else ''}"


@dataclass(frozen=True)
class RepeatSummary:
    """A trial's repeats with fresh seeds, its first run, for which it was chosen, not among them.

    Attributes:
        objective: the mean of the objective.
        difference: of its objective to the baseline's; None for the baseline, and where a training
            of either has no result.
        violations: of the bounds by the mean metrics, relative to the baseline's mean metrics.
    """

    objective: Mean
    difference: Difference | None
    violations: dict[str, float]

    @property
    def feasible(self) -> bool:
        return all(violation <= 0 for violation in self.violations.values())


def finished(optuna_study: optuna.Study) -> list[FrozenTrial]:
    """Trials that have a result, in order."""
    return optuna_study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])


def feasible(trial: FrozenTrial) -> bool:
    """Whether an ended trial keeps all bounds."""
    return all(violation <= 0 for violation in trial.constraints.values())


def by_result(trial: FrozenTrial) -> tuple[list[float], float, int]:
    """Sorts trials: by the objectives, and where they are equal by the room that bounds leave."""
    return trial.values, sum(trial.constraints.values()), trial.number


def baseline_trial(optuna_study: optuna.Study) -> FrozenTrial:
    """The finished trial that relative bounds refer to."""
    return next(trial for trial in finished(optuna_study) if trial.user_attrs["baseline"])


def baseline_metrics(optuna_study: optuna.Study) -> dict[str, float]:
    """The baseline's metrics."""
    return baseline_trial(optuna_study).user_attrs["metrics"]


def front(optuna_study: optuna.Study) -> list[FrozenTrial]:
    """Feasible trials of which none is beaten: as good in all objectives, and better in one.

    They are sorted by the first objective.

    Raises:
        RgfError: no trial has finished.
    """
    _check_finished(optuna_study)
    return sorted(optuna_study.best_trials, key=by_result)


def _check_finished(optuna_study: optuna.Study) -> list[FrozenTrial]:
    trials = finished(optuna_study)
    if not trials:
        raise RgfError(f"study '{optuna_study.study_name}' has no finished trial yet; run it")
    return trials


def best(optuna_study: optuna.Study) -> FrozenTrial:
    """The feasible trial with the smallest objective; if there is none, the nearest to feasible.

    Of trials with equal objectives it is the one to which the bounds leave most room. If trials
    were repeated it is one of those, by their means.

    Raises:
        RgfError: no trial has finished.
    """
    trials = _check_finished(optuna_study)
    again = repeats(optuna_study)

    def rank(trial: FrozenTrial) -> tuple[float, float, float]:
        summary = again.get(trial.number)
        value = summary.objective.value if summary else trial.value
        violations = (summary.violations if summary else trial.constraints).values()
        return sum(max(violation, 0) for violation in violations), value, sum(violations)  # type: ignore[return-value]

    return min((trial for trial in trials if trial.number in again or not again), key=rank)


def repeats(optuna_study: optuna.Study) -> dict[int, RepeatSummary]:
    """What the repeats say, by trial; nothing before the baseline and another have two each."""
    runs = {n: by_seed for n, by_seed in _repeat_runs(optuna_study).items() if len(by_seed) >= 2}
    baseline = runs.get(baseline_trial(optuna_study).number) if len(runs) >= 2 else None
    if baseline is None:
        return {}
    bounds = [Bound(**values) for values in optuna_study.user_attrs["subject_to"]]
    num_tests = len(runs) - 1
    return {n: _summary(by_seed, baseline, bounds, num_tests) for n, by_seed in runs.items()}


def differences(optuna_study: optuna.Study, number: int) -> dict[str, Difference]:
    """Differences of a trial's repeats to the baseline's, in every metric that all of them have."""
    runs = _repeat_runs(optuna_study)
    sides = [runs.get(n, {}) for n in (number, baseline_trial(optuna_study).number)]
    metrics = [{seed: run.user_attrs["metrics"] for seed, run in side.items()} for side in sides]
    if min(map(len, metrics)) < 2:
        return {}
    everything = [each for side in metrics for each in side.values()]
    shared = set.intersection(*(set(each) for each in everything))
    names = {name for name in shared if all(np.isfinite(each[name]) for each in everything)}
    first, second = metrics
    return {
        name: Difference.of_seeds(
            {seed: each[name] for seed, each in first.items()},
            {seed: each[name] for seed, each in second.items()},
        )
        for name in sorted(names)
    }


def spread(optuna_study: optuna.Study) -> Spread | None:
    """How far the objective scatters over trainings; None where nothing was trained twice."""
    name = optuna_study.user_attrs["minimize"]
    searched = [trial.user_attrs.get(TRAININGS, []) for trial in finished(optuna_study)]
    groups = [[numbers[name] for numbers in trainings] for trainings in searched]
    for runs in _repeat_runs(optuna_study).values():
        groups.append([run.values[0] for run in runs.values() if not run.user_attrs["reason"]])
    return Spread.of(groups)


def _repeat_runs(optuna_study: optuna.Study) -> dict[int, Runs]:
    """Finished repeats by the number of their trial."""
    name, storage = optuna_study.study_name + REPEATS, storage_of(optuna_study)
    if name not in optuna.get_all_study_names(storage):
        return {}
    runs: dict[int, Runs] = {}
    for run in finished(optuna.load_study(study_name=name, storage=storage)):
        runs.setdefault(run.user_attrs["of"], {})[run.user_attrs["seed"]] = run
    return runs


def _summary(runs: Runs, baseline: Runs, bounds: Sequence[Bound], num_tests: int) -> RepeatSummary:
    own, others = ({s: run.values[0] for s, run in each.items()} for each in (runs, baseline))
    limits, means = _mean_metrics(bounds, baseline), _mean_metrics(bounds, runs)
    has_result = limits and not any(run.user_attrs["reason"] for run in runs.values())
    complete = has_result and not any(run.user_attrs["reason"] for run in baseline.values())
    violations: dict[str, float] = {}
    for bound in bounds:
        missed = bound.violation(means, limits) if has_result else FAR_OUTSIDE
        violations[bound.metric] = max(missed, violations.get(bound.metric, missed))
    return RepeatSummary(
        Mean.of([*own.values()]),
        Difference.of_seeds(own, others, num_tests) if complete and runs is not baseline else None,
        violations,
    )


def _mean_metrics(bounds: Sequence[Bound], runs: Runs) -> dict[str, float]:
    """What bounds are on, over the runs that have a result; nothing if none has."""
    metrics = [r.user_attrs["metrics"] for r in runs.values() if not r.user_attrs["reason"]]
    names = {bound.metric for bound in bounds} if metrics else ()
    return {name: mean_of([each[name] for each in metrics]) for name in names}
