"""Seconds per epoch of the fits behind a memorization score, alone and in ensembles.

    python tests/benchmarks/bench_score.py [--num-images 4096] [--ensembles 10] ...

The paper's dense VAE (digits padded to 32×32, binarised at every access, batches of 64) is trained
by the shared loop on each backend; by a loop in the style of the paper's authors (a PyTorch
DataLoader that transforms one image at a time, a line printed every ten batches); by a lean PyTorch
loop with everything on the device; and, on JAX, by ensembles. Every measurement is a subprocess of
its own. Ratios are taken within a repeat; their median over the repeats is reported (in brackets
the lowest and the highest). Compilation and the first epoch are not timed.

On a GPU, ``--ensembles 1 10 50 100`` reports models × images per second and memory.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bench_training import BACKENDS, BATCH, ROOT, Run, lean_pytorch, ratio_cell

AUTHORS_BAR, ENSEMBLE_BAR, GPU_BAR = 3.0, 1.2, 10.0
MNIST = 60_000


def make_images(num_images: int) -> np.ndarray:
    """Bundled digits, (N, 28, 28, 1) uint8."""
    from rgf_keras.datasets import load

    return load("mnist-10k").images[:num_images]


def build(seed: int):
    from rgf_keras.models import VAE

    return VAE((28, 28, 1), "mnist_mlp", seed=seed)


def adam() -> dict:
    import keras

    return {"vae": keras.optimizers.Adam(1e-3)}


# --- Contenders: each returns a function that trains for so many further epochs -------------------


def shared_loop(images: np.ndarray) -> Run:
    from rgf_keras.training import Trainer

    return fits(Trainer(build(0), {"images": images}, adam(), BATCH))


def ensemble(images: np.ndarray, size: int) -> Run:
    from rgf_keras.training import Ensemble

    models = (build(seed) for seed in range(size))
    rows = [np.arange(len(images))] * size
    data = {"images": images}
    return fits(Ensemble(models, data, adam(), range(size), rows, batch_size=BATCH))


def fits(trainer) -> Run:
    def run(epochs: int) -> list[float]:
        history = trainer.fit(len(trainer.history.epochs) + epochs)
        return list(history.epochs[-1].values())

    return run


def lean(images: np.ndarray) -> Run:
    """Data on the device, binarised there."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    data = torch.from_numpy(padded).permute(0, 3, 1, 2).contiguous().to(device)

    def batches() -> Iterator:
        for indices in torch.randperm(len(data), device=device).split(BATCH):
            pixels = data[indices].float() / 255.0
            yield 2.0 * (torch.rand_like(pixels) < pixels).float() - 1.0

    return lean_pytorch("vae", padded, False, batches)[0]


def authors(images: np.ndarray) -> Run:
    """Transforms of one image at a time, as torchvision makes them, and a line per ten batches."""
    import torch
    from PIL import Image
    from torch.nn.functional import pad

    device = "cuda" if torch.cuda.is_available() else "cpu"

    class Digits(torch.utils.data.Dataset):
        def __len__(self):
            return len(images)

        def __getitem__(self, i):
            picture = Image.fromarray(images[i, ..., 0])
            pixels = torch.from_numpy(np.array(picture, np.uint8)[np.newaxis]).float().div(255)
            pixels = pad(pixels, (2, 2, 2, 2))
            return (torch.rand_like(pixels) < pixels).float()

    loader = torch.utils.data.DataLoader(Digits(), BATCH, shuffle=True)

    def batches() -> Iterator:
        for i, batch in enumerate(loader):
            yield 2.0 * batch.to(device) - 1.0
            if i % 10 == 0:
                print(f"batch {i} of {len(loader)}", file=sys.stderr)

    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    return lean_pytorch("vae", padded, False, batches)[0]


# --- Measuring ------------------------------------------------------------------------------------


def child(contender: str, args: argparse.Namespace) -> None:
    """Measure one contender and print the result as JSON."""
    images, size = make_images(args.num_images), 1
    if contender.startswith("ensemble-"):
        size = int(contender.removeprefix("ensemble-"))
        run = ensemble(images, size)
    else:
        run = {"loop": shared_loop, "lean": lean, "authors": authors}[contender](images)
    run(1)
    epochs = max(1, round(args.epochs / size))
    began, busy = time.perf_counter(), time.process_time()
    metrics = run(epochs)
    seconds = time.perf_counter() - began
    found = {
        "rate": epochs * size / seconds,  # epochs of one model per second
        "cores": (time.process_time() - busy) / seconds,
        "loss": metrics[0],
    }
    if os.environ["KERAS_BACKEND"] == "jax":
        import jax

        found["device"] = jax.default_backend()
        found["bytes"] = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    print(json.dumps(found))


def measure(contender: str, backend: str, args: argparse.Namespace) -> dict:
    """Run one child."""
    command = [sys.executable, __file__, "--child", contender]
    command += ["--num-images", str(args.num_images), "--epochs", str(args.epochs)]
    paths = f"{ROOT}{os.pathsep}{Path(__file__).parent}"
    environment = {
        **os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"
    }  # fmt: skip
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{contender} on {backend} failed:\n{done.stderr[-4000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{contender:12} {backend:10} {1 / found['rate']:7.2f} s per epoch and model on "
        f"{found['cores']:.1f} cores; loss {found['loss']:.1f}",
        file=sys.stderr,
        flush=True,
    )
    return found


def report(found: dict[tuple[str, str], list[dict]], args: argparse.Namespace) -> None:
    on_gpu = any(row.get("device") == "gpu" for rows in found.values() for row in rows)
    print(f"{args.num_images} images, {args.repeats} repeats; {os.cpu_count()} CPUs\n")
    print(
        "| fit | backend | s per epoch | s per epoch of 60,000 | speed-up over authors' | memory |"
    )
    print("|---|---|---|---|---|---|")
    for (name, backend), rows in found.items():
        seconds = sorted(1 / row["rate"] for row in rows)[len(rows) // 2]
        bar = AUTHORS_BAR if (name, backend) == ("loop", "jax") else None
        cell = ratio_cell(rows, found["authors", "torch"], bar)
        used = rows[0].get("bytes")
        memory = f"{used / 2**30:.1f} GiB" if used else "–"
        whole = seconds * MNIST / args.num_images
        print(f"| {name} | {backend} | {seconds:.2f} | {whole:.1f} | {cell} | {memory} |")
    print("\n| models at once (JAX) | models × images per second | speed against one fit |")
    print("|---|---|---|")
    best = 0.0
    for size in args.ensembles if ("loop", "jax") in found else []:
        rows, single = found[f"ensemble-{size}", "jax"], found["loop", "jax"]
        ratios = sorted(a["rate"] / b["rate"] for a, b in zip(rows, single, strict=True))
        best = max(best, ratios[len(ratios) // 2])
        bar = None if on_gpu else 1 / ENSEMBLE_BAR
        rate = sorted(row["rate"] for row in rows)[len(rows) // 2] * args.num_images
        print(f"| {size} | {rate:.0f} | {ratio_cell(rows, single, bar)} |")
    if on_gpu:
        print(f"\nbest {best:.1f}, bar {GPU_BAR:g}: {'pass' if best >= GPU_BAR else 'MISS'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    installed = [name for name in BACKENDS if importlib.util.find_spec(name)]
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=installed)
    parser.add_argument("--ensembles", nargs="+", type=int, default=[10], help="on JAX")
    parser.add_argument("--num-images", type=int, default=4096)
    parser.add_argument("--epochs", type=int, default=5, help="that are timed, of one model")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args.child, args)

    turns = [("authors", "torch"), ("lean", "torch")]
    turns += [("loop", backend) for backend in args.backends]
    if "jax" in args.backends:
        turns += [(f"ensemble-{size}", "jax") for size in args.ensembles]
    found: dict[tuple[str, str], list[dict]] = {turn: [] for turn in turns}
    for repeat in range(args.repeats):
        # Every other repeat runs backwards, so that a drift of the machine favours none.
        for turn in turns[:: -1 if repeat % 2 else 1]:
            found[turn].append(measure(*turn, args))
    return report(found, args)


if __name__ == "__main__":
    main()
