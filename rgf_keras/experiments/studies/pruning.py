"""Pruning: what a trial logs while it trains is shown to Optuna's pruner."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna

from rgf_keras.experiments.studies.ranking import baseline_trial
from rgf_keras.experiments.studies.study import Study
from rgf_keras.tracking.tracker import Run


class Watched(Run):
    """A trial's run that raises :class:`optuna.TrialPruned` when going on is not worth it.

    Every evaluation while training (metrics with an ``epoch``) is reported to Optuna: the objective
    or, if a relative bound is missed by then, more than the worst there is, by the share of the
    baseline's metric that it is missed by. The baseline is taken at the same epoch, as quality is
    bad in the beginning of every training. It is reported and never pruned, and no trial is after
    its last epoch.

    Args:
        run: where everything is logged.
        trial: of the search; user attribute ``baseline``.
        study: its objective, bounds and epochs.
    """

    def __init__(self, run: Run, trial: optuna.Trial, study: Study):
        self.run, self.trial, self.study, self.id = run, trial, study, run.id
        self.is_baseline = trial.user_attrs["baseline"]
        self.evaluation: dict[str, float] = {}

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        self.run.log_metrics(metrics, step)
        if "epoch" not in metrics or self.study.minimize not in metrics:
            return
        self.evaluation = {name: value for name, value in metrics.items() if "/" in name}
        if self.is_baseline:
            self.trial.set_user_attr(_at(step), self.evaluation)
        if step not in self.trial.storage.get_trial(self.trial._trial_id).intermediate_values:
            self.trial.report(self._worth(step), step)
        prune = self.trial.should_prune()
        if prune and not self.is_baseline and step < self.study.baseline.training.epochs:
            raise optuna.TrialPruned(f"pruned at epoch {step}")

    def log_params(self, params: Mapping[str, Any]) -> None:
        self.run.log_params(params)

    def log_artifact(self, path: Path) -> None:
        self.run.log_artifact(path)

    def log_image(self, path: Path, key: str, step: int) -> None:
        self.run.log_image(path, key, step)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        self.run.set_tags(tags)

    def finish(self, status: str = "FINISHED") -> None:
        self.run.finish(status)

    def _worth(self, step: int) -> float:
        baseline = self.evaluation
        if not self.is_baseline:
            baseline = baseline_trial(self.trial.study).user_attrs.get(_at(step), {})
        missed = sum(
            max(bound.violation(self.evaluation, baseline), 0) / (abs(baseline[bound.metric]) or 1)
            for bound in self.study.subject_to
            if (bound.relative or bound.difference)
            and bound.metric in self.evaluation
            and bound.metric in baseline
        )
        return self.study.worst + missed if missed else self.evaluation[self.study.minimize]


def _at(step: int) -> str:
    return f"evaluation of epoch {step}"
