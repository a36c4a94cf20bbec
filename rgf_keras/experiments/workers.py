"""Fits spread over processes. A process that dies is replaced, and what it was at done again."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from rgf_keras.errors import RgfError
from rgf_keras.experiments.fits import Fits
from rgf_keras.experiments.progress import Advance
from rgf_keras.experiments.score_config import Fit

Group = Sequence[Fit]

# A group that killed so many processes is given up.
MAX_DEATHS = 3


@dataclass(frozen=True)
class Resources:
    """What fits may use.

    Sums are added up in an order that depends on the number of threads: with equally many threads
    a fit has the same result to the last bit, however many processes there are.

    Args:
        num_workers: processes that fits are spread over.
        num_threads: of each process; its share of the cores if None.
        ensemble: fits that are trained in one program (JAX).
    """

    num_workers: int = 1
    num_threads: int | None = None
    ensemble: int = 1

    @property
    def here(self) -> bool:
        """Whether the process that asks, which has all cores, can do the work itself."""
        return self.num_workers == 1 and self.num_threads is None

    @property
    def threads(self) -> int:
        return self.num_threads or max(1, (os.cpu_count() or 1) // self.num_workers)


ALONE = Resources()


def train(fits: Fits, groups: Sequence[Group], resources: Resources, advance: Advance) -> None:
    """Train groups of fits, here or in processes of their own.

    Args:
        fits: what trains them.
        groups: what is still to be trained.
        resources: how many processes with how many threads.
        advance: told (steps done, steps in all) over all groups.

    Raises:
        RgfError: what a fit raises; or processes keep dying.
    """
    total = _Total([fits.steps(group) for group in groups], advance)
    if resources.here:
        for i, group in enumerate(groups):
            fits.train(group, lambda done, _, i=i: total.tell(i, done))  # type: ignore[misc]
    else:
        with _environment(resources.threads):
            _Pool(fits, groups, total).run(min(resources.num_workers, len(groups)))


class _Total:
    """Adds up how far the groups are."""

    def __init__(self, steps: Sequence[int], advance: Advance):
        self.steps, self.done, self.advance = list(steps), [0] * len(steps), advance

    def tell(self, group: int, done: int) -> None:
        self.done[group] = done
        self.advance(sum(self.done), sum(self.steps))


class _Pool:
    """The processes, and what each of them is at."""

    def __init__(self, fits: Fits, groups: Sequence[Group], total: _Total):
        self.fits, self.groups, self.total = fits, groups, total
        self.waiting = list(range(len(groups)))[::-1]
        self.at: dict[Connection, int] = {}
        self.processes: dict[Connection, Any] = {}
        self.deaths = [0] * len(groups)

    def run(self, num_workers: int) -> None:
        try:
            for _ in range(num_workers):
                self._assign(self._start())
            while self.at:
                for pipe in wait(list(self.at)):
                    self._hear(pipe)  # type: ignore[arg-type]
        finally:
            for process in self.processes.values():
                process.kill()
                process.join()

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(there, self.fits, self.groups), daemon=True)
        process.start()
        there.close()  # so that the end of the process is the end of the pipe
        self.processes[here] = process
        return here

    def _assign(self, pipe: Connection) -> None:
        if self.waiting:
            self.at[pipe] = self.waiting.pop()
            with contextlib.suppress(OSError):  # it is dead: the pipe's end will be heard
                pipe.send(self.at[pipe])

    def _hear(self, pipe: Connection) -> None:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            self._replace(pipe)
            return
        if isinstance(message, RgfError):
            raise message
        if message is None:
            del self.at[pipe]
            self._assign(pipe)
        else:
            self.total.tell(self.at[pipe], message)

    def _replace(self, pipe: Connection) -> None:
        """A process has died: its group goes on in a new one, from its checkpoint."""
        group = self.at.pop(pipe)
        process = self.processes.pop(pipe)
        process.join()
        self.deaths[group] += 1
        if self.deaths[group] == MAX_DEATHS:
            raise RgfError(
                f"{MAX_DEATHS} processes died at {self.groups[group][0].name} "
                f"(exit code {process.exitcode}, −9 is often a lack of memory); "
                "what they said is above; try fewer --workers"
            )
        self.waiting.append(group)
        self._assign(self._start())


def _work(pipe: Connection, fits: Fits, groups: Sequence[Group]) -> None:
    """A process: trains the groups it is told, and tells how far it is and when it is done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        group = groups[pipe.recv()]
        try:
            fits.train(group, lambda done, _: pipe.send(done))
        except RgfError as error:
            pipe.send(error)
        else:
            pipe.send(None)


def _end_with_parent() -> None:
    wait([multiprocessing.parent_process().sentinel])  # type: ignore[union-attr]
    os._exit(1)


@contextmanager
def _environment(num_threads: int) -> Iterator[None]:
    """Processes that start inside use so many threads each, and take accelerator memory as needed.

    Every library reads the variable of its own when it is imported.
    """
    threads = str(num_threads)
    wanted = {
        "OMP_NUM_THREADS": threads,  # PyTorch
        "MKL_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": "1",
        "NPROC": threads,  # XLA
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    }
    before = dict(os.environ)
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
