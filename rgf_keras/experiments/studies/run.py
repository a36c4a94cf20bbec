"""Running a study: what one process does. Any number of them may do it at the same time."""

import shutil
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from rgf_keras.cache import Cache
from rgf_keras.config import ExperimentConfig
from rgf_keras.errors import Diverged, RgfError
from rgf_keras.experiments.studies.pruning import Watched
from rgf_keras.experiments.studies.repeats import Repeats
from rgf_keras.experiments.studies.search import Search
from rgf_keras.experiments.studies.stages import ENDED, Stage, running
from rgf_keras.experiments.studies.storage import leases, open_storage
from rgf_keras.experiments.studies.study import Evaluate, Outcome, Study, check_repeats
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.tracking.tracker import Context, Run, Tracker, environment_tags

# How long a process waits that finds all trials taken.
SECONDS_BETWEEN_LOOKS = 1.0


@dataclass(frozen=True)
class Plan:
    """How a study is to be run.

    Args:
        name: of the study in the storage and of its parent run.
        work: folder for checkpoints and files of running trials; one for the study is made in it.
        cache: what trials share.
        num_trials: budget, the baseline included; the study's own if None.
        repeats: fresh seeds for the best trials in the end; the study's own if None.
        seed: of the sampler. (The models' seed is part of the configuration.)
        evaluate: instead of the study's own, if given.
    """

    name: str
    work: Path
    cache: Cache
    num_trials: int | None = None
    repeats: int | None = None
    seed: int = 0
    evaluate: Evaluate | None = None


@dataclass(frozen=True)
class Job:
    """A study to be run by several processes, as each of them can be told: pickled, not yet open.

    Args:
        load: makes the study.
        storage: URL of Optuna's record.
        open_tracker: opens MLflow's record, a context manager.
        plan: how it is to be run.
    """

    load: Callable[[], Study]
    storage: str
    open_tracker: Callable[[], Any]
    plan: Plan

    @contextmanager
    def open(self) -> Iterator["Session"]:
        """The study, opened by this process."""
        with (
            self.open_tracker() as tracker,
            open_session(self.load(), open_storage(self.storage), tracker, self.plan) as session,
        ):
            yield session


@dataclass(frozen=True)
class Session:
    """A study that this process has opened.

    Args:
        search: its trials.
        repeats: the best ones again.
        tracker: MLflow's record: one parent run, one child per trial.
        parent: id of the parent run.
        plan: how it is run.
    """

    search: Search
    repeats: Repeats
    tracker: Tracker
    parent: str
    plan: Plan

    @property
    def record(self) -> optuna.Study:
        return self.search.record

    @property
    def stage(self) -> Stage:
        """What is to be done now; the last one when all is done."""
        return self.repeats if self.search.done else self.search

    @property
    def done(self) -> bool:
        return self.search.done and self.repeats.done

    def count(self) -> tuple[int, int]:
        """Trials of the present stage that have ended, and all of them as far as they are known."""
        trials = self.stage.record.get_trials(deepcopy=False)
        ended = sum(trial.state in ENDED for trial in trials)
        return ended, ended + len(running(trials)) + max(self.stage.room(trials), 0)

    def run_next(self, progress: Progress) -> bool:
        """Run one trial; False if none is to be had now.

        Raises:
            RgfError: the baseline has no result; anything an assessment refuses.
        """
        stage = self.stage
        trial = stage.claim()
        if trial is None:
            return False
        folder = self.plan.work / self.plan.name / stage.name(trial)
        with self._run(stage, trial) as run:
            context = Context(stage.watch(trial, run), folder, self.plan.cache, progress)
            outcome = self._evaluate(stage.config(trial), context)
            stage.close(trial, outcome, run)
        shutil.rmtree(folder, ignore_errors=True)
        return True

    def run_some(self, most: int, progress: Progress) -> None:
        """Run trials one after the other while there are any, at most so many."""
        while most > 0 and self.run_next(progress):
            keras.utils.clear_session()
            most -= 1

    @contextmanager
    def _run(self, stage: Stage, trial: optuna.Trial) -> Iterator[Run]:
        known = trial.user_attrs.get("mlflow_run_id")
        tags = {**environment_tags(), **stage.tags(trial)}
        with self.tracker.run(stage.name(trial), tags, self.parent, known) as run:
            trial.set_user_attr("mlflow_run_id", run.id)
            yield run

    def _evaluate(self, config: ExperimentConfig, context: Context) -> Outcome:
        context.folder.mkdir(parents=True, exist_ok=True)
        evaluate = self.plan.evaluate or self.search.study.evaluate
        try:
            return Outcome(evaluate(config, context).metrics)
        except Diverged as error:
            return Outcome({}, str(error))
        except optuna.TrialPruned as error:
            assert isinstance(context.run, Watched)
            return Outcome(context.run.evaluation, str(error), pruned=True)


class News:
    """Tells of trials that end, whoever ran them."""

    def __init__(self, session: Session, on_trial: Callable[[FrozenTrial], None]):
        self.on_trial = on_trial
        self.records = (session.search.record, session.repeats.record)
        self._told = {self._key(trial) for trial in self._ended()}

    def tell(self) -> bool:
        """Call ``on_trial`` with every trial that has ended since; False if none has."""
        new = [trial for trial in self._ended() if self._key(trial) not in self._told]
        for trial in new:
            self._told.add(self._key(trial))
            self.on_trial(trial)
        return bool(new)

    def _ended(self) -> list[FrozenTrial]:
        found = [record.get_trials(deepcopy=False, states=ENDED) for record in self.records]
        return [trial for trials in found for trial in trials]

    @staticmethod
    def _key(trial: FrozenTrial) -> int:
        return trial._trial_id


@contextmanager
def open_session(
    study: Study, storage: BaseStorage, tracker: Tracker, plan: Plan
) -> Iterator[Session]:
    """Open a study, or begin it.

    Raises:
        RgfError: a bad budget; the study was started with another configuration, or is being run
            by another process where the storage is for one only.
    """
    num_trials = study.num_trials if plan.num_trials is None else plan.num_trials
    if num_trials < 1:
        raise RgfError(f"the number of trials must be at least 1, received {num_trials}")
    num_seeds = study.repeats if plan.repeats is None else plan.repeats
    check_repeats(num_seeds)
    with leases(storage, plan.name) as held, warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        with held.exclusive():
            record = optuna.create_study(
                study_name=plan.name,
                storage=storage,
                pruner=study.pruner(),
                load_if_exists=True,
                direction="minimize",
            )
            search = Search(record, study, num_trials, plan.seed, held)
            repeats = Repeats(search, num_seeds)
            parent = _parent(record, study, tracker, plan)
        yield Session(search, repeats, tracker, parent, plan)


def _parent(record: optuna.Study, study: Study, tracker: Tracker, plan: Plan) -> str:
    """The id of the study's run, which is begun if need be."""
    known = record.user_attrs.get("mlflow_run_id")
    run = tracker.start(plan.name, {"study": plan.name}, id=known)
    if known is None:
        record.set_user_attr("mlflow_run_id", run.id)
        run.set_tags({**environment_tags(), "question": study.question})
        run.log_params({"minimize": study.minimize, "seed": plan.seed})
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
    on_trial: Callable[[FrozenTrial], None] = lambda trial: None,
    evaluate: Evaluate | None = None,
) -> optuna.Study:
    """Run a study, or what is left of it, in this process.

    A study of this name in the storage is continued: ended trials count towards the budget, and
    a trial that a killed process left behind is resumed from its checkpoint under its own number.
    Where the storage is for several processes, they may run the study at the same time, here or on
    other machines; then what the sampler suggests depends on which trials have ended.

    Args:
        study: what to search.
        name: see :class:`Plan`, as ``num_trials``, ``seed``, ``repeats`` and ``evaluate``.
        workspace: folder for checkpoints and files of running trials.
        storage: Optuna's record.
        tracker: MLflow's record: one parent run, one child per trial.
        cache: what trials share.
        progress: is told how far the work is.
        on_trial: called with every trial that ends.

    Raises:
        RgfError: the study was started with another configuration or is being run by another
            process; the baseline has no result; anything an assessment refuses.
    """
    plan = Plan(name, workspace, cache, num_trials, repeats, seed, evaluate)
    with open_session(study, storage, tracker, plan) as session:
        return _run(session, progress, on_trial)


def run_job(
    job: Job,
    progress: Progress = SILENT,
    on_trial: Callable[[FrozenTrial], None] = lambda trial: None,
) -> optuna.Study:
    """Run a job in this process, see :func:`run_study`."""
    with job.open() as session:
        return _run(session, progress, on_trial)


def _run(
    session: Session, progress: Progress, on_trial: Callable[[FrozenTrial], None]
) -> optuna.Study:
    news = News(session, on_trial)
    while not session.done:
        if not session.run_next(progress):
            time.sleep(SECONDS_BETWEEN_LOOKS)
        news.tell()
    finish(session)
    return session.record


def finish(session: Session) -> None:
    """Close the study's own run: all is done."""
    session.tracker.start(session.plan.name, {}, id=session.parent).finish()
