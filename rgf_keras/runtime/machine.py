"""The machine as it is shared among processes: threads, GPUs, and an end with the parent."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait

from threadpoolctl import threadpool_limits

# Each library reads its own when it is imported: PyTorch and NumPy, TensorFlow, XLA, joblib.
PYTORCH = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"]
TENSORFLOW = ["TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"]
THREADS = [*PYTORCH, *TENSORFLOW, "NPROC", "LOKY_MAX_CPU_COUNT"]


def environment(
    slot: int, num_workers: int, gpus: list[str], num_threads: int | None = None
) -> dict[str, str]:
    """Variables that give one of several workers its share of the machine.

    Args:
        slot: which worker, counted from 0.
        num_workers: how many share the machine.
        gpus: as CUDA_VISIBLE_DEVICES names them.
        num_threads: of the worker; its share of the cores, or what the environment says, if None:
            OMP_NUM_THREADS for all libraries but those whose own variable is set.
    """
    share = max(num_cores() // num_workers, 1)
    threads = num_threads or _number(os.environ.get("OMP_NUM_THREADS", "")) or share
    wanted = {name: str(threads) for name in THREADS}
    wanted["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # also where TensorFlow is only a guest
    if num_workers > len(gpus):
        wanted["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    if num_threads is None:
        wanted = {name: os.environ.get(name, value) for name, value in wanted.items()}
    if gpus:
        wanted["CUDA_VISIBLE_DEVICES"] = gpus[slot % len(gpus)]
    return wanted


def take(variables: dict[str, str]) -> None:
    """In a worker: what :func:`environment` says, in libraries too that were imported before.

    Those are BLAS, OpenMP and PyTorch; TensorFlow and JAX look when they first compute.
    """
    os.environ.update(variables)
    openmp, blas = (_number(os.environ[f"{name}_NUM_THREADS"]) for name in ("OMP", "OPENBLAS"))
    threadpool_limits({"openmp": openmp, "blas": blas})
    if openmp and (torch := sys.modules.get("torch")):
        torch.set_num_threads(openmp)


def _number(value: str) -> int | None:
    """Threads as OpenMP's variable gives them, where "4,2" is 4 and 2 for each of them."""
    first = value.partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else None


def num_cores() -> int:
    """Cores that this process may use, as far as the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory() -> int | None:
    """Bytes of memory that this machine has; None if its system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def visible_gpus() -> list[str]:
    """GPUs that may be used; asking does not occupy them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu for gpu in visible.split(",") if gpu.strip()]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return [str(i) for i in range(listed.stdout.count("GPU "))]


@contextmanager
def variables(values: dict[str, str]) -> Iterator[None]:
    """Variables for processes that start inside."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def end_with_parent() -> None:
    """In a worker: leave interrupts to the parent, and end when it ends, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_after_parent, daemon=True).start()


def _exit_after_parent() -> None:
    wait([multiprocessing.parent_process().sentinel])  # type: ignore[union-attr]
    os._exit(1)
