"""Workers: where tasks run, so many at a time, on this machine or on a Ray cluster."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rgf_keras.errors import RgfError
from rgf_keras.runtime.processes import Processes
from rgf_keras.runtime.progress import Progress
from rgf_keras.runtime.ray import ClusterShare, RayWorkers
from rgf_keras.runtime.tasks import Task, TaskResult

# A task that killed so many processes is given up.
MAX_DEATHS = 3


class Workers(Protocol):
    """Processes that run tasks of one kind.

    Attributes:
        num_workers: tasks at a time; whoever starts them sees to it.
        starts_at_once: a new process costs next to nothing.
    """

    num_workers: int
    starts_at_once: bool

    @property
    def num_busy(self) -> int:
        """Tasks that have been started and are not over."""

    def start(self, argument: Any, progress: Progress, alone: bool = False) -> None:
        """Start a task.

        Args:
            argument: the task's own.
            progress: shows how far it is, where that is known.
            alone: it gets the shares of all workers, where these are divided here.
        """

    def wait(self, seconds: float) -> list[TaskResult]:
        """Wait for so long, or until tasks are over, which are returned.

        Raises:
            RgfError: what a task could not go on with.
        """

    def close(self) -> None:
        """End all tasks and their processes."""


@dataclass(frozen=True)
class WorkersSpec:
    """How many workers there are to be, and where.

    Attributes:
        num_workers: tasks at a time.
        num_threads: of each process; its share of the cores if None.
        cluster: where the processes are, and what each gets; None for this machine.
        prepare: called in a new process of this machine before anything else is imported.
    """

    num_workers: int = 1
    num_threads: int | None = None
    cluster: ClusterShare | None = None
    prepare: Callable[[], None] | None = None

    @property
    def in_this_process(self) -> bool:
        """Whether the process that asks, which has all cores, can do the work itself."""
        return self.num_workers == 1 and self.num_threads is None and self.cluster is None

    def open(self, task: Task, shared: Any, reuse: bool = False) -> Workers:
        """Workers for one kind of task; to be closed.

        Args:
            task: what they run; an importable function.
            shared: what all tasks need, sent to each process or node once.
            reuse: a process of this machine may run one task after the other.

        Raises:
            RgfError: Ray is not installed, or there is no cluster.
        """
        if self.cluster:
            return RayWorkers(task, shared, self.num_workers, self.cluster)
        options = self.num_workers, self.num_threads, reuse, self.prepare
        return Processes(task, shared, *options)


def run_all(
    workers: Workers,
    arguments: Sequence[Any],
    progress: Callable[[Any], Progress],
    name: Callable[[Any], str],
) -> Iterator[Any]:
    """Run the workers' task with each argument; what a worker was at that died is run again.

    Args:
        workers: where.
        arguments: one for each task, hashable.
        progress: of the task of an argument.
        name: what such a task is called.

    Yields:
        The arguments, as their tasks end.

    Raises:
        RgfError: what a task raises, or one keeps killing its processes.
    """
    waiting, deaths = list(arguments)[::-1], Counter[Any]()
    while waiting or workers.num_busy:
        while waiting and workers.num_busy < workers.num_workers:
            argument = waiting.pop()
            workers.start(argument, progress(argument))
        for result in workers.wait(seconds=1.0):
            if not result.cause_of_death:
                yield result.argument
                continue
            waiting.append(result.argument)
            deaths[result.argument] += 1
            if deaths[result.argument] == MAX_DEATHS:
                raise RgfError(
                    f"{MAX_DEATHS} processes died at {name(result.argument)}, the last one by "
                    f"{result.cause_of_death} (signal 9 is often a lack of memory); what they said "
                    "is above; try fewer --workers"
                )
