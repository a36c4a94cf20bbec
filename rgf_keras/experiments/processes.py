"""Workers that are processes of this machine."""

import itertools
import multiprocessing
import os
import signal
import subprocess
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from rgf_keras.errors import RgfError
from rgf_keras.experiments.progress import Advance, Track
from rgf_keras.experiments.study_run import Job

# Each library reads its own when it is imported.
THREADS = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),  # PyTorch, NumPy
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    *("NPROC", "LOKY_MAX_CPU_COUNT"),  # XLA, joblib
)


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
        self._gpus = visible_gpus()
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
        share = environment(slot, 1 if alone else self.num_workers, self._gpus)
        with _environment(share):
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


def environment(slot: int, num_workers: int, gpus: list[str]) -> dict[str, str]:
    """Variables that give one of several workers its share of the machine.

    Args:
        slot: which worker, counted from 0.
        num_workers: how many share the machine.
        gpus: as CUDA_VISIBLE_DEVICES names them.
    """
    threads = max(len(os.sched_getaffinity(0)) // num_workers, 1)
    wanted = {name: str(threads) for name in THREADS}
    wanted["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # also where TensorFlow is only a guest
    if num_workers > len(gpus):
        wanted["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    wanted = {name: os.environ.get(name, value) for name, value in wanted.items()}
    if gpus:
        wanted["CUDA_VISIBLE_DEVICES"] = gpus[slot % len(gpus)]
    return wanted


def visible_gpus() -> list[str]:
    """GPUs that may be used, found without occupying one."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu for gpu in visible.split(",") if gpu.strip()]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return [str(i) for i in range(listed.stdout.count("GPU "))]


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Variables for processes that start inside."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _cause(exit_code: int) -> str:
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"


def _work(job: Job, num_trials: int, pipe: Connection) -> None:
    """A worker's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    threading.Thread(target=_end_with_parent, daemon=True).start()
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


def _end_with_parent() -> None:
    wait([multiprocessing.parent_process().sentinel])  # type: ignore[union-attr]
    os._exit(1)
