"""Running a study: what one process does. Any number of them may do it at the same time."""

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from rgf_keras.cache import Cache
from rgf_keras.errors import RgfError, first_line
from rgf_keras.experiments.studies import attempts, home, samplers
from rgf_keras.experiments.studies.optuna_adapter import quiet, resume, snapshot
from rgf_keras.experiments.studies.pictures import Pictures
from rgf_keras.experiments.studies.ranking import ENDED
from rgf_keras.experiments.studies.stages import Repeats, Search, Stage, outcome_of, running
from rgf_keras.experiments.studies.storage import leases, open_storage
from rgf_keras.experiments.studies.study import Evaluate, Study
from rgf_keras.experiments.studies.trial import Outcome, TrialRun, evaluate
from rgf_keras.names import check_name
from rgf_keras.runtime.progress import SILENT, CheckedProgress, Progress
from rgf_keras.tracking import views
from rgf_keras.tracking.tracker import (
    LOCAL,
    Context,
    Tracker,
    environment_tags,
    log_packages,
    new_id,
)

# How long a process waits that can have no trial now.
SECONDS_BETWEEN_LOOKS = 1.0

# So many attempts in a row, of several trials, that fail end the command.
MAX_FAILURES = 3 * attempts.MAX_ATTEMPTS

INTENT, RUN_ID = "run", "mlflow_run_id"  # attributes: the id that we give a run, and MLflow's

logger = logging.getLogger(__name__)

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
        pictures: folder for trials' pictures, Optuna's artifact store; none are kept there if None.
        sampler: instead of the study's own, if given.
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
    pictures: Path | None = None
    sampler: samplers.Sampler | None = None

    @property
    def folder(self) -> Path:
        """The study's own folder."""
        return self.work / self.name

    @contextmanager
    def open(self, on_trial: OnTrial = lambda trial: None) -> Iterator["StudyRunner"]:
        """Open the study in this process, or begin it; ``on_trial``: see :meth:`StudyRunner.tell`.

        Raises:
            RgfError: bad options; a name that no folder may have; what :meth:`Study.check` refuses;
                the study was started with another configuration or backend, is another one than
                that of this name whose files are in the folder, or is being run by another process
                where the storage is for one only.
        """
        check_name(self.name, "--name")
        study = self.load().with_options(
            num_trials=self.num_trials,
            repeats=self.repeats,
            evaluate=self.evaluate,
            sampler=self.sampler,
        )
        space = study.check()
        storage = open_storage(self.storage) if isinstance(self.storage, str) else self.storage
        with quiet(), self.open_tracker() as tracker, leases(storage, self.name) as own:
            with own.exclusive(), home.claimed(self.folder, storage, self.name):
                optuna_study = optuna.create_study(
                    study_name=self.name,
                    storage=storage,
                    pruner=study.pruner(),
                    load_if_exists=True,
                    directions=["minimize"] * len(study.objectives),
                )
                search = Search(optuna_study, study, own, self.seed)
                search.check_space(space)
                runner = StudyRunner(self, search, tracker, on_trial)
            for line in samplers.cautions(study.sampler, space, study.subject_to):
                tracker.tell(line)
            yield runner

    def run(
        self, progress: Progress = SILENT, on_trial: OnTrial = lambda trial: None
    ) -> optuna.Study:
        """Run the study, or what is left of it, in this process; see :func:`run_study`."""
        with self.open(on_trial) as runner:
            runner.show(progress)
            while not runner.done:
                if not runner.run_next(progress):
                    time.sleep(SECONDS_BETWEEN_LOOKS)
                runner.tell()
                runner.show(progress)
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
        self.pictures = Pictures(spec.pictures) if spec.pictures else None
        self._parent = self._start_parent()
        self._tasks: dict[str, Progress] = {}
        self._shown: dict[str, tuple[int, int]] = {}
        self._names_told, self._num_failures = set(self._ended_trials()), 0
        self._mend_records()

    @property
    def stage(self) -> Stage:
        """What is to be done now; the last one when all is done."""
        return self.repeats if self.search.done else self.search

    @property
    def done(self) -> bool:
        return self.search.done and self.repeats.done

    def show(self, progress: Progress) -> None:
        """Tell how far the search is, and then its repeats if any are wanted."""
        stages: dict[str, Stage] = {"trials": self.search}
        if self.search.done:
            stages["repeats"] = self.repeats
        for name, stage in stages.items():
            trials = stage.trials
            num_ended = sum(trial.state in ENDED for trial in trials)
            count = num_ended, num_ended + len(running(trials)) + max(stage.room(trials), 0)
            if name not in self._tasks:
                self._tasks[name] = progress.task(name, "trials")  # its time begins now
            if num_ended and self._shown.get(name) != count:
                self._shown[name] = count
                self._tasks[name](*count)

    def run_next(self, progress: Progress) -> bool:
        """Run one trial; False if none is to be had now.

        Raises:
            RgfError: the baseline has no result; anything an assessment refuses.
        """
        stage = self.stage
        trial = stage.claim()
        if trial is None:
            return False
        name, check = stage.name(trial), stage.leases.check
        folder, tags = (
            self.spec.folder / name,
            {**environment_tags(self.study.file), **stage.tags(trial)},
        )
        with self.tracker.run(name, tags, self._parent, _run_id(trial)) as run:
            trial.set_user_attr(RUN_ID, run.id)
            trial_run = TrialRun(run, trial, self.study, check, self.pictures)
            context = Context(trial_run, folder, self.spec.cache, CheckedProgress(progress, check))
            outcome = self._known_outcome(stage, trial, folder)
            outcome = outcome or self._evaluate(stage, trial, context)
            if outcome:
                stage.close(trial, outcome, run, folder)
            else:
                run.ending = "FAILED"
        if not outcome:
            stage.leases.give_back(name)
        return True

    def _known_outcome(self, stage: Stage, trial: optuna.Trial, folder: Path) -> Outcome | None:
        """How a trial ends that is not to be evaluated."""
        known = snapshot(stage.optuna_study, trial)
        if outcome := outcome_of(known):
            return outcome
        if reason := stage.misfit(known):
            return Outcome({}, reason, failed=True)
        return attempts.begin(trial, folder)

    def _evaluate(self, stage: Stage, trial: optuna.Trial, context: Context) -> Outcome | None:
        """Evaluate a trial; None if that failed, and it is to be begun again.

        Raises:
            Exception: the baseline failed; what somebody is to mend; too many failures in a row.
        """
        config = stage.config(trial)
        try:
            outcome = evaluate(self.study, config, context)
        except Exception as error:
            if attempts.is_blameless(error):
                with suppress(Exception):  # the storage may be away, or full itself
                    attempts.forgive(trial)
                raise
            count = attempts.fail(trial, error)
            if isinstance(error, RgfError | OSError) or trial.user_attrs.get("baseline"):
                raise
            self._num_failures += 1
            if self._num_failures == MAX_FAILURES:
                raise
            place = f"{context.folder.name}: attempt {count} of {attempts.MAX_ATTEMPTS} failed"
            logger.warning("%s (%s)", place, first_line(error), exc_info=count == 1)
            return None
        except BaseException:  # an interrupt
            attempts.forgive(trial)
            raise
        self._num_failures = 0
        return outcome

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

    @contextmanager
    def forgiving(self) -> Iterator[None]:
        """Count no attempts at trials whose processes are ended in the end."""
        try:
            yield
        finally:
            with suppress(Exception):  # whatever ended the work is to be told, not this
                for stage in (self.search, self.repeats):
                    for trial in stage.left_behind():
                        attempts.forgive(resume(stage.optuna_study, trial))

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
        known = self.optuna_study.user_attrs.get(RUN_ID)
        id = _run_id(self.optuna_study)
        run = self.tracker.start(self.spec.name, {"study": self.spec.name}, id=id)
        ids = [id for id in (known, run.id) if id and not id.startswith(LOCAL)]
        is_elsewhere = len(set(ids)) > 1
        if known is None or is_elsewhere:
            run.set_tags({**environment_tags(self.study.file), "question": self.study.question})
            run.log_params({"minimize": ", ".join(self.study.objectives), "seed": self.spec.seed})
            metrics = self.study.required_metrics.values()
            run.tag_experiment(views.experiment_tags(self.study.question, "", metrics))
            log_packages(run, self.spec.folder)
        if is_elsewhere:
            self.tracker.tell(
                f"study '{self.spec.name}' has records in another MLflow, or they were deleted "
                "here: what is recorded now stands alone. Give all machines one --tracking-uri "
                "that they all reach"
            )
        if known is None or known.startswith(LOCAL):
            self.optuna_study.set_user_attr(RUN_ID, run.id)
        return run.id

    def _mend_records(self) -> None:
        """Record the end of trials whose process died before it did, and delete their folders."""
        unfinished = self.tracker.unfinished(self._parent)
        for stage in (self.search, self.repeats):
            for trial in stage.trials:
                id, outcome = trial.user_attrs.get(RUN_ID), outcome_of(trial)
                if trial.state not in ENDED or outcome is None:
                    continue
                shutil.rmtree(self.spec.folder / stage.name(trial), ignore_errors=True)
                if id in unfinished:
                    run = self.tracker.start(stage.name(trial), {}, self._parent, id)
                    stage.record(trial, outcome, run)


def _run_id(owner: optuna.Study | optuna.Trial) -> str:
    """Our id of the run of a study or trial, noted before the run begins; MLflow's before 0.2.

    So a process that dies once the run has begun leaves an id by which it is found.
    """
    known = owner.user_attrs
    if INTENT not in known:
        if RUN_ID in known:
            return known[RUN_ID]
        owner.set_user_attr(INTENT, new_id())
    return owner.user_attrs[INTENT]


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
    pictures: Path | None = None,
    sampler: samplers.Sampler | None = None,
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
        evaluate, pictures, sampler,
    )  # fmt: skip
    return spec.run(progress, on_trial)
