"""A study's stages: the search, the baseline first and alone; then the best trials again.

Several processes share a stage: each trial is begun, resumed and ended by one at a time.
"""

import math
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from rgf_keras.config import ExperimentConfig
from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies import optuna_adapter, ranking, samplers
from rgf_keras.experiments.studies.ranking import ENDED, FAR_OUTSIDE, feasible, finished
from rgf_keras.experiments.studies.study import Study, describe
from rgf_keras.experiments.studies.trial import Outcome
from rgf_keras.tracking.tracker import Run, environment

if TYPE_CHECKING:
    from rgf_keras.runtime.leases import Leases

# States of the trials that the budget counts.
COUNTED = (*ENDED, TrialState.RUNNING)
OUTCOME = "outcome"  # the attribute that tells that a trial's outcome is kept


class Stage(ABC):
    """Trials of one Optuna study, each under a lease.

    A trial that is running and whose lease is free was left behind by a process that died: it is
    resumed under its own number. Choosing a trial is exclusive, so that the budget is kept however
    many processes choose.

    Args:
        optuna_study: holds the trials.
        study: what they are trials of.
        leases: of this process.
    """

    prefix: str  # what trials are called in leases, folders and runs

    def __init__(self, optuna_study: optuna.Study, study: Study, leases: "Leases"):
        self.optuna_study, self.study, self.leases = optuna_study, study, leases

    @property
    def trials(self) -> list[FrozenTrial]:
        """All of them as they are now."""
        return self.optuna_study.get_trials(deepcopy=False)

    @property
    def done(self) -> bool:
        """Whether no trial is running and none may be begun."""
        trials = self.trials
        return not running(trials) and self.room(trials) < 1

    def name(self, trial: optuna.Trial | FrozenTrial) -> str:
        """What a trial is called, e.g. ``trial-0003``."""
        return f"{self.prefix}-{trial.number:04d}"

    def claim(self) -> optuna.Trial | None:
        """A trial that was left behind, else a new one; None if there is none to be had now."""
        with self.leases.exclusive():
            trials = self.trials
            for trial in running(trials):
                if self._take(trial):
                    return self.resume(trial)
            if self.room(trials) < 1:
                return None
            attributes = self.attributes(trials)
            trial = create_trial(state=TrialState.RUNNING, user_attrs=attributes)
            self.optuna_study.add_trial(trial)
            trial = self.trials[len(trials)]  # with its number
            if not self.leases.take(self.name(trial)):  # somebody looks what was left behind
                return None
            return self.resume(trial)

    def close(
        self, trial: optuna.Trial, outcome: Outcome, run: Run, folder: Path | None = None
    ) -> None:
        """End a trial in both records, and its lease.

        Its state in Optuna's record comes last. Until then it is one that was left behind, whose
        outcome, which is kept first, is recorded again: a process may be killed anywhere.

        Args:
            trial: that has been evaluated.
            outcome: what of.
            run: the trial's.
            folder: of its checkpoints and files; deleted.

        Raises:
            LostLease: another process may have the trial.
        """
        self.leases.check()
        trial.set_user_attr("metrics", outcome.metrics)
        trial.set_user_attr("reason", outcome.reason)
        for name in self.study.required_metrics.values():  # as columns of Optuna's dashboard
            if name in outcome.metrics:
                trial.set_user_attr(f"metric/{name}", outcome.metrics[name])
        trial.set_user_attr(OUTCOME, {"pruned": outcome.pruned, "failed": outcome.failed})
        known = optuna_adapter.snapshot(self.optuna_study, trial).constraints
        for name, violation in self.violations(trial, outcome).items():
            if name not in known:
                trial.set_constraint(name, violation)
        self.record(optuna_adapter.snapshot(self.optuna_study, trial), outcome, run)
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        self.leases.check()
        if outcome.pruned:
            self.optuna_study.tell(trial, state=TrialState.PRUNED)
        else:
            results = [outcome.metrics.get(name, math.nan) for name in self.study.objectives]
            self.optuna_study.tell(trial, self._worst if outcome.reason else results)
        self.leases.give_back(self.name(trial))

    @property
    def _worst(self) -> list[float]:
        """What a trial without a result is worth: more than any result there is."""
        trials = [t.values for t in finished(self.optuna_study) if not t.user_attrs["reason"]]
        return [
            max([self.study.worst, *(math.nextafter(values[i], math.inf) for values in trials)])
            for i in range(len(self.study.objectives))
        ]

    def record(self, trial: FrozenTrial, outcome: Outcome, run: Run) -> None:
        """Record how a trial ended in its run."""
        run.set_tags(
            {"pruned": outcome.pruned, "reason": outcome.reason, **self.ending_tags(trial)}
        )
        run.finish("KILLED" if outcome.pruned else "FAILED" if outcome.failed else "FINISHED")

    def claimable_and_under_way(self) -> tuple[int, int]:
        """How many trials could be claimed now, and how many somebody is at."""
        with self.leases.exclusive():
            trials = self.trials
            num_left = len(self.left_behind())
            claimable = num_left + max(self.room(trials), 0)
            return claimable, len(running(trials)) - num_left

    def left_behind(self) -> list[FrozenTrial]:
        """Trials that have begun and that nobody is at now."""
        left = [trial for trial in running(self.trials) if self._take(trial)]
        for trial in left:
            self.leases.give_back(self.name(trial))
        return left

    def _take(self, trial: FrozenTrial) -> bool:
        """Take the lease of a trial that was running when it was looked up, if it still is."""
        if not self.leases.take(self.name(trial)):
            return False
        if optuna_adapter.snapshot(self.optuna_study, trial).state == TrialState.RUNNING:
            return True
        self.leases.give_back(self.name(trial))  # it has ended since
        return False

    def resume(self, trial: FrozenTrial) -> optuna.Trial:
        """A trial that has begun, to go on with."""
        return optuna_adapter.resume(self.optuna_study, trial)

    @abstractmethod
    def room(self, trials: Sequence[FrozenTrial]) -> int:
        """How many trials may be begun now."""

    @abstractmethod
    def attributes(self, trials: Sequence[FrozenTrial]) -> dict[str, int]:
        """What is known of the next trial when it begins."""

    @abstractmethod
    def config(self, trial: optuna.Trial) -> ExperimentConfig:
        """What a trial is to evaluate."""

    def misfit(self, trial: FrozenTrial) -> str:
        """Why a trial that was left behind is not to be gone on with; empty if it is."""
        return ""

    def violations(self, trial: optuna.Trial, outcome: Outcome) -> dict[str, float]:
        """By how much a trial misses the bounds, if that is asked for."""
        return {}

    def tags(self, trial: optuna.Trial) -> dict[str, int]:
        """What tells a trial's run from others."""
        return {self.prefix: trial.number}

    def ending_tags(self, trial: FrozenTrial) -> dict[str, bool]:
        """What a trial's run says of it in the end."""
        return {}


class Search(Stage):
    """The trials that the budget counts.

    Args:
        optuna_study: holds the trials.
        study: what to search.
        leases: of this process.
        seed: of the sampler.

    Raises:
        RgfError: the trials are of another baseline, objective or bounds.
    """

    prefix = "trial"

    def __init__(self, optuna_study: optuna.Study, study: Study, leases: "Leases", seed: int):
        begun = study.as_begun(optuna_study.user_attrs.get("key"))
        super().__init__(optuna_study, begun, leases)
        self._space: Mapping[str, BaseDistribution] = {}
        self.seed = seed
        # Samplers of finite spaces stop a study that they have been through.
        optuna_study.stop = lambda: optuna_study.set_user_attr("exhausted", True)  # type: ignore[method-assign]
        self._describe()

    def check_space(self, space: Mapping[str, BaseDistribution]) -> None:
        """Refuse parameters that are no longer what trials of this study have drawn.

        Args:
            space: what is to be searched now, by the parameters' names.

        Raises:
            RgfError: choices have changed, or are no choices any more; Optuna mixes no such trials.
        """
        for trial in self.trials:
            for name in trial.distributions.keys() & space.keys():
                old, new = trial.distributions[name], space[name]
                try:
                    check_distribution_compatibility(old, new)
                except ValueError:
                    raise RgfError(
                        f"study '{self.optuna_study.study_name}' has trials whose parameter "
                        f"'{name}' is {describe(old)}, but now it is {describe(new)}; give the new "
                        "study another --name"
                    ) from None
        self._space = space

    def misfit(self, trial: FrozenTrial) -> str:
        for name in trial.params.keys() & self._space.keys():
            if not optuna_adapter.is_in(trial.params[name], self._space[name]):
                allowed = describe(self._space[name])
                return f"{name} is {trial.params[name]}, but may only be {allowed} since"
        return ""

    @property
    def has_baseline(self) -> bool:
        """Whether the trial is done that relative bounds refer to."""
        return bool(finished(self.optuna_study))

    def room(self, trials: Sequence[FrozenTrial]) -> int:
        if self.optuna_study.user_attrs.get("exhausted"):
            return 0
        room = self.study.num_trials - sum(t.state in COUNTED for t in trials)
        return room if self.has_baseline or room < 1 else int(not running(trials))

    def attributes(self, trials: Sequence[FrozenTrial]) -> dict[str, int]:
        return {"baseline": not self.has_baseline}

    def resume(self, trial: FrozenTrial) -> optuna.Trial:
        # A sampler of its own for every trial: what it suggests depends on the trials before it,
        # not on whether the process that asked was restarted in between. The baseline suggests
        # nothing, and a sampler of a finite space must not count it.
        seed = self.seed + 1000 * trial.number
        chosen = self.study.sampler if self.has_baseline else "random"
        self.optuna_study.sampler = samplers.make_for_search(chosen, seed)
        return super().resume(trial)

    def config(self, trial: optuna.Trial) -> ExperimentConfig:
        try:
            return self.study.configure(trial, trial.user_attrs["baseline"])
        except RgfError:
            self.optuna_study.tell(trial, state=TrialState.FAIL)
            raise

    def violations(self, trial: optuna.Trial, outcome: Outcome) -> dict[str, float]:
        is_baseline = trial.user_attrs["baseline"]
        if is_baseline and outcome.reason:
            self.optuna_study.tell(trial, state=TrialState.FAIL)
            raise RgfError(f"the baseline has no result: {outcome.reason}")
        baseline = outcome.metrics if is_baseline else ranking.baseline_metrics(self.optuna_study)
        missed: dict[str, float] = {}
        for bound in self.study.subject_to:
            measured = bound.metric in outcome.metrics
            own = bound.violation(outcome.metrics, baseline) if measured else FAR_OUTSIDE
            missed[bound.metric] = max(own, missed.get(bound.metric, own))
        return missed

    def ending_tags(self, trial: FrozenTrial) -> dict[str, bool]:
        return {"feasible": feasible(trial), "baseline": trial.user_attrs["baseline"]}

    def _describe(self) -> None:
        known = self.optuna_study.user_attrs
        if known.get("key") not in (None, self.study.key):
            raise RgfError(
                f"study '{self.optuna_study.study_name}' was started with another baseline, "
                "objective or bounds; give the new one another --name"
            )
        if known.get("trainings") not in (None, self.study.trainings):
            raise RgfError(
                f"study '{self.optuna_study.study_name}' was started with {known['trainings']} "
                f"trainings of a trial, not {self.study.trainings}; give the new one another --name"
            )
        backend = os.environ.get("KERAS_BACKEND") or environment()["backend"]
        if known.get("backend") not in (None, backend):
            raise RgfError(
                f"study '{self.optuna_study.study_name}' was started with {known['backend']}, not "
                f"{backend}; give --backend {known['backend']}, or the new one another --name"
            )
        sampler = samplers.name_of(self.study.sampler)
        samplers.check_goes_on(self.optuna_study.study_name, known.get("sampler"), sampler)
        description = {
            "sampler": sampler,
            "key": self.study.key,
            "backend": backend,
            "trainings": self.study.trainings,
            "question": self.study.question,
            "minimize": self.study.minimize_record,
            "bounds": [str(bound) for bound in self.study.subject_to],
            "subject_to": [asdict(bound) for bound in self.study.subject_to],
        }
        for name, value in description.items():
            if known.get(name) != value:
                self.optuna_study.set_user_attr(name, value)


class Repeats(Stage):
    """The baseline and the best feasible trials with the same few fresh seeds.

    They are trials of an Optuna study of their own, so that neither the budget nor the sampler
    counts them. Their seeds are those after the search's, see :meth:`Study.retrained`.

    Args:
        search: what is to be repeated when it is done, as often as its study says.
    """

    prefix = "repeat"

    def __init__(self, search: Search):
        optuna_study = optuna.create_study(
            study_name=search.optuna_study.study_name + ranking.REPEATS,
            storage=optuna_adapter.storage_of(search.optuna_study),
            load_if_exists=True,
            direction="minimize",
        )
        super().__init__(optuna_study, search.study, search.leases)
        self.search = search

    def room(self, trials: Sequence[FrozenTrial]) -> int:
        return len(self._missing(trials)) if self.search.done else 0

    def attributes(self, trials: Sequence[FrozenTrial]) -> dict[str, int]:
        number, seed = self._missing(trials)[0]
        return {"of": number, "seed": seed}

    def config(self, trial: optuna.Trial) -> ExperimentConfig:
        original = self.search.trials[trial.user_attrs["of"]]
        fixed, is_baseline = FixedTrial(original.params), original.user_attrs["baseline"]
        config = self.study.configure(fixed, is_baseline)  # type: ignore[arg-type]
        return self.study.retrained(config, self.study.trainings - 1 + trial.user_attrs["seed"])

    def tags(self, trial: optuna.Trial) -> dict[str, int]:
        return {"repeat_of": trial.user_attrs["of"], "repeat_seed": trial.user_attrs["seed"]}

    def _missing(self, trials: Sequence[FrozenTrial]) -> list[tuple[int, int]]:
        """Trials and seeds that nobody has begun, all candidates of a seed one after the other."""
        known = [trial.user_attrs for trial in trials if trial.state in COUNTED]
        pairs = {(attributes["of"], attributes["seed"]) for attributes in known}
        seeds, numbers = range(1, self.study.repeats + 1), self._candidates()
        return [(n, seed) for seed in seeds for n in numbers if (n, seed) not in pairs]

    def _candidates(self) -> list[int]:
        baseline = ranking.baseline_trial(self.search.optuna_study).number
        trials = sorted(finished(self.search.optuna_study), key=ranking.by_result)
        others = [t.number for t in trials if feasible(t) and t.number != baseline]
        return [baseline, *others[: self.study.candidates]]


def outcome_of(trial: FrozenTrial) -> Outcome | None:
    """The outcome of a trial that has ended, or that was being ended when its process died."""
    kept = trial.user_attrs
    if OUTCOME not in kept and trial.state not in ENDED:
        return None
    how = kept.get(OUTCOME) or {"pruned": trial.state == TrialState.PRUNED}  # before 0.2
    return Outcome(kept["metrics"], kept["reason"], **how)


def running(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Trials that have begun and not ended."""
    return [trial for trial in trials if trial.state == TrialState.RUNNING]
