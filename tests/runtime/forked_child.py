"""Runs three tasks one after the other by workers of one pool, and prints what each says."""

import os
import sys
import time
from contextlib import closing
from pathlib import Path

from rgf_keras.runtime.progress import SILENT
from rgf_keras.runtime.workers import WorkersSpec

PREPARED: list[int] = []


def prepare():
    """Takes long where it was not called before."""
    if not PREPARED:
        time.sleep(0.5)
    PREPARED.append(os.getpid())


def tell(path, argument, progress):
    """Which process it is, which was prepared first, and how many files are open."""
    with open(path, "a") as file:
        file.write(f"{os.getpid()} {PREPARED[0]} {len(os.listdir('/proc/self/fd'))}\n")
    if argument == "die":
        os.kill(os.getpid(), 9)


def main():
    log, num_workers = Path(sys.argv[1]), int(sys.argv[2])
    with closing(WorkersSpec(num_workers, prepare=prepare).open(tell, log)) as workers:
        for argument in ("live", "die", "live", "live"):
            began = time.monotonic()
            workers.start(argument, SILENT)
            while workers.num_busy:
                for result in workers.wait(1.0):
                    print(f"{time.monotonic() - began:.3f}", result.cause_of_death)
