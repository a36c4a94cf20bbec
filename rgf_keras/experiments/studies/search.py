"""The search: the baseline first and alone, then what the sampler suggests."""

from collections.abc import Sequence
from dataclasses import asdict

import optuna
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError

from rgf_keras.config import ExperimentConfig, explain
from rgf_keras.errors import RgfError, first_line
from rgf_keras.experiments.studies.pruning import Watched
from rgf_keras.experiments.studies.ranking import baseline_metrics, feasible, finished
from rgf_keras.experiments.studies.stages import ENDED, Stage, running
from rgf_keras.experiments.studies.study import Outcome, Study
from rgf_keras.runtime.leases import Leases
from rgf_keras.tracking.tracker import Run


class Search(Stage):
    """The trials that the budget counts.

    Args:
        record: Optuna's study.
        study: what to search.
        num_trials: the budget, the baseline and pruned trials included.
        seed: of the sampler.
        leases: of this process.

    Raises:
        RgfError: the record is one of another baseline, objective or bounds.
    """

    def __init__(
        self, record: optuna.Study, study: Study, num_trials: int, seed: int, leases: Leases
    ):
        super().__init__(record, leases, "trial")
        self.study, self.num_trials, self.seed = study, num_trials, seed
        # Samplers of finite spaces stop a study that they have been through.
        record.stop = lambda: record.set_user_attr("exhausted", True)  # type: ignore[method-assign]
        self._describe()

    @property
    def done(self) -> bool:
        trials = self.record.get_trials(deepcopy=False)
        return not running(trials) and self.room(trials) < 1

    @property
    def has_baseline(self) -> bool:
        """Whether the trial is done that relative bounds refer to."""
        return bool(finished(self.record))

    def room(self, trials: Sequence[FrozenTrial]) -> int:
        if self.record.user_attrs.get("exhausted"):
            return 0
        room = self.num_trials - sum(t.state in (*ENDED, TrialState.RUNNING) for t in trials)
        return room if self.has_baseline or room < 1 else int(not running(trials))

    def begin(self, trials: Sequence[FrozenTrial]) -> optuna.Trial:
        self._set_sampler(len(trials))
        return self._marked(self.record.ask())

    def resume(self, left: FrozenTrial) -> optuna.Trial:
        self._set_sampler(left.number)
        return self._marked(optuna.Trial(self.record, left._trial_id))

    def config(self, trial: optuna.Trial) -> ExperimentConfig:
        try:
            return self.study.configure(trial, trial.user_attrs["baseline"])
        except (ValidationError, RgfError, TypeError, ValueError) as error:
            message = explain(error) if isinstance(error, ValidationError) else first_line(error)
            self.record.tell(trial, state=TrialState.FAIL)
            raise RgfError(
                f"study '{self.study.name}' suggests a bad configuration: {message}"
            ) from error

    def watch(self, trial: optuna.Trial, run: Run) -> Run:
        return Watched(run, trial, self.study)

    def end(self, trial: optuna.Trial, outcome: Outcome, run: Run) -> None:
        is_baseline = trial.user_attrs["baseline"]
        if is_baseline and outcome.reason:
            self.record.tell(trial, state=TrialState.FAIL)
            raise RgfError(f"the baseline has no result: {outcome.reason}")
        baseline = outcome.metrics if is_baseline else baseline_metrics(self.record)
        for metric, violation in outcome.violations(self.study.subject_to, baseline).items():
            trial.set_constraint(metric, violation)
        trial.set_user_attr("metrics", outcome.metrics)
        trial.set_user_attr("reason", outcome.reason)
        if outcome.pruned:
            closed = self.record.tell(trial, state=TrialState.PRUNED)
        else:
            closed = self.record.tell(trial, outcome.value(self.study))
        run.set_tags(
            {
                "feasible": feasible(closed),
                "baseline": is_baseline,
                "pruned": outcome.pruned,
                "reason": outcome.reason,
            }
        )
        if outcome.pruned:
            run.ending = "KILLED"

    def _set_sampler(self, number: int) -> None:
        # A sampler of its own for every trial: what it suggests depends on the trials before it,
        # not on whether the process that asked was restarted in between. The baseline suggests
        # nothing, and a sampler of a finite space must not count it.
        seed = self.seed + 1000 * number
        self.record.sampler = (
            self.study.sampler(seed) if self.has_baseline else RandomSampler(self.seed)
        )

    def _marked(self, trial: optuna.Trial) -> optuna.Trial:
        if "baseline" not in trial.user_attrs:
            trial.set_user_attr("baseline", not self.has_baseline)
        return trial

    def _describe(self) -> None:
        if self.record.user_attrs.get("key") not in (None, self.study.key):
            raise RgfError(
                f"study '{self.record.study_name}' was started with another baseline, objective or "
                "bounds; give the new one another --name"
            )
        for name, value in {
            "key": self.study.key,
            "question": self.study.question,
            "minimize": self.study.minimize,
            "bounds": [str(bound) for bound in self.study.subject_to],
            "subject_to": [asdict(bound) for bound in self.study.subject_to],
        }.items():
            if self.record.user_attrs.get(name) != value:
                self.record.set_user_attr(name, value)
