"""What a GPU shows: training, ensembles, sampling and features, against lean PyTorch in one run.

    tests/benchmarks/gpu.sh [--tiny] [SECTION ...]          # every section, within nine minutes
    python tests/benchmarks/bench_gpu.py SECTION [--tiny] [--seconds 1] [--repeats 3] ...

A section's contenders are processes, each with its own backend. They start and compile side by
side, which is the CPU's work, and then take turns, so that only one of them is on the card; ratios
are taken within a round of turns, and their median is reported (in brackets the lowest and the
highest). ``jax`` and ``torch`` are the package on these backends: the Trainer, a model's sampler,
a network of keras.applications. ``eager`` is a lean PyTorch loop with fused Adam, ``compiled`` the
same under ``torch.compile``, ``graphs`` that with CUDA graphs, ``torchvision`` its own Inception,
compiled; ``ensemble-10`` trains ten VAEs at once. All multiply float32 matrices in TF32, as JAX
does by default; ``-bf16`` is Keras' policy mixed_bfloat16 and PyTorch's autocast. A contender that
fails says why in its row, and what was measured until a section's time is over counts. With
``$OUT`` set, results are kept in ``$OUT/gpu.json``, the table of all sections in ``gpu.md``, and
what contenders wrote to stderr in ``gpu.log``.
"""

import argparse
import importlib.util
import json
import os
import platform
import queue
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import IO, Any

from bench_training import ROOT, ratio_cell
from contenders import COMPILE, MARK

OUT = Path(os.environ["OUT"]) if "OUT" in os.environ else None


@dataclass(frozen=True)
class Section:
    """What is measured together.

    Attributes:
        unit: of the rates.
        seconds: that it may take.
        contenders: by name; those whose library is missing are left out.
        baseline: whose rate the others are divided by.
    """

    unit: str
    seconds: int
    contenders: tuple[str, ...] = ("jax", "torch", "compiled")
    baseline: str = "compiled"


DENSE = Section("steps/s", 70, ("jax", "torch", "eager", "compiled", "graphs"))
SECTIONS = {
    "vae": DENSE,
    "gan": DENSE,
    "dcgan": DENSE,
    "ensemble": Section("model-steps/s", 80, ("jax", "ensemble"), "jax"),
    "diffusion-bf16": Section("steps/s", 120),
    "diffusion": Section("steps/s", 120),
    "sampling-bf16": Section("images/s", 80),
    "inception": Section("features/s", 70, ("jax", "torch", "torchvision"), "torchvision"),
    "sampling": Section("images/s", 80),
}
# By flag: the value on a GPU, the value with --tiny, and what it is.
SETTINGS: dict[str, tuple[Any, Any, str]] = {
    "seconds": (1.0, 0.1, "a turn takes at least"),
    "repeats": (3, 1, "turns of each contender"),
    "images": (32_768, 128, "that the dense VAE and GAN are trained on"),
    "dcgan-images": (16_384, 64, "that the DCGAN is trained on"),
    "ensemble-images": (16_384, 128, "that ensembles are trained on"),
    "diffusion-images": (1024, 64, "that the U-Net is trained on"),
    "members": ([1, 10, 50, 100], [1, 2], "sizes of ensembles"),
    "size": ("base", "tiny", "of the U-Net"),
    "side": (32, 8, "of the U-Net's images"),
    "steps": (50, 2, "of the sampler"),
    "samples": (64, 2, "images drawn at once"),
    "inception-side": (299, 75, "of the images whose features are taken"),
    "inception-batch": (64, 2, "images whose features are taken at once"),
}


class Contender:
    """A process of contenders.py; ``failure`` says in a line why it works no more."""

    def __init__(self, name: str, args: argparse.Namespace, log: int | IO[str]):
        self.name = name
        self.ready: dict[str, Any] = {}
        self.turns: list[dict[str, Any]] = []
        self.failure: str | None = None
        file = Path(__file__).with_name("contenders.py")
        self.process = subprocess.Popen(
            [sys.executable, file, args.section, name, json.dumps(vars(args))],
            env=environment(name), cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
        self.answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.process.stdout or ():
            if line.startswith(MARK):
                self.answers.put(json.loads(line.removeprefix(MARK)))
        self.answers.put({"failure": f"ended with status {self.process.wait()}"})

    def get_ready(self, deadline: float) -> None:
        self.ready = self._answer(deadline)

    def take_turn(self, deadline: float) -> None:
        if self.failure is None and self.process.stdin:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            self.turns += filter(None, [self._answer(deadline)])

    def _answer(self, deadline: float) -> dict[str, Any]:
        """The next answer, empty if there will be none."""
        try:
            values = self.answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            values = {"failure": "the section's time was over"}
        self.failure = values.get("failure")
        if self.failure is None:
            return values
        self.close()
        return {}

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def environment(contender: str) -> dict[str, str]:
    on_torch = contender in COMPILE or contender == "torch"
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "KERAS_BACKEND": "torch" if on_torch else "jax",
        "PYTHONPATH": os.pathsep.join(paths),
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # contenders share the card
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def contenders_of(args: argparse.Namespace) -> list[str]:
    """The section's contenders whose library is there."""
    libraries = {"ensemble": "jax", "eager": "torch", "compiled": "torch", "graphs": "torch"}
    names = [
        name
        for name in SECTIONS[args.section].contenders
        if importlib.util.find_spec(libraries.get(name, name))
    ]
    if "ensemble" in names:
        names.remove("ensemble")
        names += [f"ensemble-{members}" for members in args.members]
    return names


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """A section's contenders, as JSON."""
    names = contenders_of(args)
    limit = args.limit if args.tiny else min(args.limit, SECTIONS[args.section].seconds)
    deadline = time.monotonic() + limit
    for_turns = min(2 * args.seconds * args.repeats * len(names), limit / 2)
    log = (OUT / "gpu.log").open("a") if OUT else subprocess.DEVNULL
    contenders = [Contender(name, args, log) for name in names]
    try:
        for contender in contenders:
            contender.get_ready(deadline - for_turns)
        for repeat in range(args.repeats):
            # Every other repeat runs backwards, so that a drift of the machine favours none.
            for contender in contenders[:: -1 if repeat % 2 else 1]:
                contender.take_turn(deadline)
    finally:
        for contender in contenders:
            contender.close()
    return [
        {"contender": c.name, **c.ready, "turns": c.turns, "failure": c.failure} for c in contenders
    ]


def table_row(name: str, row: dict[str, Any], base: list[dict[str, Any]]) -> str:
    section, turns, failure = SECTIONS[name], row["turns"], row["failure"]
    if not turns:
        return f"| {name} | {row['contender']} | failed: {failure} | – | – | – |"
    rate = f"{median(turn['rate'] for turn in turns):,.1f} {section.unit}"
    rate += f" ({len(turns)} turns: {failure})" if failure else ""
    common = min(len(turns), len(base))
    ratio = f"{ratio_cell(turns[:common], base[:common], None)} × " if common else "no "
    used = turns[-1]["bytes"]
    memory = f"{used / 2**30:.2f} GiB" if used else "–"
    cells = (name, row["contender"], rate, ratio + section.baseline, memory)
    return f"| {' | '.join(cells)} | {row['warm_up']:.0f} s |"


def section_rows(name: str, rows: list[dict[str, Any]]) -> list[str]:
    bases = [row["turns"] for row in rows if row["contender"] == SECTIONS[name].baseline]
    return [table_row(name, row, bases[0] if bases else []) for row in rows]


def table(results: dict[str, Any]) -> str:
    where = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    lines = [f"{where['card']}; {where['cpus']} CPUs; {versions}.", ""]
    lines += ["| section | contender | rate | ratio | peak GPU memory | first round |"]
    lines += ["|---|---|---|---|---|---|"]
    for name, rows in results["sections"].items():
        lines += section_rows(name, rows)
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """The card with its driver and memory, the CPUs and the versions."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        card = subprocess.run(query, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        card = ""
    packages = ("torch", "triton", "torchvision", "jax", "jaxlib", "keras", "numpy")
    installed = [package for package in packages if importlib.util.find_spec(package)]
    versions = {"Python": platform.python_version()}
    versions |= {package: metadata.version(package) for package in installed}
    return {"card": card or "no GPU", "cpus": os.cpu_count(), "versions": versions}


def failures(rows: list[dict[str, Any]]) -> str | None:
    counts = {row["parameters"] for row in rows if row["turns"]}
    if len(counts) > 1:
        return f"the contenders differ in their number of parameters: {counts}"
    silent = [row["contender"] for row in rows if not row["turns"]]
    return f"nothing was measured of {', '.join(silent)}" if silent else None


def keep(section: str, rows: list[dict[str, Any]], out: Path) -> None:
    """Adds a section to the results."""
    file = out / "gpu.json"
    results = json.loads(file.read_text()) if file.exists() else {"sections": {}}
    results["machine"] = machine()
    results["sections"][section] = rows
    file.write_text(json.dumps(results, indent=1))
    (out / "gpu.md").write_text(table(results) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("section", choices=[*SECTIONS, "list"], help="list: print the sections")
    parser.add_argument("--tiny", action="store_true", help="seconds on a CPU, nothing compiled")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds; a section's if less")
    for name, (value, tiny, text) in SETTINGS.items():
        several = isinstance(value, list)
        kind = type(value[0] if several else value)
        shown = f"{text}: {value}, tiny {tiny}"
        parser.add_argument(f"--{name}", type=kind, nargs="+" if several else None, help=shown)
    args = parser.parse_args()
    for name, (value, tiny, _) in SETTINGS.items():
        key = name.replace("-", "_")
        if getattr(args, key) is None:
            setattr(args, key, tiny if args.tiny else value)
    args.bfloat16 = args.section.endswith("-bf16")
    return args


def main() -> None:
    args = parse()
    if args.section == "list":
        return print(*SECTIONS, sep="\n")
    rows = measure(args)
    print("\n".join(section_rows(args.section, rows)), flush=True)
    if OUT:
        keep(args.section, rows, OUT)
    return sys.exit(failures(rows))


if __name__ == "__main__":
    main()
