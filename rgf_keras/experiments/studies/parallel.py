"""Running a study with several workers: processes that claim trials, here or on a cluster."""

from collections.abc import Callable
from contextlib import closing

import optuna
from optuna.trial import FrozenTrial

from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies.run import SECONDS_BETWEEN_LOOKS, StudyRunner, StudySpec
from rgf_keras.runtime.progress import Progress
from rgf_keras.runtime.workers import Workers, WorkersSpec

# No process frees all that Keras and a device keep of a model: one is replaced after so many, and
# where processes follow each other, which start at once, after each.
TRIALS_PER_PROCESS = 10

# So many workers in a row that die before they end a trial end the study.
MAX_DEATHS = 5


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
        RgfError: a worker raised it; workers keep dying; there is no cluster.
    """
    if str(spec.storage).startswith("sqlite"):
        raise RgfError(
            "SQLite storages are for one worker; use journal:///PATH, PostgreSQL or MySQL"
        )
    trials, deaths = progress.task("trials", "trials"), list[str]()
    with closing(where.open(_run_trials, spec)) as workers, spec.open(on_trial) as runner:
        with runner.forgiving(), closing(workers):  # they end before the runner does
            while not runner.done:
                _start(runner, workers, progress)
                results = workers.wait(SECONDS_BETWEEN_LOOKS)
                deaths += [result.cause_of_death for result in results if result.cause_of_death]
                if runner.tell():
                    deaths.clear()
                    trials(*runner.counts())
                _check(deaths)
        runner.tell()
        runner.finish()
    return runner.optuna_study


def _run_trials(spec: StudySpec, num_trials: int, progress: Progress) -> None:
    """A worker's task: so many trials, or as many as are to be had."""
    with spec.open() as runner:
        runner.run_some(num_trials, progress)


def _start(runner: StudyRunner, workers: Workers, progress: Progress) -> None:
    """Start as many workers as trials are to be had."""
    claimable, under_way = runner.stage.claimable_and_under_way()
    starting = max(workers.num_busy - under_way, 0)
    free = workers.num_workers - workers.num_busy
    alone = not runner.search.has_baseline or workers.num_workers == 1
    for _ in range(min(claimable - starting, free)):
        workers.start(1 if alone else TRIALS_PER_PROCESS, progress, alone)


def _check(deaths: list[str]) -> None:
    if len(deaths) >= MAX_DEATHS:
        raise RgfError(
            f"{len(deaths)} workers in a row died before their trials ended, the last one by "
            f"{deaths[-1]}; is there enough memory? The same command continues, with fewer "
            "--workers if you like"
        )
