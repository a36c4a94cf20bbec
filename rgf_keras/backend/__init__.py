"""The primitives that differ per backend, see :class:`Backend`; all else is ``keras.ops``."""

import keras

from rgf_keras.backend.protocol import Backend, require_jax


def _load(name: str) -> Backend:
    if name == "jax":
        from rgf_keras.backend import jax

        return jax
    if name == "tensorflow":
        from rgf_keras.backend import tensorflow

        return tensorflow
    if name == "torch":
        from rgf_keras.backend import torch

        return torch
    raise ImportError(f"no '{name}' backend; use tensorflow, jax or torch")


_backend = _load(keras.backend.backend())
put, memory = _backend.put, _backend.memory
jit, minimize = _backend.jit, _backend.minimize
compile, compile_ensemble = _backend.compile, _backend.compile_ensemble
per_example_gradients = _backend.per_example_gradients

__all__ = [
    "compile",
    "compile_ensemble",
    "jit",
    "memory",
    "minimize",
    "per_example_gradients",
    "put",
    "require_jax",
]
