"""Workers that are processes of this machine."""

import contextlib
import inspect
import itertools
import multiprocessing
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from rgf_keras.runtime import machine, preload
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.runtime.tasks import Task, TaskResult, run_task

AMD_GPUS = Path("/dev/kfd")  # is there where ROCm's driver is


@dataclass(eq=False)
class _Worker:
    """A process with its slot of the machine, and the task that it is at."""

    process: BaseProcess
    pipe: Connection
    slot: int
    label: str
    argument: Any = None
    progress: Progress = SILENT
    parts: dict[int, Progress] = field(default_factory=dict)

    def show(self, part: int, description: str, unit: str, done: int, total: int) -> None:
        if part not in self.parts:
            self.parts[part] = self.progress.task(f"{self.label}{description}", unit)
        self.parts[part](done, total)

    def cause_of_death(self) -> str:
        self.process.join()
        code = self.process.exitcode or 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"


class Processes:
    """Processes of their own, so that neither memory nor a crash of one reaches another.

    They are forked from one that has prepared itself, on Linux and unless there are GPUs, whose
    driver no fork survives; elsewhere each is spawned and prepares itself.
    Cores are divided among the workers; GPUs are given out in turn, and several workers on one take
    its memory as they need it. (Variables that say otherwise in the environment are respected.) The
    processes end with this one. What they unpickle comes by a pipe that nobody else can open.
    Arguments: see :meth:`rgf_keras.runtime.workers.WorkersSpec.open`.
    """

    def __init__(
        self,
        task: Task,
        shared: Any,
        num_workers: int,
        num_threads: int | None,
        reuse: bool,
        prepare: Callable[[], None] | None = None,
    ):
        self.num_workers, self._num_threads = num_workers, num_threads
        self._prepare, self._work, self._reuse = prepare, pickle.dumps((task, shared)), reuse
        self._gpus = machine.visible_gpus()
        is_importable = inspect.isfunction(prepare) and prepare.__module__ != "__main__"
        # Elsewhere than on Linux frameworks do not survive a fork.
        has_gpus = bool(self._gpus) or AMD_GPUS.exists()
        self.starts_at_once = is_importable and sys.platform == "linux" and not has_gpus
        method = "forkserver" if self.starts_at_once else "spawn"
        self._context: Any = multiprocessing.get_context(method)
        if self.starts_at_once:
            self._context.set_forkserver_preload([preload.__name__])
            with self._environment(machine.environment(0, num_workers, self._gpus, num_threads)):
                forkserver.ensure_running()  # it prepares itself meanwhile
        self._busy: dict[Connection, _Worker] = {}
        self._idle: list[_Worker] = []

    @property
    def num_busy(self) -> int:
        return len(self._busy)

    def start(self, argument: Any, progress: Progress, alone: bool = False) -> None:
        worker = self._idle.pop() if self._idle else self._spawn(alone)
        worker.argument, worker.progress, worker.parts = argument, progress, {}
        self._busy[worker.pipe] = worker
        with contextlib.suppress(OSError):  # it is dead: the end of its pipe will be received
            worker.pipe.send(argument)

    def wait(self, seconds: float) -> list[TaskResult]:
        deadline = time.monotonic() + seconds
        if not self._busy:
            time.sleep(seconds)
        while self._busy and (left := deadline - time.monotonic()) > 0:
            ready = [self._busy[pipe] for pipe in wait([*self._busy], left)]  # type: ignore[index]
            if results := [result for worker in ready if (result := self._receive(worker))]:
                return results
        return []

    def close(self) -> None:
        for worker in (*self._busy.values(), *self._idle):
            worker.process.kill()
            worker.process.join()
        self._busy.clear()
        self._idle.clear()

    def _spawn(self, alone: bool) -> _Worker:
        try:
            return self._start_process(alone)
        except (EOFError, ConnectionError):
            if not self.starts_at_once:
                raise
        # The process to fork from has died while it prepared itself: each worker does that itself.
        self.starts_at_once, self._context = False, multiprocessing.get_context("spawn")
        return self._start_process(alone)

    def _start_process(self, alone: bool) -> _Worker:
        slots = {worker.slot for worker in (*self._busy.values(), *self._idle)}
        slot = min(set(range(len(slots) + 1)) - slots)
        sharers = 1 if alone else self.num_workers
        variables = machine.environment(slot, sharers, self._gpus, self._num_threads)
        here, there = self._context.Pipe()
        arguments = there, variables, self._prepare, self._work
        process = self._context.Process(target=_serve, args=arguments)
        with self._environment(variables):
            process.start()
        there.close()  # so that the end of the process is the end of the pipe
        label = f"worker {slot + 1}: " if self.num_workers > 1 else ""
        return _Worker(process, here, slot, label)

    def _environment(self, variables: dict[str, str]) -> AbstractContextManager[None]:
        """What a process starts with, and what to prepare if others are forked from it."""
        if self.starts_at_once and self._prepare:
            variables = variables | {preload.VARIABLE: preload.name_of(self._prepare)}
        return machine.variables(variables)

    def _receive(self, worker: _Worker) -> TaskResult | None:
        """A message from a worker: how far its task is (None), or that it is over."""
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            del self._busy[worker.pipe]
            return TaskResult(worker.argument, worker.cause_of_death())
        if isinstance(message, Exception):
            raise message
        if message is not None:
            worker.show(*message)
            return None
        del self._busy[worker.pipe]
        if self._reuse:
            self._idle.append(worker)
        else:
            worker.pipe.close()
            worker.process.join()
        return TaskResult(worker.argument)


class _PipeProgress(Progress):
    """Progress that is told to the process that started this one."""

    def __init__(self, pipe: Connection, parts: Iterator[int], description: str, unit: str):
        self.pipe, self.parts = pipe, parts
        self.message = next(parts), description, unit

    def task(self, description: str, unit: str = "steps") -> Progress:
        return _PipeProgress(self.pipe, self.parts, description, unit)

    def __call__(self, done: int, total: int) -> None:
        self.pipe.send((*self.message, done, total))


def _serve(
    pipe: Connection,
    variables: dict[str, str],
    prepare: Callable[[], None] | None,
    work: bytes,
) -> None:
    """Run tasks, in a worker's process, as their arguments come, until the pipe is closed."""
    machine.end_with_parent()
    machine.take(variables)
    if prepare:
        prepare()
    task, shared = pickle.loads(work)
    with contextlib.suppress(EOFError):
        while True:
            argument = pipe.recv()
            progress = _PipeProgress(pipe, itertools.count(), "task", "steps")
            try:
                pipe.send(run_task(task, shared, argument, progress))
            except Exception:
                pipe.send(RuntimeError(f"in a worker:\n{traceback.format_exc()}"))
