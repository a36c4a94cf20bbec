"""Tasks on a Ray cluster."""

import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from rgf_keras.errors import RgfError, first_line, how_to_install

# What a task needs to know of this process's environment.
PASSED_ON = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "RGF_CACHE_DIR", "RGF_DATA_DIR")
RETRIES = 3


@dataclass(frozen=True)
class Share:
    """What a task gets of a cluster.

    Args:
        address: ``"auto"`` or a running cluster's address.
        cpus: per task.
        gpus: per task; fractions share a GPU.
    """

    address: str
    cpus: float = 1.0
    gpus: float = 0.0


@dataclass(frozen=True)
class Ended:
    """A task that is over.

    Args:
        task: what :meth:`Tasks.start` returned.
        result: what its function returned, if it did.
        death: how its process or node was lost; empty if it was not.
    """

    task: Any
    result: Any = None
    death: str = ""


class Tasks:
    """Calls of a function in processes of a Ray cluster, each a new one, wherever Ray finds room.

    What is lost with a node is tried again a few times.

    Args:
        share: where, and what each task gets.
        function: what tasks call; a module's own, so that the nodes can import it.

    Raises:
        RgfError: Ray is not installed, or there is no cluster.
    """

    def __init__(self, share: Share, function: Callable[..., Any]):
        try:
            import ray
        except ImportError:
            raise RgfError(
                f"Ray is not installed; install it with {how_to_install('cluster')}"
            ) from None
        self.ray = ray
        try:
            _knock(share.address)
            ray.init(address=share.address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises many kinds
            raise RgfError(
                f"no Ray cluster at '{share.address}' ({first_line(error)}); "
                "start one with `ray start`"
            ) from error
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self._function: Any = ray.remote(
            num_cpus=share.cpus,
            num_gpus=share.gpus,
            max_retries=RETRIES,
            max_calls=1,  # a new process for every task
            runtime_env={"env_vars": {**passed, "TF_FORCE_GPU_ALLOW_GROWTH": "true"}},
        )(function)
        self._pending: list[Any] = []

    @property
    def num_busy(self) -> int:
        return len(self._pending)

    def put(self, value: Any) -> Any:
        """A large argument of many tasks, sent to each node once."""
        return self.ray.put(value)

    def start(self, *arguments: Any) -> Any:
        """Call the function; returns what tells this task from others."""
        self._pending.append(self._function.remote(*arguments))
        return self._pending[-1]

    def wait(self, seconds: float) -> list[Ended]:
        """Wait for so long, or until a task is over."""
        if not self._pending:
            time.sleep(seconds)
            return []
        ready, self._pending = self.ray.wait(self._pending, timeout=seconds)
        return [self._ended(task) for task in ready]

    def close(self) -> None:
        """End all tasks and leave the cluster."""
        for task in self._pending:
            self.ray.cancel(task, force=True)
        self._pending.clear()
        self.ray.shutdown()

    def _ended(self, task: Any) -> Ended:
        try:
            return Ended(task, self.ray.get(task))
        except self.ray.exceptions.RayTaskError as error:
            raise RuntimeError(f"in a worker:\n{error}") from error
        except self.ray.exceptions.RayError as error:  # its process or node is gone
            return Ended(task, death=first_line(error))


def _knock(address: str) -> None:
    """Raise OSError if nobody is there: Ray itself would try for minutes."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    if parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), timeout=5).close()
