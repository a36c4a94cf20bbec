"""What only JAX offers: on other backends these stand for it, and refuse."""

import keras

from rgf_keras.backend.protocol import Function, RunEnsemble, Tensor, Tensors, Variables
from rgf_keras.errors import RgfError


def require_jax(who_needs: str) -> None:
    """Raises an RgfError on other backends: ``require_jax("ensembles need")``."""
    if keras.backend.backend() != "jax":
        raise _refusal(who_needs)


def compile_ensemble(update: Function, variables: Variables, num_metrics: int) -> RunEnsemble:
    raise _refusal("ensembles need")


def per_example_gradients(
    loss_fn: Function, batch: Tensors, variables: Variables
) -> tuple[list[Tensor], Tensor, object]:
    raise _refusal("per-example gradients need")


def _refusal(who_needs: str) -> RgfError:
    name = keras.backend.backend()
    return RgfError(f"{who_needs} the jax backend, not {name}; use --backend jax")
