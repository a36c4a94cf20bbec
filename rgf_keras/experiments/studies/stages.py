"""Trials as several processes share them: each is begun, resumed and ended by one at a time."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from rgf_keras.config import ExperimentConfig
from rgf_keras.experiments.studies.study import Outcome
from rgf_keras.runtime.leases import Leases
from rgf_keras.tracking.tracker import Run

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


class Stage(ABC):
    """Trials of one Optuna study, each under a lease.

    A trial that is running and whose lease is free was left behind by a process that died: it is
    resumed under its own number. Choosing a trial is exclusive, so that the budget is kept however
    many processes choose.

    Args:
        record: Optuna's study.
        leases: of this process.
        prefix: what trials are called in leases, folders and runs.
    """

    def __init__(self, record: optuna.Study, leases: Leases, prefix: str):
        self.record, self.leases, self.prefix = record, leases, prefix

    def name(self, trial: optuna.Trial | FrozenTrial) -> str:
        """What a trial is called, e.g. ``trial-0003``."""
        return f"{self.prefix}-{trial.number:04d}"

    def claim(self) -> optuna.Trial | None:
        """A trial that was left behind, else a new one; None if there is none to be had now."""
        with self.leases.exclusive():
            trials = self.record.get_trials(deepcopy=False)
            for trial in running(trials):
                if self._take(trial):
                    return self.resume(trial)
            if self.room(trials) < 1:
                return None
            begun = self.begin(trials)
            self.leases.take(self.name(begun))
            return begun

    def close(self, trial: optuna.Trial, outcome: Outcome, run: Run) -> None:
        """End a trial in both records, and its lease.

        Raises:
            RgfError: the lease was lost, so that another process may have the trial.
        """
        self.leases.check()
        self.end(trial, outcome, run)
        self.leases.give_back(self.name(trial))

    def census(self) -> tuple[int, int]:
        """Trials that could be claimed now, and trials that are under way."""
        with self.leases.exclusive():
            trials = self.record.get_trials(deepcopy=False)
            begun = running(trials)
            left = sum(self._is_left(trial) for trial in begun)
            return left + max(self.room(trials), 0), len(begun) - left

    def _is_left(self, trial: FrozenTrial) -> bool:
        taken = self._take(trial)
        if taken:
            self.leases.give_back(self.name(trial))
        return taken

    def _take(self, trial: FrozenTrial) -> bool:
        """Take the lease of a trial that was running when it was looked up, if it still is."""
        if not self.leases.take(self.name(trial)):
            return False
        if self.record._storage.get_trial(trial._trial_id).state == TrialState.RUNNING:
            return True
        self.leases.give_back(self.name(trial))  # it has ended since
        return False

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether all trials have ended."""

    @abstractmethod
    def room(self, trials: Sequence[FrozenTrial]) -> int:
        """How many trials may be begun now."""

    @abstractmethod
    def begin(self, trials: Sequence[FrozenTrial]) -> optuna.Trial:
        """A new trial."""

    @abstractmethod
    def resume(self, left: FrozenTrial) -> optuna.Trial:
        """A trial that was left behind."""

    @abstractmethod
    def config(self, trial: optuna.Trial) -> ExperimentConfig:
        """What a trial is to evaluate."""

    @abstractmethod
    def end(self, trial: optuna.Trial, outcome: Outcome, run: Run) -> None:
        """End a trial in both records."""

    def tags(self, trial: optuna.Trial) -> dict[str, int]:
        """What tells a trial's run from others."""
        return {self.prefix: trial.number}

    def watch(self, trial: optuna.Trial, run: Run) -> Run:
        """The run to which a trial logs."""
        return run


def running(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Trials that have begun and not ended."""
    return [trial for trial in trials if trial.state == TrialState.RUNNING]
