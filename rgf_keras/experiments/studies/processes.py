"""Workers that are processes of this machine."""

import itertools
import multiprocessing
import time
import traceback
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from rgf_keras.errors import RgfError
from rgf_keras.experiments import machine
from rgf_keras.experiments.progress import Advance, Track
from rgf_keras.experiments.studies.run import Job


@dataclass
class _Worker:
    process: Any
    slot: int
    advances: dict[int, Advance] = field(default_factory=dict)


class Processes:
    """Processes of their own, so that neither memory nor a crash of one reaches another.

    Cores are divided among the workers; GPUs are given out in turn, and several workers on one take
    its memory as they need it. (Variables that say otherwise in the environment are respected.) The
    processes end with this one.

    Args:
        num_workers: processes at a time.
        track: given a description, returns where progress is reported.
    """

    def __init__(self, num_workers: int, track: Track):
        self.num_workers, self.track = num_workers, track
        self._gpus = machine.visible_gpus()
        self._at: dict[Connection, _Worker] = {}

    @property
    def num_busy(self) -> int:
        return len(self._at)

    def start(self, job: Job, num_trials: int, alone: bool) -> None:
        taken = {worker.slot for worker in self._at.values()}
        slot = next(slot for slot in itertools.count() if slot not in taken)
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(job, num_trials, there))
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
        if number not in worker.advances:
            where = f"worker {worker.slot + 1}: {description}"
            worker.advances[number] = self.track(where, unit)
        worker.advances[number](done, total)
        return True


def _cause(exit_code: int) -> str:
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"


def _work(job: Job, num_trials: int, pipe: Connection) -> None:
    """A worker's process."""
    machine.end_with_parent()
    numbers = itertools.count()

    def track(description: str, unit: str = "steps") -> Advance:
        number = next(numbers)
        return lambda done, total: pipe.send((number, description, unit, done, total))

    try:
        with job.open() as session:
            session.run_some(num_trials, track)
    except RgfError as error:
        pipe.send(str(error))
    except Exception:
        pipe.send(RuntimeError(f"in a worker:\n{traceback.format_exc()}"))
