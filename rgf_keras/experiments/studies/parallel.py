"""Running a study with several workers: processes that claim trials, here or on a cluster."""

import logging
import time
from collections.abc import Callable
from contextlib import closing

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial

from rgf_keras.errors import LostLease, RgfError, first_line
from rgf_keras.experiments.studies.run import (
    MAX_FAILURES,
    SECONDS_BETWEEN_LOOKS,
    StudyRunner,
    StudySpec,
)
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.runtime.progress import Progress
from rgf_keras.runtime.workers import Workers, WorkersSpec

# No process frees all that Keras and a device keep of a model: one is replaced after so many, or
# after each where the next one starts at once.
TRIALS_PER_PROCESS = 10

# So many workers in a row that die or fail before they end a trial end the study.
MAX_DEATHS = 5

# So many rounds in a row that a lost storage ends before a trial has ended end the study.
MAX_VAIN_ROUNDS = 3

# A database may be away for so long.
PATIENCE_SECONDS = 600.0
logger = logging.getLogger(__name__)


def run_parallel(
    spec: StudySpec, where: WorkersSpec, progress: Progress, on_trial: Callable[[FrozenTrial], None]
) -> optuna.Study:
    """Run a study, or what is left of it, in other processes, so that memory does not grow.

    The baseline runs first and alone, so that what trials share is made once. A worker that dies
    is replaced, and its trial resumed: from its checkpoint where workers share the workspace, else
    from the beginning. (See :func:`rgf_keras.experiments.studies.run.run_study`.)

    Args:
        spec: what to run; all workers must reach its storage, which is for several processes, and
            its tracking address.
        where: how many workers, and where.
        progress: is told how far the work is.
        on_trial: called with every trial that ends, also on other machines.

    Raises:
        RgfError: a worker raised it; workers keep dying; the storage is lost again and again;
            there is no cluster.
    """
    if str(spec.storage).startswith("sqlite"):
        raise RgfError(
            "SQLite storages are for one worker; use journal:///PATH, PostgreSQL or MySQL"
        )
    ended: list[FrozenTrial] = []

    def tell(trial: FrozenTrial) -> None:
        ended.append(trial)
        on_trial(trial)

    num_vain = 0
    while True:
        try:
            return _run_workers(spec, where, progress, tell)
        except (LostLease, StorageInternalError) as error:
            cause = first_line(error.__cause__ or error)
            num_vain = 1 if ended else num_vain + 1
            ended.clear()
            if num_vain == MAX_VAIN_ROUNDS:
                raise RgfError(
                    f"Optuna's storage was lost {num_vain} times before a trial ended, last by "
                    f"{cause}; mend it, and the same command continues"
                ) from error
            logger.warning("Optuna's storage does not answer (%s); waiting for it", cause)
            time.sleep(SECONDS_BETWEEN_LOOKS)
            _wait_for_storage(spec)


def _run_workers(
    spec: StudySpec, where: WorkersSpec, progress: Progress, on_trial: Callable[[FrozenTrial], None]
) -> optuna.Study:
    deaths, num_vain = list[str](), 0
    with closing(where.open(_run_trials, spec)) as workers, spec.open(on_trial) as runner:
        runner.show(progress)
        with runner.forgiving(), closing(workers):  # they end before the runner does
            while not runner.done:
                _start(runner, workers, progress)
                results = workers.wait(SECONDS_BETWEEN_LOOKS)
                deaths += [result.cause_of_death for result in results if result.cause_of_death]
                num_vain += len(results)
                if runner.tell():
                    deaths.clear()
                    num_vain = 0
                    runner.show(progress)
                _check(deaths, num_vain)
        runner.tell()
        runner.show(progress)
        runner.finish()
    return runner.optuna_study


def _run_trials(spec: StudySpec, num_trials: int, progress: Progress) -> None:
    """A worker's task: so many trials, or as many as are to be had."""
    try:
        with spec.open() as runner:
            runner.run_some(num_trials, progress)
    except StorageInternalError as error:  # what the process holds is lost, as its leases are
        raise LostLease(first_line(error.__cause__ or error)) from error


def _wait_for_storage(spec: StudySpec) -> None:
    """Wait until a database that is restarted answers again.

    Raises:
        RgfError: it does not.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while isinstance(spec.storage, str):
        try:
            open_storage(spec.storage)
            return
        except RgfError:
            if time.monotonic() > deadline:
                raise
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _start(runner: StudyRunner, workers: Workers, progress: Progress) -> None:
    """Start as many workers as trials are to be had."""
    claimable, under_way = runner.stage.claimable_and_under_way()
    starting = max(workers.num_busy - under_way, 0)
    free = workers.num_workers - workers.num_busy
    alone = not runner.search.has_baseline
    num_trials = 1 if alone or workers.starts_at_once else TRIALS_PER_PROCESS
    for _ in range(min(claimable - starting, free)):
        workers.start(num_trials, progress, alone)


def _check(deaths: list[str], num_vain: int) -> None:
    if num_vain - len(deaths) >= MAX_FAILURES:
        raise RgfError(
            f"{num_vain - len(deaths)} attempts in a row failed, for the reasons above; mend them, "
            "and the same command continues"
        )
    if len(deaths) >= MAX_DEATHS:
        raise RgfError(
            f"{len(deaths)} workers in a row died before their trials ended, the last one by "
            f"{deaths[-1]}; is there enough memory? The same command continues, with fewer "
            "--workers if you like"
        )
