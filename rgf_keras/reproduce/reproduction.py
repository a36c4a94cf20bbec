"""What a reproduction of a table is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna

from rgf_keras.config import ExperimentConfig
from rgf_keras.experiments.studies.ranking import finished
from rgf_keras.experiments.studies.study import Study
from rgf_keras.reports.paper_tables import PaperTable
from rgf_keras.tracking.records import Records, RunRecord

# Minutes on two cores; about an hour on two cores; as the paper did.
SCALES = ("smoke", "small", "paper")


@dataclass(frozen=True)
class Reproduction:
    """A table of a paper, as runs.

    Attributes:
        name: of the study.
        question: what the table answers, one sentence.
        runs: configurations by what the table calls them, the first word being the model's name.
        tables: makes the paper's tables of finished runs.
        agreement: says how finished runs compare with the paper's, a line each.
        minimize: the metric that tells of memorization.
        study_options: further arguments of the study.
    """

    name: str
    question: str
    runs: Mapping[str, ExperimentConfig]
    tables: Callable[[Sequence[RunRecord]], list[PaperTable]]
    agreement: Callable[[Sequence[RunRecord]], list[str]]
    minimize: str = "rgf/gap"
    study_options: Mapping[str, Any] = field(default_factory=dict)

    def study(self) -> Study:
        """The runs as trials, the first one being the baseline."""
        (_, baseline), *others = self.runs.items()
        names = [name for name, _ in others]
        return Study(
            name=self.name,
            question=self.question,
            baseline=baseline,
            suggest=lambda trial: self.runs[trial.suggest_categorical("run", names)],
            minimize=self.minimize,
            subject_to=(),  # all are wanted
            num_trials=len(self.runs),
            repeats=0,
            sampler=lambda seed: optuna.samplers.GridSampler({"run": names}, seed=0),
            **self.study_options,
        )

    def finished(self, optuna_study: optuna.Study, records: Records) -> list[RunRecord]:
        """Runs that have a result, in the table's order."""
        first = next(iter(self.runs))
        trials = {
            first if trial.user_attrs["baseline"] else trial.params["run"]: trial.user_attrs
            for trial in finished(optuna_study)
            if not trial.user_attrs["reason"]
        }
        names = [name for name in self.runs if name in trials]
        return [records.run(trials[name]["mlflow_run_id"], name) for name in names]


def model_name(run: RunRecord) -> str:
    """The name of a run's model in the paper's tables."""
    return run.label.split()[0]
