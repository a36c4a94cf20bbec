"""CPU, memory, disk, network and GPUs beside a run's metrics, where MLflow's variable asks for it.

``MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=true``, and ``MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL`` in
seconds. MLflow's own monitors measure; what they measure goes through the spool like all else.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rgf_keras.errors import RgfError, how_to_install

VARIABLE, INTERVAL = (
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING",
    "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL",
)
Log = Callable[[Mapping[str, float], int], None]


@contextlib.contextmanager
def recorded(log: Log) -> Iterator[None]:
    """Log what the system does while the block runs, if that is asked for.

    Args:
        log: called in a thread with metrics by name and the time in seconds since 1970.

    Raises:
        RgfError: what measures is not installed.
    """
    if os.environ.get(VARIABLE, "").lower() not in ("true", "1"):
        yield
        return
    monitors, closing = _monitors(), threading.Event()
    seconds = float(os.environ.get(INTERVAL) or 10)
    thread = threading.Thread(target=_record, args=(monitors, log, seconds, closing), daemon=True)
    thread.start()
    try:
        yield
    finally:
        closing.set()
        thread.join()


def _monitors() -> list[Any]:
    try:
        from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
        from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
        from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
        from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
    except ImportError as error:
        raise RgfError(
            f"{VARIABLE} is set, but {error.name} is not installed: "
            f"{how_to_install('system-metrics')}"
        ) from error
    monitors: list[Any] = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    with contextlib.suppress(ImportError, RuntimeError):  # no GPU of NVIDIA's
        monitors.append(GPUMonitor())
    return monitors


def _record(monitors: list[Any], log: Log, seconds: float, closing: threading.Event) -> None:
    while True:
        for monitor in monitors:
            monitor.collect_metrics()
        found = {
            f"system/{name}": float(value)
            for monitor in monitors
            for name, value in monitor.aggregate_metrics().items()
        }
        for monitor in monitors:
            monitor.clear_metrics()
        log(found, int(time.time()))
        if closing.wait(seconds):
            return
