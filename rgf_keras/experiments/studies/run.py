"""Running a study: what one process does. Any number of them may do it at the same time."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from rgf_keras.cache import Cache
from rgf_keras.experiments.studies.optuna_adapter import quiet
from rgf_keras.experiments.studies.ranking import ENDED
from rgf_keras.experiments.studies.stages import Repeats, Search, Stage, running
from rgf_keras.experiments.studies.storage import leases, open_storage
from rgf_keras.experiments.studies.study import Evaluate, Study
from rgf_keras.experiments.studies.trial import TrialRun, evaluate
from rgf_keras.names import check_name
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.tracking.tracker import Context, Tracker, environment_tags

# How long a process waits that can have no trial now.
SECONDS_BETWEEN_LOOKS = 1.0

OnTrial = Callable[[FrozenTrial], None]


@dataclass(frozen=True)
class StudySpec:
    """What is to be run: a study that is not yet open, as every process that runs it gets it.

    Attributes:
        load: makes the study; a function that can be pickled where several processes run it.
        storage: URL of Optuna's storage, or the open storage where one process runs it.
        open_tracker: opens MLflow's record; can be pickled like ``load``.
        name: of the study in the storage and of its parent run.
        work: folder for checkpoints and files of running trials; one for the study is made in it.
        cache: what trials share.
        num_trials: budget, the baseline included; the study's own if None.
        repeats: fresh seeds for the best trials in the end; the study's own if None.
        seed: of the sampler. (The models' seed is part of the configuration.)
        evaluate: instead of the study's own, if given.
    """

    load: Callable[[], Study]
    storage: str | BaseStorage
    open_tracker: Callable[[], AbstractContextManager[Tracker]]
    name: str
    work: Path
    cache: Cache
    num_trials: int | None = None
    repeats: int | None = None
    seed: int = 0
    evaluate: Evaluate | None = None

    @property
    def folder(self) -> Path:
        """The study's own folder."""
        return self.work / self.name

    @contextmanager
    def open(self, on_trial: OnTrial = lambda trial: None) -> Iterator["StudyRunner"]:
        """Open the study in this process, or begin it; ``on_trial``: see :meth:`StudyRunner.tell`.

        Raises:
            RgfError: bad options; a name that no folder may have; what :meth:`Study.check` refuses;
                the study was started with another configuration, or is being run by another process
                where the storage is for one only.
        """
        check_name(self.name, "--name")
        study = self.load().with_options(
            num_trials=self.num_trials, repeats=self.repeats, evaluate=self.evaluate
        )
        space = study.check()
        storage = open_storage(self.storage) if isinstance(self.storage, str) else self.storage
        with quiet(), self.open_tracker() as tracker, leases(storage, self.name) as own:
            with own.exclusive():
                optuna_study = optuna.create_study(
                    study_name=self.name,
                    storage=storage,
                    pruner=study.pruner(),
                    load_if_exists=True,
                    direction="minimize",
                )
                search = Search(optuna_study, study, own, self.seed)
                search.check_space(space)
                runner = StudyRunner(self, search, tracker, on_trial)
            yield runner

    def run(
        self, progress: Progress = SILENT, on_trial: OnTrial = lambda trial: None
    ) -> optuna.Study:
        """Run the study, or what is left of it, in this process; see :func:`run_study`."""
        with self.open(on_trial) as runner:
            while not runner.done:
                if not runner.run_next(progress):
                    time.sleep(SECONDS_BETWEEN_LOOKS)
                runner.tell()
            runner.finish()
        return runner.optuna_study


class StudyRunner:
    """Runs the trials of a study that this process has opened; made by :meth:`StudySpec.open`.

    Attributes:
        search: the trials that the budget counts.
        repeats: the best ones again.
        optuna_study: holds the trials of the search.
    """

    def __init__(self, spec: StudySpec, search: Search, tracker: Tracker, on_trial: OnTrial):
        self.spec, self.search, self.repeats = spec, search, Repeats(search)
        self.study, self.optuna_study = search.study, search.optuna_study
        self.tracker, self.on_trial = tracker, on_trial
        self._parent = self._start_parent()
        self._names_told = set(self._ended_trials())

    @property
    def stage(self) -> Stage:
        """What is to be done now; the last one when all is done."""
        return self.repeats if self.search.done else self.search

    @property
    def done(self) -> bool:
        return self.search.done and self.repeats.done

    def counts(self) -> tuple[int, int]:
        """Trials of the present stage that have ended, and all of them as far as they are known."""
        trials = self.stage.trials
        num_ended = sum(trial.state in ENDED for trial in trials)
        return num_ended, num_ended + len(running(trials)) + max(self.stage.room(trials), 0)

    def run_next(self, progress: Progress) -> bool:
        """Run one trial; False if none is to be had now.

        Raises:
            RgfError: the baseline has no result; anything an assessment refuses.
        """
        stage = self.stage
        trial = stage.claim()
        if trial is None:
            return False
        name, known = stage.name(trial), trial.user_attrs.get("mlflow_run_id")
        folder, tags = self.spec.folder / name, {**environment_tags(), **stage.tags(trial)}
        with self.tracker.run(name, tags, self._parent, known) as run:
            trial.set_user_attr("mlflow_run_id", run.id)
            trial_run = TrialRun(run, trial, self.study)
            context = Context(trial_run, folder, self.spec.cache, progress)
            stage.close(trial, evaluate(self.study, stage.config(trial), context), run)
        shutil.rmtree(folder, ignore_errors=True)
        return True

    def run_some(self, most: int, progress: Progress) -> None:
        """Run trials one after the other while there are any, at most so many."""
        import keras  # not to be imported before a trial is to run

        while most > 0 and self.run_next(progress):
            keras.utils.clear_session()
            most -= 1

    def tell(self) -> bool:
        """Call ``on_trial`` with trials that have ended since, whoever ran them; False if none."""
        trials = self._ended_trials()
        new_names = [name for name in trials if name not in self._names_told]
        self._names_told.update(new_names)
        for name in new_names:
            self.on_trial(trials[name])
        return bool(new_names)

    def finish(self) -> None:
        """End the study's own run: all is done."""
        self.tracker.start(self.spec.name, {}, id=self._parent).finish()

    def _ended_trials(self) -> dict[str, FrozenTrial]:
        """Trials and repeats by name."""
        stages = (self.search, self.repeats)
        trials = {stage.name(trial): trial for stage in stages for trial in stage.trials}
        return {name: trial for name, trial in trials.items() if trial.state in ENDED}

    def _start_parent(self) -> str:
        """The id of the study's own run, which is begun if need be."""
        known = self.optuna_study.user_attrs.get("mlflow_run_id")
        run = self.tracker.start(self.spec.name, {"study": self.spec.name}, id=known)
        if known is None:
            self.optuna_study.set_user_attr("mlflow_run_id", run.id)
            run.set_tags({**environment_tags(), "question": self.study.question})
            run.log_params({"minimize": self.study.minimize, "seed": self.spec.seed})
        return run.id


def run_study(
    study: Study,
    name: str,
    workspace: Path,
    storage: BaseStorage,
    tracker: Tracker,
    cache: Cache,
    num_trials: int | None = None,
    seed: int = 0,
    repeats: int | None = None,
    progress: Progress = SILENT,
    on_trial: OnTrial = lambda trial: None,
    evaluate: Evaluate | None = None,
) -> optuna.Study:
    """Run a study, or what is left of it, in this process.

    A study of this name in the storage is continued: ended trials count towards the budget, and
    a trial that a killed process left behind is resumed from its checkpoint under its own number.
    Where the storage is for several processes, they may run the study at the same time, here or on
    other machines; then what the sampler suggests depends on which trials have ended.

    Args:
        study: what to search.
        name: see :class:`StudySpec`, as all that is not named here.
        workspace: folder for checkpoints and files of running trials.
        storage: Optuna's.
        tracker: MLflow's record: one parent run, one child per trial.
        progress: is told how far the work is.
        on_trial: called with every trial that ends.

    Raises:
        RgfError: what :meth:`StudySpec.open` refuses; the baseline has no result; anything an
            assessment refuses.
    """
    tracked = nullcontext(tracker)
    spec = StudySpec(
        lambda: study, storage, lambda: tracked, name, workspace, cache, num_trials, repeats, seed,
        evaluate,
    )  # fmt: skip
    return spec.run(progress, on_trial)
