"""One trial: its evaluation, what Optuna's pruner is shown meanwhile, and how it ends."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from rgf_keras.config import ExperimentConfig
from rgf_keras.errors import Diverged, RgfError, first_line
from rgf_keras.experiments.studies.optuna_adapter import snapshot
from rgf_keras.experiments.studies.ranking import baseline_trial
from rgf_keras.experiments.studies.study import Study
from rgf_keras.tracking.tracker import Context, Run


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        metrics: its result; of a pruned trial, its last evaluation.
        reason: why it has no result, if it has none.
        pruned: the reason is the pruner.
    """

    metrics: dict[str, float]
    reason: str = ""
    pruned: bool = False


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

    Attributes:
        evaluation: the last one while training.
        logged: names of the metrics that were logged.
    """

    def __init__(self, run: Run, trial: optuna.Trial, study: Study):
        self.run, self.trial, self.study, self.id = run, trial, study, run.id
        self.is_reported = "baseline" in trial.user_attrs
        self.is_baseline = trial.user_attrs.get("baseline", False)
        self.evaluation: dict[str, float] = {}
        self.logged: set[str] = set()

    def append(self, **record: Any) -> None:
        self.run.append(**record)
        metrics = record.get("metrics", {})
        self.logged |= metrics.keys()
        if self.is_reported and "epoch" in metrics and self.study.minimize in metrics:
            self.evaluation = {name: value for name, value in metrics.items() if "/" in name}
            self._report(record["step"])

    def keep(self, path: Path, name: str) -> None:
        self.run.keep(path, name)

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
        return self.study.worst + missed if missed else self.evaluation[self.study.minimize]


def evaluate(study: Study, config: ExperimentConfig, context: Context) -> Outcome:
    """Evaluate a configuration, and log what the study's function has not logged itself.

    Raises:
        RgfError: the objective or what a bound is on is not measured; anything that the study's
            function refuses.
    """
    run = context.run
    assert isinstance(run, TrialRun)  # which knows what is logged
    context.folder.mkdir(parents=True, exist_ok=True)
    run.log_params(config.flat())
    try:
        metrics = _numbers(study.evaluate(config, context))
    except Diverged as error:
        return Outcome({}, str(error))
    except optuna.TrialPruned as error:
        return Outcome(run.evaluation, str(error), pruned=run.is_reported)
    if rest := {name: x for name, x in metrics.items() if name not in run.logged}:
        run.run.log_metrics(rest)
    for place, name in study.required_metrics.items():
        if name not in metrics:
            known = ", ".join(sorted(metrics))
            raise RgfError(f"{place}: '{name}' is not measured; measured are {known}")
        if not math.isfinite(metrics[name]):
            return Outcome({}, f"{name} is {metrics[name]}")
    return Outcome(metrics)


def _numbers(result: Any) -> dict[str, float]:
    metrics = getattr(result, "metrics", result)
    try:
        return {name: float(value) for name, value in metrics.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise RgfError(
            f"evaluate returns a {type(result).__name__}; it must be a dict of numbers, or an "
            f"object with one as its metrics ({first_line(error)})"
        ) from error
