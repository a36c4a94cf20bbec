"""Workers that are tasks of a Ray cluster."""

import logging
import os
import socket
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from rgf_keras.errors import RgfError, first_line, how_to_install
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.runtime.tasks import Task, TaskResult, run_task

# What a task needs to know of this process's environment.
PASSED_ON = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "RGF_CACHE_DIR", "RGF_DATA_DIR")
RETRIES = 3


@dataclass(frozen=True)
class ClusterShare:
    """What a worker gets of a cluster.

    Attributes:
        address: ``"auto"`` or a running cluster's address.
        cpus: per worker.
        gpus: per worker; fractions share a GPU.
    """

    address: str
    cpus: float = 1.0
    gpus: float = 0.0


class RayWorkers:
    """Processes of a Ray cluster, a new one for each task, wherever Ray finds room.

    Whoever can reach a cluster can run code on it, as Ray says: it is to be in a network of one's
    own. We send it tasks, and unpickle nothing of it but what those tasks return.

    What is lost with a node is tried again a few times. What a task gets is Ray's to give, alone or
    not. Arguments: see :meth:`rgf_keras.runtime.workers.WorkersSpec.open`.

    Raises:
        RgfError: Ray is not installed, or there is no cluster.
    """

    def __init__(self, task: Task, shared: Any, num_workers: int, share: ClusterShare):
        self.num_workers, self.starts_at_once = num_workers, False
        self._ray = ray = _connect(share.address)
        passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self._run: Any = ray.remote(
            num_cpus=share.cpus,
            num_gpus=share.gpus,
            max_retries=RETRIES,
            max_calls=1,  # a new process for every task
            runtime_env={"env_vars": {**passed_on, "TF_FORCE_GPU_ALLOW_GROWTH": "true"}},
        )(run_task)
        self._task, self._shared = task, ray.put(shared)
        self._pending: dict[Any, Any] = {}  # Ray's reference to a task → its argument

    @property
    def num_busy(self) -> int:
        return len(self._pending)

    def start(self, argument: Any, progress: Progress, alone: bool = False) -> None:
        reference = self._run.remote(self._task, self._shared, argument, SILENT)
        self._pending[reference] = argument

    def wait(self, seconds: float) -> list[TaskResult]:
        if not self._pending:
            time.sleep(seconds)
            return []
        ready, _ = self._ray.wait([*self._pending], timeout=seconds)
        return [self._result(reference) for reference in ready]

    def close(self) -> None:
        for reference in self._pending:
            self._ray.cancel(reference, force=True)
        self._pending.clear()
        self._ray.shutdown()

    def _result(self, reference: Any) -> TaskResult:
        argument = self._pending.pop(reference)
        try:
            refusal = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise RuntimeError(f"in a worker:\n{error}") from error
        except self._ray.exceptions.RayError as error:  # its process or node is gone
            return TaskResult(argument, first_line(error))
        if refusal:
            raise refusal
        return TaskResult(argument)


def _connect(address: str) -> Any:
    """Ray's module, connected to a cluster."""
    try:
        import ray
    except ImportError:
        install = how_to_install("cluster")
        raise RgfError(f"Ray is not installed; install it with {install}") from None
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises many kinds
        raise RgfError(
            f"no Ray cluster at '{address}' ({first_line(error)}); start one with `ray start`"
        ) from error
    return ray


def _knock(address: str) -> None:
    """Raise OSError if nobody is there: Ray itself would try for minutes."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    if parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), timeout=5).close()
