"""What a reproduction of a table is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial

from rgf_keras.config import ExperimentConfig
from rgf_keras.experiments.assessment.assess import assess
from rgf_keras.experiments.studies.ranking import finished
from rgf_keras.experiments.studies.study import WORST, Evaluate, Study
from rgf_keras.reports.paper_tables import PaperTable
from rgf_keras.tracking.records import Records, RunRecord

# Minutes on two cores; about an hour on two cores; as the paper did.
SCALES = ("smoke", "small", "paper")


@dataclass(frozen=True)
class Reproduction:
    """A table of a paper, as runs.

    Args:
        name: of the study.
        question: what the table answers, one sentence.
        runs: configurations by what the table calls them.
        tables: of finished runs.
        agreement: how finished runs compare with the paper's, a line each.
        minimize: the metric that tells of memorization.
        evaluate: what becomes of a configuration.
        worst: what a run without a result is worth.
    """

    name: str
    question: str
    runs: Mapping[str, ExperimentConfig]
    tables: Callable[[Sequence[RunRecord]], list[PaperTable]]
    agreement: Callable[[Sequence[RunRecord]], list[str]]
    minimize: str = "rgf/gap"
    evaluate: Evaluate = assess
    worst: float = WORST

    def study(self) -> Study:
        """The runs as trials, the first one being the baseline."""
        (_, first), *others = self.runs.items()
        names = [name for name, _ in others]

        def suggest(trial: optuna.Trial) -> ExperimentConfig:
            return self.runs[trial.suggest_categorical("run", names)]

        return Study(
            name=self.name,
            question=self.question,
            baseline=first,
            suggest=suggest,
            minimize=self.minimize,
            subject_to=(),  # all are wanted
            num_trials=len(self.runs),
            sampler=lambda seed: optuna.samplers.GridSampler({"run": names}, seed=0),
            evaluate=self.evaluate,
            worst=self.worst,
        )

    def finished(self, record: optuna.Study, records: Records) -> list[RunRecord]:
        """Runs that have a result, in the table's order."""
        found = {self._name(trial): trial for trial in finished(record)}
        return [
            records.run(found[name].user_attrs["mlflow_run_id"], name)
            for name in self.runs
            if name in found and not found[name].user_attrs["reason"]
        ]

    def _name(self, trial: FrozenTrial) -> str:
        return next(iter(self.runs)) if trial.user_attrs["baseline"] else trial.params["run"]
