"""The same weights, batches and noise give the same losses on all three backends."""

import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

CHILD = Path(__file__).with_name("parity_child.py")


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    path = tmp_path_factory.mktemp("parity") / "given.npz"
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (320, 8, 8, 3), dtype=np.uint8)
    np.savez(
        path,
        images=images,
        noise=rng.normal(size=(40, 16, 6)).astype("f4"),
        timesteps=rng.integers(0, 1000, 320).astype("i4"),
        latents=rng.normal(size=(320, 192)).astype("f4"),
    )
    return path


def trained_everywhere(given, *names):
    """Losses of every step, by backend and model."""
    losses = {}
    for backend in ("tensorflow", "jax", "torch"):
        target = given.with_name(f"{backend}.npz")
        # Less optimized, a program is compiled in half the time.
        environment = {"KERAS_BACKEND": backend, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
        subprocess.run(
            [sys.executable, str(CHILD), str(given), str(target), *names],
            env={**os.environ, **environment},
            check=True,
        )
        with np.load(target) as file:
            losses[backend] = {name: file[name] for name in file.files}
    return losses


@pytest.fixture(scope="module")
def losses(given):
    return trained_everywhere(given, "gan", "vae", "dcgan", "diffusion")


@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize("model", ["gan", "vae", "dcgan", "diffusion"])
def test_losses_agree_with_tensorflow(losses, backend, model):
    np.testing.assert_allclose(
        losses[backend][model],
        losses["tensorflow"][model],
        rtol=1e-3 if model in ("dcgan", "diffusion") else 1e-4,
        atol=1e-5,
    )


@pytest.mark.slow
def test_losses_of_kerascv_agree_with_tensorflow(given):
    names = ("diffusion_keras_cv", "diffusion_keras_cv_attention")
    losses = trained_everywhere(given, *names)
    for backend, name in product(("jax", "torch"), names):
        np.testing.assert_allclose(
            losses[backend][name], losses["tensorflow"][name], rtol=1e-3, err_msg=name
        )
