"""What memorization rejection costs per training step, against the same step without it.

    python tests/benchmarks/bench_rejection.py [--backends jax tensorflow] [--mode resample] ...

A DCGAN at 32×32×3 with batches of 64 and five discriminator turns per generator turn, unless other
ones are asked for; 60,000 references in the features of a digit oracle (width 64). Each backend is
a subprocess, in which both trainings take turns, so that a drift of the machine favours none; the
median of the ratios of neighbouring turns is reported. Compilation is not timed.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = ("tensorflow", "jax", "torch")
STEPS, WIDTH = 2, 64
BAR = 1.15


def trainer(images: np.ndarray, hooks: list, args: argparse.Namespace):
    import keras

    from rgf_keras.models import GAN
    from rgf_keras.training import Trainer

    gan = GAN(images.shape[1:], "conv", latent_dim=64, width=64)
    optimizers = {player.name: keras.optimizers.Adam(2e-4, beta_1=0.5) for player in gan.players()}
    turns = {"discriminator": args.turns}
    return Trainer(gan, {"images": images}, optimizers, args.batch, regularizers=hooks, turns=turns)


def child(args: argparse.Namespace) -> None:
    """Measure one backend."""
    from rgf_keras.metrics.features import OracleFeatures
    from rgf_keras.models import Oracle
    from rgf_keras.training import MemorizationRejection

    rng = np.random.default_rng(0)
    shape = (args.batch * args.turns * STEPS, 32, 32, 3)
    images = rng.integers(0, 256, shape, dtype=np.uint8)
    references = np.maximum(rng.normal(size=(args.num_references, WIDTH)), 0).astype(np.float32)
    embedding = OracleFeatures(Oracle(shape[1:], 10, feature_dim=WIDTH))
    hook = MemorizationRejection(0.1, embedding, references, mode=args.mode)
    trainers = {"without": trainer(images, [], args), "with": trainer(images, [hook], args)}
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for repeat in range(args.repeats + 2):  # the first two compile and warm up
        for name in list(trainers)[:: -1 if repeat % 2 else 1]:
            began = time.perf_counter()
            trainers[name].fit(repeat + 1)
            if repeat >= 2:
                seconds[name].append((time.perf_counter() - began) / STEPS)
    ratios = [b / a for a, b in zip(seconds["without"], seconds["with"], strict=True)]
    ratio = median(ratios)
    times = ", ".join(f"{median(s) * 1000:.0f}" for s in seconds.values())
    backend = os.environ["KERAS_BACKEND"]
    verdict = "pass" if ratio <= BAR else "MISS"
    spread = f"{min(ratios):.2f}–{max(ratios):.2f}"
    print(f"| {backend} | {times} | {ratio:.2f} ({spread}), bar {BAR}: {verdict} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    installed = [name for name in BACKENDS if importlib.util.find_spec(name)]
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=installed)
    parser.add_argument("--mode", choices=("mask", "resample"), default="mask")
    numbers = {"num-references": 60_000, "repeats": 10, "batch": 64, "turns": 5}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args)
        return
    print("| backend | ms per step without, with | with / without |\n|---|---|---|", flush=True)
    for backend in args.backends:
        environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, __file__, "--child", "--mode", args.mode]
        for name in numbers:
            command += [f"--{name}", str(getattr(args, name.replace("-", "_")))]
        subprocess.run(command, env=environment, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
