"""Training from a memory-mapped file against data that lies on the device, in steps per second.

    python tests/benchmarks/bench_streaming.py [--backends jax torch] [--models vae dcgan] ...

Each backend and model is a subprocess, in which both trainings take turns, so that a drift of the
machine favours none; the median of the ratios of neighbouring turns is reported (in brackets the
lowest and the highest). An epoch of the file is taken to the device in ``--parts`` parts.
Compilation is not timed.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from bench_training import BACKENDS, BATCH, MODELS, ROOT, keras_model, make_images, ratio_cell

BAR = 0.9


def child(model: str, args: argparse.Namespace) -> None:
    """Measure one model and print a line of the table."""
    from rgf_keras.training import Trainer, streaming

    images = make_images(model)[: args.num_images]
    streaming.PART_BYTES = images.nbytes // args.parts
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "images.npy", images)
        on_disk = np.load(Path(folder) / "images.npy", mmap_mode="r")
        trainers = {}
        for name, data in (("resident", images), ("streamed", on_disk)):
            network, optimizers = keras_model(model)
            streamed = name == "streamed"
            trainers[name] = Trainer(
                network, {"images": data}, optimizers, BATCH, streamed=streamed
            )
            trainers[name].fit(2)
        rates: dict[str, list[dict[str, float]]] = {name: [] for name in trainers}
        for repeat in range(args.repeats):
            for name in list(trainers)[:: -1 if repeat % 2 else 1]:
                trainer = trainers[name]
                began = time.perf_counter()
                trainer.fit(len(trainer.history.epochs) + args.epochs)
                steps = args.epochs * trainer.steps_per_epoch
                rates[name].append({"rate": steps / (time.perf_counter() - began)})
    middles = [sorted(row["rate"] for row in rows)[len(rows) // 2] for rows in rates.values()]
    shown = ", ".join(f"{rate:.1f}" for rate in middles)
    cell = ratio_cell(rates["streamed"], rates["resident"], BAR)
    print(f"| {model} | {os.environ['KERAS_BACKEND']} | {shown} | {cell} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    installed = [name for name in BACKENDS if importlib.util.find_spec(name)]
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=installed)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["vae", "dcgan"])
    numbers = {"num-images": 4096, "epochs": 3, "repeats": 5, "parts": 8}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args.models[0], args)
    print("| model | backend | steps/s resident, streamed | streamed / resident |")
    print("|---|---|---|---|", flush=True)
    for backend in args.backends:
        for model in args.models:
            command = [sys.executable, __file__, "--child", "--models", model]
            for name in numbers:
                command += [f"--{name}", str(getattr(args, name.replace("-", "_")))]
            environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
            environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
            done = subprocess.run(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE)
            if done.returncode:
                sys.exit(f"{model} on {backend} failed:\n{done.stderr.decode()[-4000:]}")
    return None


if __name__ == "__main__":
    main()
