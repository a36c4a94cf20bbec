"""The same weights, batches and noise give the same losses on all three backends."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

CHILD = Path(__file__).with_name("parity_child.py")


@pytest.fixture(scope="module")
def losses(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parity")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (320, 8, 8, 3), dtype=np.uint8)
    np.savez(
        folder / "given.npz",
        images=images,
        noise=rng.normal(size=(40, 16, 6)).astype("f4"),
        timesteps=rng.integers(0, 1000, 320).astype("i4"),
        latents=rng.normal(size=(320, 192)).astype("f4"),
    )
    found = {}
    for backend in ("tensorflow", "jax", "torch"):
        target = folder / f"{backend}.npz"
        subprocess.run(
            [sys.executable, str(CHILD), str(folder / "given.npz"), str(target)],
            env={
                **os.environ,
                "KERAS_BACKEND": backend,
                "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # quicker to compile
            },
            check=True,
        )
        with np.load(target) as file:
            found[backend] = {name: file[name] for name in file.files}
    return found


@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize("model", ["gan", "vae"])
def test_losses_agree_with_tensorflow(losses, backend, model):
    np.testing.assert_allclose(
        losses[backend][model], losses["tensorflow"][model], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize("backbone", ["keras", "keras_cv"])
def test_diffusion_losses_agree_with_tensorflow(losses, backend, backbone):
    name = f"diffusion, {backbone}"
    np.testing.assert_allclose(losses[backend][name], losses["tensorflow"][name], rtol=1e-3)
