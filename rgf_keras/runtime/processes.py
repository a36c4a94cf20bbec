"""Workers that are processes of this machine."""

import itertools
import multiprocessing
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies.run import StudySpec
from rgf_keras.runtime import machine
from rgf_keras.runtime.progress import Progress


@dataclass
class _Worker:
    process: Any
    slot: int
    reported: dict[int, Progress] = field(default_factory=dict)


class Processes:
    """Processes of their own, so that neither memory nor a crash of one reaches another.

    Cores are divided among the workers; GPUs are given out in turn, and several workers on one take
    its memory as they need it. (Variables that say otherwise in the environment are respected.) The
    processes end with this one.

    Args:
        num_workers: processes at a time.
        progress: is told how far the work is.
    """

    def __init__(self, num_workers: int, progress: Progress):
        self.num_workers, self.progress = num_workers, progress
        self._gpus = machine.visible_gpus()
        self._at: dict[Connection, _Worker] = {}

    @property
    def num_busy(self) -> int:
        return len(self._at)

    def start(self, spec: StudySpec, num_trials: int, alone: bool) -> None:
        taken = {worker.slot for worker in self._at.values()}
        slot = next(slot for slot in itertools.count() if slot not in taken)
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(spec, num_trials, there))
        share = machine.environment(slot, 1 if alone else self.num_workers, self._gpus)
        with machine.variables(share):
            process.start()
        there.close()  # so that the end of the process is the end of the pipe
        self._at[here] = _Worker(process, slot)

    def wait(self, seconds: float) -> list[str]:
        deadline = time.monotonic() + seconds
        if not self._at:
            time.sleep(seconds)
        while self._at and (left := deadline - time.monotonic()) > 0:
            for pipe in wait(list(self._at), left):
                if not self._hear(pipe):  # type: ignore[arg-type]
                    process = self._at.pop(pipe).process  # type: ignore[call-overload]
                    process.join()
                    return [_cause(process.exitcode)] if process.exitcode else []
        return []

    def close(self) -> None:
        for worker in self._at.values():
            worker.process.kill()
            worker.process.join()
        self._at.clear()

    def _hear(self, pipe: Connection) -> bool:
        """Take a message from a worker; False if it has ended."""
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            return False
        if isinstance(message, str):
            raise RgfError(message)
        if isinstance(message, BaseException):
            raise message
        number, description, unit, done, total = message
        worker = self._at[pipe]
        if number not in worker.reported:
            where = f"worker {worker.slot + 1}: {description}"
            worker.reported[number] = self.progress.task(where, unit)
        worker.reported[number](done, total)
        return True


def _cause(exit_code: int) -> str:
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"


class _Sent(Progress):
    """Progress that is told to the process that started this one."""

    def __init__(self, pipe: Connection, numbers: Iterator[int], *task: Any):
        self.pipe, self.numbers, self.described = pipe, numbers, task

    def task(self, description: str, unit: str = "steps") -> Progress:
        return _Sent(self.pipe, self.numbers, next(self.numbers), description, unit)

    def __call__(self, done: int, total: int) -> None:
        self.pipe.send((*self.described, done, total))


def _work(spec: StudySpec, num_trials: int, pipe: Connection) -> None:
    """A worker's process."""
    machine.end_with_parent()
    progress = _Sent(pipe, itertools.count())
    try:
        with spec.open() as runner:
            runner.run_some(num_trials, progress)
    except RgfError as error:
        pipe.send(str(error))
    except Exception:
        pipe.send(RuntimeError(f"in a worker:\n{traceback.format_exc()}"))
