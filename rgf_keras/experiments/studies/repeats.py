"""Repeats: the best trials of a search, run again with fresh seeds."""

from collections.abc import Sequence

import optuna
from optuna.trial import FixedTrial, FrozenTrial, TrialState, create_trial

from rgf_keras.config import ExperimentConfig
from rgf_keras.experiments.studies.ranking import baseline_trial, feasible, finished
from rgf_keras.experiments.studies.search import Search
from rgf_keras.experiments.studies.stages import Stage, running
from rgf_keras.experiments.studies.storage import REPEATS
from rgf_keras.experiments.studies.study import Outcome
from rgf_keras.tracking.tracker import Run

# How many feasible trials are repeated beside the baseline.
CANDIDATES = 3


class Repeats(Stage):
    """The baseline and the best feasible trials with the same few fresh seeds.

    They are trials of an Optuna study of their own, so that neither the budget nor the sampler
    counts them. Their seeds are the configuration's plus 1, 2, ...: of everything random, data and
    oracles included.

    Args:
        search: what is to be repeated when it is done.
        num_seeds: fresh seeds.
    """

    def __init__(self, search: Search, num_seeds: int):
        record = optuna.create_study(
            study_name=search.record.study_name + REPEATS,
            storage=search.record._storage,
            load_if_exists=True,
            direction="minimize",
        )
        super().__init__(record, search.leases, "repeat")
        self.search, self.num_seeds = search, num_seeds

    @property
    def done(self) -> bool:
        trials = self.record.get_trials(deepcopy=False)
        return self.search.done and not running(trials) and not self._missing(trials)

    def room(self, trials: Sequence[FrozenTrial]) -> int:
        return len(self._missing(trials)) if self.search.done else 0

    def begin(self, trials: Sequence[FrozenTrial]) -> optuna.Trial:
        number, seed = self._missing(trials)[0]
        attributes = {"of": number, "seed": seed}
        self.record.add_trial(create_trial(state=TrialState.RUNNING, user_attrs=attributes))
        return self.resume(self.record.get_trials(deepcopy=False)[len(trials)])

    def resume(self, left: FrozenTrial) -> optuna.Trial:
        return optuna.Trial(self.record, left._trial_id)

    def config(self, trial: optuna.Trial) -> ExperimentConfig:
        original = self.search.record.trials[trial.user_attrs["of"]]
        config = self.search.study.configure(
            FixedTrial(original.params),  # type: ignore[arg-type]
            original.user_attrs["baseline"],
        )
        return config.with_values({"seed": config.seed + trial.user_attrs["seed"]})

    def tags(self, trial: optuna.Trial) -> dict[str, int]:
        return {"repeat_of": trial.user_attrs["of"], "repeat_seed": trial.user_attrs["seed"]}

    def end(self, trial: optuna.Trial, outcome: Outcome, run: Run) -> None:
        trial.set_user_attr("metrics", outcome.metrics)
        trial.set_user_attr("reason", outcome.reason)
        self.record.tell(trial, outcome.value(self.search.study))
        run.set_tags({"reason": outcome.reason})

    def _missing(self, trials: Sequence[FrozenTrial]) -> list[tuple[int, int]]:
        """Trials and seeds that nobody has begun, all candidates of a seed one after the other."""
        wanted = (TrialState.COMPLETE, TrialState.RUNNING)
        begun = {(t.user_attrs["of"], t.user_attrs["seed"]) for t in trials if t.state in wanted}
        numbers = self._candidates()
        planned = [(number, seed) for seed in range(1, self.num_seeds + 1) for number in numbers]
        return [pair for pair in planned if pair not in begun]

    def _candidates(self) -> list[int]:
        record = self.search.record
        kept = [trial for trial in finished(record) if feasible(trial)]
        kept.sort(key=lambda trial: (trial.value, trial.number))
        baseline = baseline_trial(record).number
        others = [trial.number for trial in kept if trial.number != baseline]
        return [baseline, *others[:CANDIDATES]]
