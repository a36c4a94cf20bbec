"""Running a study with several workers: processes that claim trials, here or on a cluster."""

from collections.abc import Callable
from typing import Protocol

import optuna
from optuna.trial import FrozenTrial

from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies.run import SECONDS_BETWEEN_LOOKS, StudyRunner, StudySpec
from rgf_keras.runtime.progress import Progress

# No process frees all that Keras and a device keep of a model: one is replaced after so many.
TRIALS_PER_PROCESS = 10

# So many workers in a row that die before they end a trial end the study.
MAX_DEATHS = 5


class Workers(Protocol):
    """Where trials run. A worker is a process that claims trials, runs them and ends."""

    num_workers: int

    @property
    def num_busy(self) -> int:
        """Workers that have been started and have not ended."""

    def start(self, spec: StudySpec, num_trials: int, alone: bool) -> None:
        """Start a worker.

        Args:
            spec: what to run.
            num_trials: after so many it ends, or when there are no more to be had.
            alone: it gets the share of all of them.
        """

    def wait(self, seconds: float) -> list[str]:
        """Wait for so long, or until a worker ends; returns how workers died.

        Raises:
            RgfError: what a worker could not go on with.
        """

    def close(self) -> None:
        """End all workers. Their trials can be resumed."""


def run_parallel(
    spec: StudySpec, workers: Workers, progress: Progress, on_trial: Callable[[FrozenTrial], None]
) -> optuna.Study:
    """Run a study, or what is left of it, in other processes.

    The baseline runs first and alone, so that what trials share is made once. A worker that dies
    is replaced, and its trial resumed. (See :func:`rgf_keras.experiments.studies.run.run_study`.)

    Args:
        spec: what to run; its storage is for several processes.
        workers: where to run it.
        progress: is told how far the work is.
        on_trial: called with every trial that ends, also on other machines.

    Raises:
        RgfError: a worker raised it; workers keep dying.
    """
    if str(spec.storage).startswith("sqlite"):
        raise RgfError(
            "SQLite storages are for one worker; use journal:///PATH, PostgreSQL or MySQL"
        )
    with spec.open(on_trial) as runner:
        progress = progress.task("trials", "trials")
        deaths: list[str] = []
        try:
            while not runner.done:
                _start(runner, spec, workers)
                deaths += workers.wait(SECONDS_BETWEEN_LOOKS)
                if runner.tell():
                    deaths.clear()
                    progress(*runner.counts())
                _check(deaths)
        finally:
            workers.close()
        runner.tell()
        runner.finish()
    return runner.optuna_study


def _start(runner: StudyRunner, spec: StudySpec, workers: Workers) -> None:
    """Start as many workers as trials are to be had."""
    claimable, under_way = runner.stage.claimable_and_under_way()
    starting = max(workers.num_busy - under_way, 0)
    free = workers.num_workers - workers.num_busy
    alone = not runner.search.has_baseline
    for _ in range(min(claimable - starting, free)):
        workers.start(spec, 1 if alone else TRIALS_PER_PROCESS, alone)


def _check(deaths: list[str]) -> None:
    if len(deaths) >= MAX_DEATHS:
        raise RgfError(
            f"{len(deaths)} workers in a row died before their trials ended, the last one by "
            f"{deaths[-1]}; is there enough memory? The same command continues, with fewer "
            "--workers if you like"
        )
