"""Training and sampling of DDPM: KerasCV's blocks, plain Keras layers, and lean PyTorch.

    python tests/benchmarks/bench_diffusion.py [--backends jax torch] [--size small] ...
    python tests/benchmarks/bench_diffusion.py --backends jax torch --backbones keras --size base \\
        --side 32 --precisions float32 mixed_bfloat16 --batch 128      # on a GPU

Every measurement is a subprocess of its own, one after another; within a repeat all contenders take
their turn, and medians over the repeats are reported. Compilation is not timed. Sampling draws
``--images`` images in ``--steps`` steps, with the compiled loop over the steps and with a Python
loop that calls one compiled step at a time; the ratio is taken within a subprocess, where the two
take turns. ``lean`` is the plain layers' network in plain PyTorch, where both are asked for:
training is compared with it within each repeat. Progress on stderr names the cores that each
measurement really had: fewer than usual means that the machine was shared.
"""

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = ("tensorflow", "jax", "torch")
BACKBONES = ("keras", "keras_cv_attention", "keras_cv")
LEAN = "lean"
ROUNDS = 3  # of the two loops


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and cores that were busy."""
    began, busy = time.perf_counter(), time.process_time()
    work()
    seconds = time.perf_counter() - began
    return seconds, (time.process_time() - busy) / seconds


def train(model, args: argparse.Namespace) -> dict[str, float]:
    """Steps per second of the shared loop."""
    import keras

    from rgf_keras.training import Trainer

    shape = (args.batch * args.train_steps, *model.image_shape)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    optimizers = {"diffusion": keras.optimizers.Adam(1e-3)}
    trainer = Trainer(model, {"images": images}, optimizers, args.batch, ema_decay=0.995)
    trainer.fit(1)
    seconds, cores = timed(lambda: trainer.fit(2))
    return {"train": args.train_steps / seconds, "train_cores": cores}


def sample(model, args: argparse.Namespace) -> dict[str, float]:
    """Denoising steps per second of a batch, in the compiled loop and one by one from Python."""
    from keras import ops

    from rgf_keras.models.sampling import sampling_steps

    steps = sampling_steps(model.schedule, args.steps, eta=0.0)
    rows = (*steps, np.zeros((args.steps, 1, 1, 1, 1), np.float32))
    start = model.sample_latents(args.images, 0).reshape(-1, *model.image_shape)

    def compiled_loop():
        return ops.convert_to_numpy(model.sampler.advance(start, *rows))

    def python_loop():
        x = start
        for i in range(args.steps):
            x = model.sampler.advance(x, *(row[i : i + 1] for row in rows))
        return ops.convert_to_numpy(x)

    np.testing.assert_allclose(compiled_loop(), python_loop(), atol=0.05)
    loops: dict[str, list[float]] = {"loop": [], "python": []}
    cores = []
    for _ in range(ROUNDS):
        for name, work in (("loop", compiled_loop), ("python", python_loop)):
            seconds, busy = timed(work)
            loops[name].append(args.steps / seconds)
            cores.append(busy)
    ratios = [a / b for a, b in zip(loops["loop"], loops["python"], strict=True)]
    rates = {name: median(values) for name, values in loops.items()}
    return {**rates, "ratio": median(ratios), "sample_cores": median(cores)}


def lean(precision: str, args: argparse.Namespace) -> dict[str, float]:
    """Training and denoising steps per second of plain PyTorch; its sampler is a Python loop."""
    from lean_diffusion import lean_diffusion

    shape = (args.batch * args.train_steps, args.side, args.side, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    bfloat16 = precision == "mixed_bfloat16"
    run, draw, parameters = lean_diffusion(images, args.size, args.batch, bfloat16, None)
    run(1)
    seconds, cores = timed(lambda: run(1))
    draw(args.images, 1)
    drawing, busy = timed(lambda: draw(args.images, args.steps))
    return {
        "train": args.train_steps / seconds,
        "train_cores": cores,
        "python": args.steps / drawing,
        "sample_cores": busy,
        "parameters": parameters,
    }


def ours(backbone: str, precision: str, args: argparse.Namespace) -> dict[str, float]:
    """Steps per second of the package."""
    import keras

    from rgf_keras.models import DDPM

    keras.config.set_dtype_policy(precision)
    shape = (args.side, args.side, 3)
    model = DDPM(shape, args.size, backbone=backbone, prediction="v", noise_schedule="cosine")
    parameters = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    return {**train(model, args), **sample(model, args), "parameters": parameters}


def measure(backend: str, backbone: str, precision: str, options: list[str]) -> dict:
    """Run one child."""
    command = [sys.executable, __file__, "--child", backbone, precision, *options]
    environment = {
        **os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"
    }  # fmt: skip
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{backbone} on {backend} failed:\n{done.stderr[-4000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    print(
        f"{backend:10} {backbone:8} {precision:14} {found['train']:.2f} training steps/s on "
        f"{found['train_cores']:.1f} cores, {found.get('loop', 0):.2f} denoising steps/s (one by "
        f"one {found['python']:.2f}) on {found['sample_cores']:.1f} cores",
        file=sys.stderr,
        flush=True,
    )
    return found


def against(rows: list[dict], found: dict[tuple[str, str, str], list[dict]], precision: str) -> str:
    """How many times as fast as lean PyTorch these train; a dash of itself, or if it is not run."""
    lean_rows = found.get(("torch", LEAN, precision))
    if lean_rows is None or lean_rows is rows:
        return "–"
    ratios = sorted(a["train"] / b["train"] for a, b in zip(rows, lean_rows, strict=True))
    return f"{median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})"


def report(found: dict[tuple[str, str, str], list[dict]], args: argparse.Namespace) -> None:
    print(f"{os.cpu_count()} CPUs, {platform.platform()}, Python {platform.python_version()};")
    print(f"size {args.size}, {args.side}×{args.side}×3, {args.repeats} repeats.\n")
    print(
        f"| backend | backbone | precision | parameters | training images/s (batch {args.batch}) "
        f"| training / lean PyTorch | a denoising step of {args.images} | one by one "
        "| loop / one by one |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for (backend, backbone, precision), rows in found.items():
        middle = {name: median(row[name] for row in rows) for name in rows[0]}
        loop, ratio = "–", "–"  # lean PyTorch has none
        if "loop" in middle:
            loop, ratio = f"{1 / middle['loop']:.3f} s", f"{middle['ratio']:.2f}"
        print(
            f"| {backend} | {backbone} | {precision} | {middle['parameters'] / 1e6:.2f} M "
            f"| {middle['train'] * args.batch:.1f} | {against(rows, found, precision)} "
            f"| {loop} | {1 / middle['python']:.3f} s "
            f"| {ratio} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    installed = [name for name in BACKENDS if importlib.util.find_spec(name)]
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=installed)
    parser.add_argument("--backbones", nargs="+", choices=BACKBONES, default=BACKBONES)
    parser.add_argument("--precisions", nargs="+", default=["float32"])
    parser.add_argument("--repeats", type=int, default=3)
    sizes = {"size": "small", "side": 28, "batch": 32, "train-steps": 10, "images": 64, "steps": 10}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        backbone, precision = args.child
        found = lean(precision, args) if backbone == LEAN else ours(backbone, precision, args)
        return print(json.dumps(found))

    options = [
        str(part) for name in sizes for part in (f"--{name}", getattr(args, name.replace("-", "_")))
    ]
    has_lean = "torch" in args.backends and "keras" in args.backbones
    leans = [("torch", LEAN, p) for p in args.precisions if has_lean]
    found: dict[tuple[str, str, str], list[dict]] = {}
    for repeat in range(args.repeats):
        turns = [(a, b, p) for a in args.backends for b in args.backbones for p in args.precisions]
        turns += leans
        # Every other repeat runs backwards, so that a drift of the machine favours none.
        for turn in turns[:: -1 if repeat % 2 else 1]:
            found.setdefault(turn, []).append(measure(*turn, options))
    return report(found, args)


if __name__ == "__main__":
    main()
