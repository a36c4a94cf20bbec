"""Steps per second of the shared loop against Model.fit and against a lean plain-PyTorch loop.

    python tests/benchmarks/bench_training.py [--backends jax tensorflow] [--models vae] ...

Every measurement is a subprocess of its own, one after another. Within a repeat all contenders
take their turn; ratios are taken within a repeat and their median over the repeats is reported
(in brackets the lowest and the highest). Compilation and warm-up are not timed. All contenders see
the same uint8 images in batches of 64, do the same turns with Adam, and report the same metrics;
that they have equally many parameters is checked. Progress on stderr names the cores that each
measurement really had: far fewer than usual means that the machine was shared, and PyTorch suffers
most from that.
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
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BATCH = 64
LATENT = 64  # of both GANs
VAE_UNITS = (512, 256)  # with 1,024 pixels and 16 latents: the dense VAE of NeurIPS 2021
BACKENDS = ("tensorflow", "jax", "torch")
# Per model: image shape, number of images, and how much longer than --seconds to measure.
MODELS = {
    "vae": ((32, 32, 1), 4096, 1.0),
    "gan": ((28, 28, 3), 4096, 1.0),
    "dcgan": ((32, 32, 3), 512, 1.75),
}
FIT_BARS = {(model, backend): 1.0 for model in MODELS for backend in BACKENDS}
FIT_BARS["dcgan", "tensorflow"] = 1.3
LEAN_BARS = {("vae", "jax"): 2.0, ("vae", "tensorflow"): 1.2}

# Runs so many further epochs, waits for the result, and returns the metrics it ended with.
Run = Callable[[int], list[float]]


def make_images(model: str) -> np.ndarray:
    """The bundled digits in the model's shape, (N, H, W, C) uint8."""
    from rgf_keras.datasets import load

    (height, _, channels), num_images, _ = MODELS[model]
    margin = (height - 28) // 2
    images = load("mnist-10k").images[:num_images]
    images = np.pad(images, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    return np.repeat(images, channels, axis=-1)


# --- Keras: the shared loop and Model.fit ---------------------------------------------------------


def keras_model(model: str):
    """The model and one optimizer per player."""
    import keras

    from rgf_keras.models import GAN, VAE

    shape = MODELS[model][0]
    if model == "vae":
        built = VAE(shape, "mlp", "bernoulli", latent_dim=16, units=VAE_UNITS)
        return built, {"vae": keras.optimizers.Adam(1e-3)}
    if model == "gan":
        built = GAN(shape, "mlp", latent_dim=LATENT, units=(512, 512))
    else:
        built = GAN(shape, "conv", latent_dim=LATENT, width=64)
    names = ("discriminator", "generator")
    return built, {name: keras.optimizers.Adam(2e-4, beta_1=0.5) for name in names}


def num_parameters(model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def shared_loop(model: str, images: np.ndarray) -> tuple[Run, int]:
    from rgf_keras.training import Trainer

    network, optimizers = keras_model(model)
    trainer = Trainer(network, {"images": images}, optimizers, batch_size=BATCH)

    def run(epochs: int) -> list[float]:
        history = trainer.fit(len(trainer.history.epochs) + epochs)
        return list(history.epochs[-1].values())

    return run, num_parameters(network)


def model_fit(model: str, images: np.ndarray, jit_compile: str | bool) -> tuple[Run, int]:
    """Model.fit with the train_step one would write for each backend."""
    import keras
    from keras import ops

    from rgf_keras.models import to_float

    backend = keras.backend.backend()
    if backend == "jax":
        import jax
    elif backend == "tensorflow":
        import tensorflow as tf
    else:
        import torch

    def mean_loss(player, batch):
        loss = player.loss(batch)
        named = {f"{player.name}/{name}": value for name, value in loss.metrics.items()}
        return ops.mean(loss.per_example), named

    class Fitted(keras.Model):
        def __init__(self, network, optimizers):
            super().__init__()
            self.network, self.turns = network, network.players()
            self.player_optimizers = [optimizers[player.name] for player in self.turns]
            self.names = []
            for player in self.turns:
                extra = [f"{player.name}/{name}" for name in player.metrics]
                self.names += [f"loss/{player.name}", *extra]
            self.trackers = [keras.metrics.Mean(name.replace("/", "_")) for name in self.names]
            for player, optimizer in zip(self.turns, self.player_optimizers, strict=True):
                optimizer.build(player.variables)
            # Keras carries the compiled optimizer's state; tracked here, the other's goes along.
            others = self.player_optimizers[1:]
            self.further_state = [v for optimizer in others for v in optimizer.variables]
            self.built = True

        def track(self, results):
            for name, tracker in zip(self.names, self.trackers, strict=True):
                tracker.update_state(results[name])
            return {tracker.name: tracker.result() for tracker in self.trackers}

        def train_step(self, *args):
            if backend == "jax":
                return self.jax_step(*args)
            batch = {"images": to_float(keras.utils.unpack_x_y_sample_weight(*args)[0])}
            update = self.tensorflow_turn if backend == "tensorflow" else self.torch_turn
            results = {}
            for player, optimizer in zip(self.turns, self.player_optimizers, strict=True):
                results |= update(player, optimizer, batch)
            return self.track(results)

        def tensorflow_turn(self, player, optimizer, batch):
            with tf.GradientTape() as tape:
                total, named = mean_loss(player, batch)
            gradients = tape.gradient(total, player.variables)
            optimizer.apply_gradients(zip(gradients, player.variables, strict=True))
            return {f"loss/{player.name}": total, **named}

        def torch_turn(self, player, optimizer, batch):
            total, named = mean_loss(player, batch)
            self.zero_grad()
            total.backward()
            gradients = [variable.value.grad for variable in player.variables]
            with torch.no_grad():
                optimizer.apply(gradients, player.variables)
            named = {name: value.detach() for name, value in named.items()}
            return {f"loss/{player.name}": total.detach(), **named}

        def jax_step(self, state, data):
            """Stateless: the values of all variables come in and go out."""
            frozen, tracked = self.non_trainable_variables, self.metrics_variables
            groups = (self.trainable_variables, frozen, self.optimizer.variables, tracked)
            variables = [variable for group in groups for variable in group]
            values = [value for group in state for value in group]
            current = {id(v): value for v, value in zip(variables, values, strict=True)}
            batch = {"images": to_float(keras.utils.unpack_x_y_sample_weight(data)[0])}
            results = {}

            def pick(some):
                return [current[id(variable)] for variable in some]

            def keep(some, new):
                current.update({id(v): value for v, value in zip(some, new, strict=True)})

            def scope_with(some=(), new=()):
                return keras.StatelessScope(
                    [*zip(variables, pick(variables), strict=True), *zip(some, new, strict=True)]
                )

            for player, optimizer in zip(self.turns, self.player_optimizers, strict=True):

                def loss_fn(trainable, player=player):
                    with scope_with(player.variables, trainable) as scope:
                        total, named = mean_loss(player, batch)
                    return total, (named, [scope.get_current_value(v) for v in frozen])

                grad_fn = jax.value_and_grad(loss_fn, has_aux=True)
                (total, (named, moved)), gradients = grad_fn(pick(player.variables))
                keep(frozen, moved)  # before the optimizer: its own state may lie among them
                trainable, slots = optimizer.stateless_apply(
                    pick(optimizer.variables), gradients, pick(player.variables)
                )
                keep(player.variables, trainable)
                keep(optimizer.variables, slots)
                results |= {f"loss/{player.name}": total, **named}
            with scope_with() as scope:
                logs = self.track(results)
            keep(tracked, [scope.get_current_value(v) for v in tracked])
            return logs, tuple(pick(group) for group in groups)

    fitted = Fitted(*keras_model(model))
    fitted.compile(optimizer=fitted.player_optimizers[0], jit_compile=jit_compile)

    def run(epochs: int) -> list[float]:
        history = fitted.fit(images, batch_size=BATCH, epochs=epochs, verbose=0).history
        return [history[tracker.name][-1] for tracker in fitted.trackers]

    return run, num_parameters(fitted.network)


# --- Lean PyTorch ---------------------------------------------------------------------------------


def lean_pytorch(
    model: str,
    images: np.ndarray,
    fused_adam: bool,
    batches: Callable | None = None,
    compile_options: dict | None = None,
) -> tuple[Run, int]:
    """What one would write by hand: nn.Module, data on the device, torch.optim.Adam.

    ``batches()`` gives an epoch's batches, in [−1, 1], if they are not to be as plain as this.
    With options of ``torch.compile`` the step is compiled.
    """
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    data = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(device)
    channels, height = data.shape[1:3]
    pixels = data[0].numel()

    def dense(sizes, activation, normalize=False):
        hidden = []
        for a, b in pairwise(sizes[:-1]):
            normal = [nn.BatchNorm1d(b, eps=1e-3, momentum=0.1)] if normalize else []
            hidden += [nn.Linear(a, b), *normal, activation()]
        return nn.Sequential(*hidden, nn.Linear(*sizes[-2:]))

    def leaky():
        return nn.LeakyReLU(0.2)

    def norm(features):
        return [nn.BatchNorm2d(features, eps=1e-3, momentum=0.1), nn.ReLU()]

    def adam(module, rate, beta_1):
        options = {"lr": rate, "betas": (beta_1, 0.999), "eps": 1e-7}
        return torch.optim.Adam(module.parameters(), **options, fused=fused_adam or None)

    if model == "vae":
        encoder = dense((pixels, *VAE_UNITS, 32), nn.ReLU)
        decoder = dense((16, *VAE_UNITS[::-1], pixels), nn.ReLU)
        networks = nn.ModuleList([encoder, decoder]).to(device)
    elif model == "gan":
        generator = dense((LATENT, 512, 512, pixels), leaky, normalize=True)
        generator.extend([nn.Tanh(), nn.Unflatten(1, (channels, height, height))])
        discriminator = nn.Sequential(nn.Flatten(), *dense((pixels, 512, 512, 1), leaky))
        networks = nn.ModuleList([discriminator, generator]).to(device)
    else:
        generator = nn.Sequential(
            nn.Linear(LATENT, 8 * 8 * 128), nn.Unflatten(1, (128, 8, 8)),
            *norm(128), nn.ConvTranspose2d(128, 64, 4, 2, 1),
            *norm(64), nn.ConvTranspose2d(64, channels, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip
        discriminator = nn.Sequential(
            nn.Conv2d(channels, 64, 4, 2, 1), leaky(), nn.Conv2d(64, 128, 4, 2, 1), leaky(),
            nn.Flatten(), nn.Linear(8 * 8 * 128, 1),
        )  # fmt: skip
        networks = nn.ModuleList([discriminator, generator]).to(device)
    for module in networks.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)

    def vae_step(batch):
        mean, log_var = encoder(batch.flatten(1)).chunk(2, dim=1)
        outputs = decoder(mean + torch.exp(0.5 * log_var) * torch.randn_like(mean))
        target = (batch.flatten(1) + 1.0) / 2.0
        reconstruction = (F.softplus(outputs) - target * outputs).sum(1)
        kl = 0.5 * (mean.square() + log_var.exp() - 1.0 - log_var).sum(1)
        loss = (reconstruction + kl).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return torch.stack([loss, reconstruction.mean(), kl.mean()]).detach()

    def gan_step(batch):
        with torch.no_grad():
            generated = generator(torch.randn(BATCH, LATENT, device=device))
        real, fake = discriminator(torch.cat([batch, generated])).chunk(2)
        loss = (F.softplus(-real) + F.softplus(fake)).mean()
        discriminator_optimizer.zero_grad()
        loss.backward()
        discriminator_optimizer.step()
        generated = generator(torch.randn(BATCH, LATENT, device=device))
        generator_loss = F.softplus(-discriminator(generated)).mean()
        generator_optimizer.zero_grad()
        generator_loss.backward(inputs=generator_parameters)  # none for the discriminator
        generator_optimizer.step()
        return torch.stack([loss, real.mean(), fake.mean(), generator_loss]).detach()

    if model == "vae":
        optimizer, step = adam(networks, 1e-3, 0.9), vae_step
    else:
        discriminator_optimizer = adam(discriminator, 2e-4, 0.5)
        generator_optimizer, step = adam(generator, 2e-4, 0.5), gan_step
        generator_parameters = list(generator.parameters())
    if compile_options:
        compiled = torch.compile(step, **compile_options)

        def step(batch):
            return compiled(batch).clone()  # CUDA graphs write over their outputs

    def plain():
        for indices in torch.randperm(len(data), device=device).split(BATCH):
            yield data[indices].float() / 127.5 - 1.0

    def run(epochs: int) -> list[float]:
        rows = []
        for _ in range(epochs):
            rows += [step(batch) for batch in (batches or plain)()]
        return torch.stack(rows).cpu()[-len(data) // BATCH :].mean(0).tolist()

    return run, sum(parameter.numel() for parameter in networks.parameters())


# --- Measuring ------------------------------------------------------------------------------------


def child(contender: str, model: str, args: argparse.Namespace) -> None:
    """Measure one contender and print the result as JSON."""
    images = make_images(model)
    if contender == "loop":
        run, parameters = shared_loop(model, images)
    elif contender == "fit":
        run, parameters = model_fit(model, images, False if args.fit_without_jit else "auto")
    else:
        run, parameters = lean_pytorch(model, images, args.fused_adam)

    def timed(epochs: int) -> tuple[int, float, float, list[float]]:
        began, busy = time.perf_counter(), time.process_time()
        metrics = run(epochs)
        seconds = time.perf_counter() - began
        return epochs, seconds, (time.process_time() - busy) / seconds, metrics

    target = args.seconds * MODELS[model][2]
    timed(1)
    epochs, seconds, cores, metrics = timed(1)
    if seconds < target:  # else one epoch is measurement enough
        epochs, seconds, cores, metrics = timed(max(1, round(target / seconds)))
    steps = epochs * (len(images) // BATCH)
    result = {"rate": steps / seconds, "seconds": seconds, "steps": steps, "cores": cores}
    print(json.dumps({**result, "parameters": parameters, "metrics": metrics}))


def measure(contender: str, backend: str, model: str, args: argparse.Namespace) -> dict:
    """Run one child."""
    command = [sys.executable, __file__, "--child", contender, "--models", model]
    command += ["--seconds", str(args.seconds)]
    command += ["--fused-adam"] * args.fused_adam + ["--fit-without-jit"] * args.fit_without_jit
    environment = {
        **os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"
    }  # fmt: skip
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{contender} on {backend}, {model} failed:\n{done.stderr[-4000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    metrics = ", ".join(f"{value:.3g}" for value in found["metrics"])
    print(
        f"{model:6} {contender:4} {backend:10} {found['rate']:8.2f} steps/s, "
        f"{found['steps']} steps in {found['seconds']:.1f} s on {found['cores']:.1f} cores; "
        f"metrics {metrics}",
        file=sys.stderr,
        flush=True,
    )
    return found


def ratio_cell(loop: list[dict], other: list[dict], bar: float | None) -> str:
    ratios = [a["rate"] / b["rate"] for a, b in zip(loop, other, strict=True)]
    cell = f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
    if bar is None:
        return cell
    return f"{cell}, bar {bar:.1f}: {'pass' if median(ratios) >= bar else 'MISS'}"


def report(found: dict[tuple[str, str, str], list[dict]], args: argparse.Namespace) -> None:
    print(f"{os.cpu_count()} CPUs, {platform.platform()}, Python {platform.python_version()};")
    print(f"{args.repeats} repeats of about {args.seconds:g} s; batches of {BATCH}.\n")
    print("| model | backend | steps/s loop, fit, PyTorch | loop / Model.fit | loop / PyTorch |")
    print("|---|---|---|---|---|")
    for model in args.models:
        lean = found["lean", "torch", model]
        for backend in args.backends:
            loop, fit = found["loop", backend, model], found["fit", backend, model]
            rates = [f"{median(r['rate'] for r in rows):.1f}" for rows in (loop, fit, lean)]
            fit_cell = ratio_cell(loop, fit, FIT_BARS[model, backend])
            lean_cell = ratio_cell(loop, lean, LEAN_BARS.get((model, backend)))
            print(f"| {model} | {backend} | {', '.join(rates)} | {fit_cell} | {lean_cell} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    installed = [name for name in BACKENDS if importlib.util.find_spec(name)]
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=installed)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="per measurement; DCGAN 1.75x")
    parser.add_argument("--fused-adam", action="store_true", help="PyTorch's fused=True")
    parser.add_argument("--fit-without-jit", action="store_true", help="jit_compile=False")
    parser.add_argument("--child", choices=("loop", "fit", "lean"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args.child, args.models[0], args)

    found: dict[tuple[str, str, str], list[dict]] = {}
    for repeat in range(args.repeats):
        for model in args.models:
            turns = [("lean", "torch")]
            turns += [(name, backend) for backend in args.backends for name in ("loop", "fit")]
            # Every other repeat runs backwards, so that a drift of the machine favours none.
            for name, backend in turns[:: -1 if repeat % 2 else 1]:
                rows = found.setdefault((name, backend, model), [])
                rows.append(measure(name, backend, model, args))
    for model in args.models:
        counts = {rows[0]["parameters"] for key, rows in found.items() if key[2] == model}
        if len(counts) != 1:
            sys.exit(f"{model}: the contenders differ in their number of parameters: {counts}")
    return report(found, args)


if __name__ == "__main__":
    main()
