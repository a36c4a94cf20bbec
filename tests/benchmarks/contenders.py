"""The processes that bench_gpu.py compares: each builds, warms up, and works when told to.

    KERAS_BACKEND=jax python tests/benchmarks/contenders.py SECTION NAME SETTINGS

SETTINGS is bench_gpu.py's settings as JSON. Answers are lines of stdout that begin with ``MARK``.
"""

import itertools
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from bench_training import (
    BATCH,
    MODELS,
    keras_model,
    lean_pytorch,
    make_images,
    num_parameters,
    shared_loop,
)

MARK = "@@ "  # begins an answer, whatever else libraries print
# Lean PyTorch: options of torch.compile by the contender's name.
COMPILE: dict[str, dict[str, str] | None] = {
    "eager": None,
    "compiled": {"mode": "default"},
    "graphs": {"mode": "reduce-overhead"},
    "torchvision": {"mode": "default"},
}
TRACE_ONLY = {"backend": "eager"}  # for --tiny, which must not need a compiler


@dataclass
class Work:
    """What a contender does in its turns.

    Attributes:
        run: does a round and waits for the device.
        units: steps, images or features in a round.
        parameters: that are trained; None where contenders need not have equally many.
    """

    run: Callable[[], object]
    units: int
    parameters: int | None = None


def compile_options(name: str, settings: SimpleNamespace) -> dict[str, str] | None:
    options = COMPILE[name]
    return TRACE_ONLY if settings.tiny and options else options


def an_epoch(trainer) -> Callable[[], object]:
    return lambda: trainer.fit(len(trainer.history.epochs) + 1)


def training(name: str, settings: SimpleNamespace) -> Work:
    model = settings.section
    number = settings.dcgan_images if model == "dcgan" else settings.images
    images = np.resize(make_images(model), (number, *MODELS[model][0]))
    if name in COMPILE:
        options = compile_options(name, settings)
        run, parameters = lean_pytorch(model, images, True, compile_options=options)
    else:
        run, parameters = shared_loop(model, images)
    return Work(lambda: run(1), number // BATCH, parameters)


def ensemble(name: str, settings: SimpleNamespace) -> Work:
    from rgf_keras.training import Ensemble

    number = settings.ensemble_images
    images = np.resize(make_images("vae"), (number, *MODELS["vae"][0]))
    if name == "jax":
        run, _ = shared_loop("vae", images)
        return Work(lambda: run(1), number // BATCH)
    members = int(name.removeprefix("ensemble-"))
    model, optimizers = keras_model("vae")
    models = itertools.repeat(model, members)  # equal weights at first: they cost no time to build
    rows = [np.arange(number)] * members
    data = {"images": images}
    trainer = Ensemble(models, data, optimizers, range(members), rows, batch_size=BATCH)
    return Work(an_epoch(trainer), members * (number // BATCH))


def diffusion_model(settings: SimpleNamespace):
    import keras

    from rgf_keras.models import DDPM

    keras.config.set_dtype_policy("mixed_bfloat16" if settings.bfloat16 else "float32")
    return DDPM((settings.side, settings.side, 3), settings.size, backbone="keras")


def lean_diffusion(name: str, images: np.ndarray, settings: SimpleNamespace):
    from lean_diffusion import lean_diffusion

    options = compile_options(name, settings)
    return lean_diffusion(images, settings.size, BATCH, settings.bfloat16, options)


def noise_images(settings: SimpleNamespace) -> np.ndarray:
    shape = (settings.diffusion_images, settings.side, settings.side, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def diffusion(name: str, settings: SimpleNamespace) -> Work:
    images = noise_images(settings)
    steps = len(images) // BATCH
    if name in COMPILE:
        run, _, parameters = lean_diffusion(name, images, settings)
        return Work(lambda: run(1), steps, parameters)

    import keras

    from rgf_keras.training import Trainer

    model, optimizers = diffusion_model(settings), {"diffusion": keras.optimizers.Adam(1e-3)}
    trainer = Trainer(model, {"images": images}, optimizers, batch_size=BATCH)
    return Work(an_epoch(trainer), steps, num_parameters(model))


def sampling(name: str, settings: SimpleNamespace) -> Work:
    number, steps = settings.samples, settings.steps
    if name in COMPILE:
        _, sample, _ = lean_diffusion(name, noise_images(settings), settings)
        return Work(lambda: sample(number, steps), number)
    model = diffusion_model(settings)
    return Work(lambda: model.sample(number, seed=0, num_steps=steps), number)


def inception(name: str, settings: SimpleNamespace) -> Work:
    """Features of images that come from the host, as a metric's do."""
    shape = (settings.inception_batch, settings.inception_side, settings.inception_side, 3)
    images = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    if name not in COMPILE:
        import keras

        keras_network = keras.applications.InceptionV3(
            include_top=False, weights=None, input_shape=shape[1:], pooling="avg"
        )
        return Work(lambda: keras_network.predict_on_batch(images), len(images))

    import torch
    import torchvision

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.benchmark = True
    network = torchvision.models.inception_v3(init_weights=False, aux_logits=False)
    network.fc = torch.nn.Identity()
    network = network.to(device, memory_format=torch.channels_last).eval()
    network = torch.compile(network, **compile_options(name, settings))
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)  # in the order of channels_last

    @torch.no_grad()
    def features():
        return network(pixels.to(device)).cpu().numpy()

    return Work(features, len(images))


BUILDERS: dict[str, Callable[[str, SimpleNamespace], Work]] = {
    "vae": training,
    "gan": training,
    "dcgan": training,
    "ensemble": ensemble,
    "diffusion": diffusion,
    "sampling": sampling,
    "inception": inception,
}


def peak_bytes() -> int | None:
    """The most memory of the GPU that this process has used; None without a GPU."""
    if os.environ["KERAS_BACKEND"] == "jax":
        import jax

        return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None


def answer(**values: Any) -> None:
    print(MARK + json.dumps(values), flush=True)


def work_when_told(work: Work, seconds: float) -> None:
    """Warms up; then works for so long for every line on stdin. Answers each with a line."""
    began = time.perf_counter()
    work.run()
    answer(warm_up=time.perf_counter() - began, parameters=work.parameters)
    work.run()  # shapes that only later rounds have
    for _ in sys.stdin:
        rounds, began = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds or not rounds:
            work.run()
            rounds += 1
        answer(rate=rounds * work.units / elapsed, seconds=elapsed, bytes=peak_bytes())


def main() -> None:
    _, section, name, settings = sys.argv
    if os.environ["KERAS_BACKEND"] == "torch":
        import torch

        torch.set_float32_matmul_precision("high")
    try:
        builder = BUILDERS[section.removesuffix("-bf16")]
        work = builder(name, SimpleNamespace(**json.loads(settings)))
        work_when_told(work, json.loads(settings)["seconds"])
    except Exception as error:
        traceback.print_exc()
        first, *_ = str(error).strip().splitlines() or [""]
        answer(failure=f"{type(error).__name__}: {first[:200]}")


if __name__ == "__main__":
    main()
