"""One trial: its evaluation, what Optuna's pruner is shown meanwhile, and how it ends."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from rgf_keras import plugins
from rgf_keras.config import AssessConfig, ExperimentConfig
from rgf_keras.errors import Diverged, RgfError
from rgf_keras.experiments.studies.optuna_adapter import snapshot
from rgf_keras.experiments.studies.pictures import Pictures
from rgf_keras.experiments.studies.ranking import (
    SPACES,
    TRAININGS,
    baseline_trial,
    feasible,
    finished,
    spread,
)
from rgf_keras.experiments.studies.study import Study
from rgf_keras.metrics.trainings import over_trainings
from rgf_keras.tracking.tracker import Context, MemoryTracker, Run


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        metrics: its result; of a pruned trial, its last evaluation.
        reason: why it has no result, if it has none.
        pruned: the reason is the pruner.
        failed: the reason is that every attempt at it failed.
    """

    metrics: dict[str, float]
    reason: str = ""
    pruned: bool = False
    failed: bool = False


class TrialRun(Run):
    """A trial's run that raises :class:`optuna.TrialPruned` when going on is not worth it.

    Every evaluation while training (metrics with an ``epoch``) is reported to Optuna: the objective
    or, if a relative bound is missed by then, more than the worst there is, by the share of the
    baseline's metric that it is missed by. The baseline is taken at the same epoch, as quality is
    bad in the beginning of every training. It is reported and never pruned, and no trial is after
    its last epoch. Repeats are not reported.

    Args:
        run: where everything is logged.
        trial: of the search or of the repeats.
        study: its objective, bounds and epochs.
        check: called before anything is written; raises if the trial is another process's now.
        pictures: keeps the trial's for Optuna's dashboard, but for series of them.

    Attributes:
        evaluation: the last one while training.
        logged: names of the metrics that were logged.
    """

    def __init__(
        self,
        run: Run,
        trial: optuna.Trial,
        study: Study,
        check: Callable[[], None] = lambda: None,
        pictures: Pictures | None = None,
    ):
        self.run, self.trial, self.study, self.id = run, trial, study, run.id
        self.check, self.pictures = check, pictures
        self.is_reported = "baseline" in trial.user_attrs
        self.is_baseline = trial.user_attrs.get("baseline", False)
        self.evaluation: dict[str, float] = {}
        self.logged: set[str] = set()

    def append(self, **record: Any) -> None:
        self.check()
        self.run.append(**record)
        metrics = record.get("metrics", {})
        self.logged |= metrics.keys()
        is_shown = self.is_reported and not self.study.has_front
        if is_shown and "epoch" in metrics and self.study.objectives[0] in metrics:
            self.evaluation = {name: value for name, value in metrics.items() if "/" in name}
            self._report(record["step"])

    def keep(self, path: Path, name: str) -> None:
        self.check()
        self.run.keep(path, name)
        if self.pictures and "/" not in name and name.endswith(".png"):
            self.pictures.keep(self.trial, path, name)

    def _report(self, step: int) -> None:
        attribute = f"evaluation of epoch {step}"
        if self.is_baseline:
            self.trial.set_user_attr(attribute, self.evaluation)
        if step not in snapshot(self.trial.study, self.trial).intermediate_values:
            self.trial.report(self._reported_value(attribute), step)
        prune = self.trial.should_prune()
        if prune and not self.is_baseline and step < self.study.baseline.training.epochs:
            raise optuna.TrialPruned(f"pruned at epoch {step}")

    def _reported_value(self, attribute: str) -> float:
        baseline = self.evaluation
        if not self.is_baseline:
            baseline = baseline_trial(self.trial.study).user_attrs.get(attribute, {})
        missed = sum(
            max(bound.violation(self.evaluation, baseline), 0) / (abs(baseline[bound.metric]) or 1)
            for bound in self.study.subject_to
            if (bound.relative or bound.difference)
            and bound.metric in self.evaluation
            and bound.metric in baseline
        )
        return self.study.worst + missed if missed else self.evaluation[self.study.objectives[0]]


def evaluate(study: Study, config: ExperimentConfig, context: Context) -> Outcome:
    """Evaluate a configuration, and log what the study's function has not logged itself.

    Trials of the search are trained as often as the study says. What every training came to is
    kept in Optuna's record, so that a trial that was killed goes on with the next.

    Raises:
        RgfError: the objective or what a bound is on is not measured; anything that the study's
            function refuses.
    """
    run = context.run
    assert isinstance(run, TrialRun)  # which knows what is logged
    context.folder.mkdir(parents=True, exist_ok=True)
    run.log_params(config.flat())
    if isinstance(config, AssessConfig):
        spaces = {_name_of(space, config) for space in config.spaces_of_mitigations}
        run.trial.set_user_attr(SPACES, sorted(spaces))
    trainings = list(run.trial.user_attrs.get(TRAININGS, []))
    num_trainings = study.trainings if run.is_reported else 1
    metrics = _of_all(trainings) if trainings else {}
    while len(trainings) < num_trainings:
        if trainings and not run.is_baseline and (reason := _cannot_win(run, trainings)):
            return Outcome(metrics, reason, pruned=True)
        try:
            measured = _train(study, config, context, len(trainings))
        except Diverged as error:
            return Outcome({}, str(error))
        except optuna.TrialPruned as error:
            return Outcome(run.evaluation, str(error), pruned=run.is_reported)
        for place, name in study.required_metrics.items():
            if name not in measured:
                known = ", ".join(sorted(measured)) or "none"
                raise RgfError(f"{place}: '{name}' is not measured; measured are {known}")
        others = {name: value for name, value in measured.items() if not math.isfinite(value)}
        if others:
            run.check()
            run.run.log_metrics(others)
        trainings.append({name: x for name, x in measured.items() if name not in others})
        metrics = _of_all(trainings)
        for name in study.required_metrics.values():
            value = others.get(name, metrics.get(name, math.nan))  # the mean may overflow
            if not math.isfinite(value):
                return Outcome({}, f"{name} is {value}")
        run.check()
        if num_trainings > 1:
            run.trial.set_user_attr(TRAININGS, trainings)
    run.check()
    if rest := {name: x for name, x in metrics.items() if name not in run.logged}:
        run.run.log_metrics(rest)
    if num_trainings > 1:
        run.run.log_metrics(metrics)
    return Outcome(metrics)


def _of_all(trainings: list[dict[str, float]]) -> dict[str, float]:
    """The means over trainings of what all of them measured as a finite number."""
    first, *others = trainings

    def is_known(name: str) -> bool:
        value, _, end = name.rpartition("_")
        names = [name, *([value] if end in ("low", "high") and "/" in value else [])]
        return "/" not in name or all(each in other for each in names for other in others)

    return over_trainings([{name: x for name, x in first.items() if is_known(name)}, *others])


def _train(
    study: Study, config: ExperimentConfig, context: Context, number: int
) -> dict[str, float]:
    """What one training comes to. The trial's run shows the first, of others only the numbers."""
    if number:
        run = MemoryTracker().start(f"training {number + 1}", {})
        folder = context.folder / f"training-{number + 1}"
        folder.mkdir(exist_ok=True)
        context = replace(context, run=run, folder=folder)
    metrics = _numbers(study.evaluate(study.retrained(config, number), context))
    return {name: value for name, value in metrics.items() if number == 0 or "/" in name}


def _name_of(space: str, config: AssessConfig) -> str:
    """What an embedding is called in metrics: a guest's calls itself as it likes."""
    if not plugins.is_guest(space):
        return space
    from rgf_keras.metrics.features import extractor  # which imports Keras

    return extractor(space, config.weights_of(space)).name


def _cannot_win(run: TrialRun, trainings: list[dict[str, float]]) -> str:
    """Why further trainings of a trial are not worth it; nothing if they are."""
    if run.study.has_front:
        return ""
    known, noise = finished(run.trial.study), spread(run.trial.study)
    kept = [trial for trial in known if feasible(trial) and TRAININGS in trial.user_attrs]
    if not (kept and noise and noise.std):
        return ""
    winner = min(kept, key=lambda trial: trial.values[0])
    trained = trainings, winner.user_attrs[TRAININGS]
    own, others = ([numbers[run.study.objectives[0]] for numbers in each] for each in trained)
    if not noise.is_larger(own, others):
        return ""
    return f"worse than trial {winner.number} after {len(own)} of {run.study.trainings} trainings"


def _numbers(result: Any) -> dict[str, float]:
    returned = f"evaluate returns a {type(result).__name__}"
    try:
        values = dict(getattr(result, "metrics", result).items())
        if not all(isinstance(name, str) for name in values):
            raise TypeError("names are texts")
    except Exception as error:  # whatever a guest's object raises
        raise RgfError(
            f"{returned}; it must be a dict of numbers by their names, or an object with one as "
            "its metrics"
        ) from error
    measured = {}
    for name, value in values.items():
        try:
            measured[name] = _real(value)
        except Exception as error:
            kind = type(value).__name__
            raise RgfError(f"{returned} whose {name} is a {kind}; it must be a number") from error
    return measured


def _real(value: Any) -> float:
    """A number; neither a text of one, nor what is left of a complex one in NumPy."""
    if isinstance(value, str | bytes) or np.iscomplexobj(value):
        raise TypeError("no real number")
    return float(value)
