"""Runs three tasks one after the other with a single worker, and prints what each says."""

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
    with closing(WorkersSpec(1, prepare=prepare).open(tell, Path(sys.argv[1]))) as workers:
        for argument in ("live", "die", "live", "live"):
            began = time.monotonic()
            workers.start(argument, SILENT)
            while workers.num_busy:
                for result in workers.wait(1.0):
                    print(f"{time.monotonic() - began:.3f}", result.cause_of_death)
