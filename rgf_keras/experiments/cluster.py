"""Workers that are tasks of a Ray cluster."""

import logging
import os
import socket
import time
from typing import Any
from urllib.parse import urlsplit

from rgf_keras.errors import RgfError
from rgf_keras.experiments.progress import silent
from rgf_keras.experiments.study_run import Job
from rgf_keras.experiments.tracking import first_line

# What a task needs to know of this process's environment.
PASSED_ON = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "RGF_CACHE_DIR", "RGF_DATA_DIR")
RETRIES = 3


class Cluster:
    """Ray tasks, each in a process of its own, wherever Ray finds room.

    All nodes must reach the job's storage and tracking address. A trial that a lost node leaves
    behind is resumed from its checkpoint where the nodes share the workspace, else begun again.

    Args:
        address: ``"auto"`` or a running cluster's address.
        num_workers: tasks at a time.
        cpus: per task.
        gpus: per task; fractions share a GPU.

    Raises:
        RgfError: Ray is not installed, or there is no cluster.
    """

    def __init__(self, address: str, num_workers: int, cpus: float = 1.0, gpus: float = 0.0):
        try:
            import ray
        except ImportError:
            raise RgfError(
                "Ray is not installed; install it with pip install 'rgf-keras[cluster]'"
            ) from None
        self.num_workers, self.ray = num_workers, ray
        try:
            _knock(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises many kinds
            raise RgfError(
                f"no Ray cluster at '{address}' ({first_line(error)}); start one with `ray start`"
            ) from error
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self._task: Any = ray.remote(
            num_cpus=cpus,
            num_gpus=gpus,
            max_retries=RETRIES,
            max_calls=1,  # a new process for every task
            runtime_env={"env_vars": {**passed, "TF_FORCE_GPU_ALLOW_GROWTH": "true"}},
        )(_work)
        self._pending: list[Any] = []

    @property
    def num_busy(self) -> int:
        return len(self._pending)

    def start(self, job: Job, num_trials: int, alone: bool) -> None:
        # What a task gets is Ray's to give: alone or not, it is the same.
        self._pending.append(self._task.remote(job, num_trials))

    def wait(self, seconds: float) -> list[str]:
        if not self._pending:
            time.sleep(seconds)
            return []
        ended, self._pending = self.ray.wait(self._pending, timeout=seconds)
        deaths = []
        for task in ended:
            try:
                message = self.ray.get(task)
            except self.ray.exceptions.RayTaskError as error:
                raise RuntimeError(f"in a worker:\n{error}") from error
            except self.ray.exceptions.RayError as error:  # its process or node is gone
                deaths.append(first_line(error))
                continue
            if message:
                raise RgfError(message)
        return deaths

    def close(self) -> None:
        for task in self._pending:
            self.ray.cancel(task, force=True)
        self._pending.clear()
        self.ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError if nobody is there: Ray itself would try for minutes."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    if parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), timeout=5).close()


def _work(job: Job, num_trials: int) -> str:
    """A task: runs trials; returns what it could not go on with."""
    try:
        with job.open() as session:
            session.run_some(num_trials, silent)
    except RgfError as error:
        return str(error)
    return ""
