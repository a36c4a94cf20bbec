"""What recording costs: the share of a trial's time that goes into MLflow and its spool.

    python tests/benchmarks/bench_tracking.py                     # a SQLite file, as by default
    python tests/benchmarks/bench_tracking.py --tracking-uri http://127.0.0.1:5000

Runs the baseline of studies/quickstart.py and counts two things: the time that training waits for
a call of the tracker, and the CPU time of the thread that sends, which is taken from training in
the worst case (the rest of that thread's time it waits for disk or server). Oracles and the
balanced model are made beforehand and not counted.
"""

import argparse
import functools
import tempfile
import time
from pathlib import Path

from rgf_keras.cache import Cache
from rgf_keras.experiments.assessment.assess import assess
from rgf_keras.experiments.assessment.materials import prepare
from rgf_keras.experiments.assessment.trainings import Trainings
from rgf_keras.experiments.studies.study import load_study
from rgf_keras.tracking.mlflow_tracker import MlflowTracker
from rgf_keras.tracking.spool import Spool
from rgf_keras.tracking.tracker import Context

STUDY = Path(__file__).parents[2] / "studies" / "quickstart.py"


def timed(function, spent, clock):
    """The function, with the seconds that it takes by a clock added to ``spent``."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        began = clock()
        try:
            return function(*args, **kwargs)
        finally:
            spent.append(clock() - began)

    return wrapped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tracking-uri")
    parser.add_argument("--epochs", type=int, help="fewer than the study's 16 overstate the share")
    arguments = parser.parse_args()
    config = load_study(STUDY).baseline
    if arguments.epochs:
        config = config.with_values({"training.epochs": arguments.epochs, "evaluation.every": 2})
    cache = Cache()
    waited: list[float] = []
    sent: list[float] = []
    for name in ("append", "keep"):
        setattr(Spool, name, timed(getattr(Spool, name), waited, time.perf_counter))
    Spool.send = timed(Spool.send, sent, time.thread_time)  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        made = Trainings(config, prepare(config, cache), work)
        made.get("balanced", range(config.evaluation.num_references))
        uri = arguments.tracking_uri or f"sqlite:///{work}/mlflow.db"
        artifacts = None if arguments.tracking_uri else work / "artifacts"
        tracker = MlflowTracker(uri, "bench_tracking", work / "spool", artifacts)
        began, cpu = time.perf_counter(), time.process_time()
        run = timed(tracker.start, waited, time.perf_counter)("trial", {})
        assess(config, Context(run, work, cache))
        run.finish()
        whole, cpu = time.perf_counter() - began, time.process_time() - cpu
        timed(tracker.close, waited, time.perf_counter)()
    calls, thread = sum(waited), sum(sent)
    print(f"trial: {whole:.1f} s; {len(waited)} calls")
    print(f"training waited for {calls:.3f} s: {calls / whole:.2%} (the last flush included)")
    print(f"CPU time of the sending thread {thread:.3f} s: {thread / whole:.2%}, ", end="")
    print(f"and {thread / cpu:.2%} of the CPU time of all threads, on however busy a machine")


if __name__ == "__main__":
    main()
