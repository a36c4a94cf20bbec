"""What a reproduction of a table or figure is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from rgf_keras.config import AssessConfig, ExperimentConfig
from rgf_keras.experiments.studies import attempts
from rgf_keras.experiments.studies.ranking import finished
from rgf_keras.experiments.studies.study import Evaluate, Study
from rgf_keras.reports.paper_tables import PaperTable
from rgf_keras.runtime import locks
from rgf_keras.tracking.records import Records, RunRecord

if TYPE_CHECKING:
    from rgf_keras.tracking.tracker import Context

# Minutes on two cores; about an hour on two cores; as the paper did.
SCALES = ("smoke", "small", "paper")


def assess_once(config: AssessConfig, context: "Context") -> Any:
    """Assess where ``rgf assess`` would: what one table has trained, no other trains again."""
    from rgf_keras.experiments.assessment.assess import assess  # which imports Keras

    folder = context.folder.parents[1] / config.folder_name
    attempts.note_folder(folder, context.folder)
    with locks.exclusive(folder / "command.lock"):  # another table's trial may be at it
        return assess(config, replace(context, folder=folder))


@dataclass(frozen=True)
class Reproduction:
    """A table or figure of a paper, as runs.

    Attributes:
        name: of the study.
        question: what it answers, one sentence.
        runs: configurations by what the table calls them, the first word being the model's name.
        tables: makes the paper's tables of finished runs.
        agreement: says how finished runs compare with the paper's, a line each.
        figures: makes the paper's figures of finished runs, PNGs in a folder.
        needs: the file of a run that its figures are made of, beside those of every assessment.
        minimize: the metric that tells of memorization.
        evaluate: a configuration.
        study_options: further arguments of the study.
    """

    name: str
    question: str
    runs: Mapping[str, ExperimentConfig]
    tables: Callable[[Sequence[RunRecord]], list[PaperTable]]
    agreement: Callable[[Sequence[RunRecord]], list[str]]
    figures: Callable[[Sequence[RunRecord], Path], list[Path]] = lambda runs, folder: []
    needs: str = ""
    minimize: str = "rgf/gap"
    evaluate: Evaluate = assess_once
    study_options: Mapping[str, Any] = field(default_factory=dict)

    def study(self) -> Study:
        """The runs as trials, the first one being the baseline."""
        (_, baseline), *others = self.runs.items()
        names = [name for name, _ in others] or [*self.runs]
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
            evaluate=self.evaluate,
            **self.study_options,
        )

    def finished(self, optuna_study: optuna.Study, records: Records) -> list[RunRecord]:
        """Runs that have a result, in the table's order."""
        ids = self.finished_ids(optuna_study)
        return [records.run(ids[name], name) for name in self.runs if name in ids]

    def finished_ids(self, optuna_study: optuna.Study) -> dict[str, str]:
        """MLflow's ids of the runs that have a result, by name."""
        first = next(iter(self.runs))
        return {
            first if trial.user_attrs["baseline"] else trial.params["run"]: trial.user_attrs[
                "mlflow_run_id"
            ]
            for trial in finished(optuna_study)
            if not trial.user_attrs["reason"]
        }


def model_name(run: RunRecord) -> str:
    """The name of a run's model in the paper's tables."""
    return run.label.split()[0]
