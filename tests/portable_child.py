"""Key paths of the package where there is neither fcntl nor affinity nor fork, as on Windows.

Its argument is an empty folder.
"""

import os
import sys
from pathlib import Path

import filelock  # noqa: F401 (each system's own locks are its affair)
import optuna  # noqa: F401
import portability

from rgf_keras import cli


class Sink:
    """A destination that counts."""

    num_points = num_files = 0

    def send(self, run, batch):
        self.num_points += len(batch.points)

    def upload(self, run, path):
        self.num_files += 1


def use_spool(folder):
    from rgf_keras.tracking.spool import Spool, SpooledRun

    spool, sink = Spool(folder), Sink()
    run = SpooledRun(spool, "a")
    run.log_metrics({"loss": 1.0}, step=1)
    run.log_artifact(Path(__file__))
    run.finish()
    assert spool.acquire()
    spool.send(sink)
    spool.close()
    return sink.num_points, sink.num_files, len([*folder.glob("a*")])


def main(folder):
    portability.hide()
    from rgf_keras.cache import Cache
    from rgf_keras.runtime import machine

    assert machine.num_cores() == os.cpu_count()
    assert use_spool(folder / "spool") == (1, 1, 0)
    assert not Cache(folder / "cache").get("kind", {"x": 1}, dict)
    sys.argv = ["rgf", "study", "run", "quickstart", "--dry-run", "--json"]
    cli.main()


main(Path(sys.argv[1]))
