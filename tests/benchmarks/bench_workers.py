"""How much sooner several workers finish a study than one.

``python tests/benchmarks/bench_workers.py`` runs the quickstart study with 1 and with 2 workers,
each twice: from nothing, and with what trials share (oracles, balanced model) made before. The bar
is 0.65 of one worker's time on two cores.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

QUICKSTART = Path(__file__).parents[2] / "studies" / "quickstart.py"


def seconds(study: Path, num_workers: int, num_trials: list[str], cache: Path) -> float:
    """The time of a study from its command to its table."""
    with tempfile.TemporaryDirectory() as workspace:
        command = [sys.executable, "-m", "rgf_keras.cli", "study", "run", str(study), *num_trials]
        command += ["--workers", str(num_workers), "--workspace", workspace]
        environment = {**os.environ, "RGF_CACHE_DIR": str(cache)}
        began = time.monotonic()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - began


def compare(study: Path, num_workers: int, num_trials: list[str], warm: Path | None) -> str:
    """A line of the table; ``warm`` is a cache that has what trials share."""
    times = []
    for workers in (1, num_workers):
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder) / "cache"
            if warm:
                shutil.copytree(warm, cache)
            times.append(seconds(study, workers, num_trials, cache))
    what = "shared results made before" if warm else "from nothing"
    return f"| {what} | {times[0]:.0f} | {times[1]:.0f} | {times[1] / times[0]:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, default=QUICKSTART)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--n-trials", type=int, help="the study's own if not given")
    arguments = parser.parse_args()
    num_trials = ["--n-trials", str(arguments.n_trials)] if arguments.n_trials else []
    print(f"| | 1 worker, s | {arguments.workers} workers, s | ratio |\n|---|---|---|---|")
    print(compare(arguments.study, arguments.workers, num_trials, None), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        warm = Path(folder) / "cache"
        seconds(arguments.study, 1, ["--n-trials", "1"], warm)
        print(compare(arguments.study, arguments.workers, num_trials, warm))


if __name__ == "__main__":
    main()
