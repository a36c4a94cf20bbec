"""Fits spread over processes. A process that dies is replaced, and what it was at done again."""

import contextlib
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from rgf_keras.errors import RgfError
from rgf_keras.experiments.scores.fits import Fits
from rgf_keras.experiments.scores.folds import Fit
from rgf_keras.runtime import machine
from rgf_keras.runtime.progress import Progress
from rgf_keras.runtime.ray import Share, Tasks

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
        cluster: where the processes are; None for this machine. Nodes must share the results'
            folder. What threads they have is Ray's to say.
    """

    num_workers: int = 1
    num_threads: int | None = None
    ensemble: int = 1
    cluster: Share | None = None

    @property
    def here(self) -> bool:
        """Whether the process that asks, which has all cores, can do the work itself."""
        return self.num_workers == 1 and self.num_threads is None and self.cluster is None


ALONE = Resources()


def train(fits: Fits, groups: Sequence[Group], resources: Resources, progress: Progress) -> None:
    """Train groups of fits, here or in processes of their own.

    Args:
        fits: what trains them.
        groups: what is still to be trained.
        resources: how many processes with how many threads.
        progress: told (steps done, steps in all) over all groups.

    Raises:
        RgfError: what a fit raises; or processes keep dying.
    """
    total = _Total([fits.steps(group) for group in groups], progress)
    if resources.here:
        for i, group in enumerate(groups):
            fits.train(group, lambda done, _, i=i: total.tell(i, done))  # type: ignore[misc]
    elif resources.cluster:
        _train_on_cluster(fits, groups, resources.num_workers, resources.cluster, total)
    else:
        _Pool(fits, groups, resources, total).run()


class _Total:
    """Adds up how far the groups are."""

    def __init__(self, steps: Sequence[int], progress: Progress):
        self.steps, self.done, self.progress = list(steps), [0] * len(steps), progress

    def tell(self, group: int, done: int) -> None:
        self.done[group] = done
        self.progress(sum(self.done), sum(self.steps))


@dataclass
class _Worker:
    """A process, its share of the machine, and the position of the group it is at."""

    process: Any
    slot: int
    group: int


class _Pool:
    """The processes at work."""

    def __init__(self, fits: Fits, groups: Sequence[Group], resources: Resources, total: _Total):
        self.fits, self.groups, self.resources, self.total = fits, groups, resources, total
        self.waiting = list(range(len(groups)))[::-1]
        self.deaths = [0] * len(groups)
        self.busy: dict[Connection, _Worker] = {}
        self.gpus = machine.visible_gpus()

    def run(self) -> None:
        try:
            for slot in range(min(self.resources.num_workers, len(self.groups))):
                self._start(slot)
            while self.busy:
                for pipe in wait(list(self.busy)):
                    self._hear(pipe)  # type: ignore[arg-type]
        finally:
            for worker in self.busy.values():
                worker.process.kill()
                worker.process.join()

    def _start(self, slot: int) -> None:
        """Begin with the next group in a new process."""
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(there, self.fits, self.groups))
        share = machine.environment(
            slot, self.resources.num_workers, self.gpus, self.resources.num_threads
        )
        with machine.variables(share):
            process.start()
        there.close()  # so that the end of the process is the end of the pipe
        self.busy[here] = _Worker(process, slot, self.waiting.pop())
        self._send(here, self.busy[here].group)

    def _hear(self, pipe: Connection) -> None:
        worker = self.busy[pipe]
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            self._replace(pipe)
            return
        if isinstance(message, RgfError):
            raise message
        if message is not None:
            self.total.tell(worker.group, message)
        elif self.waiting:
            worker.group = self.waiting.pop()
            self._send(pipe, worker.group)
        else:
            self._send(pipe, None)
            del self.busy[pipe]

    def _send(self, pipe: Connection, group: int | None) -> None:
        with contextlib.suppress(OSError):  # the process is dead: the pipe's end will be heard
            pipe.send(group)

    def _replace(self, pipe: Connection) -> None:
        """A process has died: its group goes on in a new one, from its checkpoint."""
        worker = self.busy.pop(pipe)
        worker.process.join()
        how = f"exit code {worker.process.exitcode}; −9 is often a lack of memory"
        _check_deaths(self.deaths, worker.group, self.groups, how)
        self.waiting.append(worker.group)
        self._start(worker.slot)


def _train_on_cluster(
    fits: Fits, groups: Sequence[Group], num_workers: int, share: Share, total: _Total
) -> None:
    """The same with a Ray task for each group; told when a group is done."""
    tasks = Tasks(share, _fit)
    waiting, deaths = list(range(len(groups)))[::-1], [0] * len(groups)
    under_way: dict[object, int] = {}
    try:
        everywhere = tasks.put(fits)
        while waiting or under_way:
            while waiting and len(under_way) < num_workers:
                group = waiting.pop()
                under_way[tasks.start(everywhere, groups[group])] = group
            for ended in tasks.wait(seconds=1.0):
                group = under_way.pop(ended.task)
                if ended.result:
                    raise RgfError(ended.result)
                if ended.death:
                    _check_deaths(deaths, group, groups, ended.death)
                    waiting.append(group)
                else:
                    total.tell(group, fits.steps(groups[group]))
    finally:
        tasks.close()


def _check_deaths(deaths: list[int], group: int, groups: Sequence[Group], how: str) -> None:
    """Count another death at a group, and give up after too many."""
    deaths[group] += 1
    if deaths[group] == MAX_DEATHS:
        raise RgfError(
            f"{MAX_DEATHS} processes died at {groups[group][0].name} ({how}); "
            "what they said is above; try fewer --workers"
        )


def _fit(fits: Fits, group: Group) -> str:
    """A task: trains a group; returns what it could not go on with."""
    try:
        fits.train(group, lambda done, steps: None)
    except RgfError as error:
        return str(error)
    return ""


def _work(pipe: Connection, fits: Fits, groups: Sequence[Group]) -> None:
    """A process: trains the groups it is told, and tells how far it is and when it is done."""
    machine.end_with_parent()
    while (group := pipe.recv()) is not None:
        try:
            fits.train(groups[group], lambda done, _: pipe.send(done))
        except RgfError as error:
            pipe.send(error)
        else:
            pipe.send(None)
