"""The contract of ``jax.py``, ``tensorflow.py`` and ``torch.py``, which mypy holds them to.

Below it stands what refuses on backends that do not offer all of it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np

from rgf_keras.errors import RgfError

Tensor = Any
Tensors = Mapping[str, Tensor]
Variables = Sequence[keras.Variable]
Function = Callable[..., Any]
# (data, fixed, order, start, stop) → metrics; an ensemble's begins with, and returns, its members
Run = Callable[[Tensors, Tensors, np.ndarray, int, int], np.ndarray]
Members = list[list[Tensor]]
RunEnsemble = Callable[
    [Members, Tensors, Tensors, np.ndarray, int, int], tuple[Members, np.ndarray]
]


class Backend(Protocol):
    """The primitives that differ per backend.

    How many updates a call makes is a run-time value: one compilation serves all calls, so results
    do not depend on how training is cut into calls. Wherever ``variables`` are given, they are all
    state that the function reads or changes.
    """

    def put(self, arrays: Mapping[str, np.ndarray]) -> Tensors:
        """Place arrays on the device, once."""

    def memory(self) -> int | None:
        """Bytes of memory that the device has; None if that is not known."""

    def jit(self, function: Function, variables: Variables) -> Function:
        """Compile ``function(*tensors)``, Keras code without gradients or changes of state.

        What is returned takes arrays too, and compiles anew for other shapes.
        """

    def minimize(
        self, loss_fn: Function, variables: Variables, optimizer: keras.optimizers.Optimizer
    ) -> tuple[Tensor, Any]:
        """Inside ``update``, below: one optimizer update of exactly ``variables``.

        Returns what ``loss_fn() -> (loss, aux)`` returned, a scalar and whatever else.
        """

    def compile(self, update: Function, variables: Variables, num_metrics: int) -> Run:
        """Fuse updates.

        ``update(batch) -> (num_metrics,)`` float32 is stateful Keras code. A batch holds the rows
        of ``data`` that ``order`` names, and the arrays of ``fixed`` as they are.

        Returns:
            ``run(data, fixed, order, start, stop)``, which makes the updates ``start`` to ``stop``
            of ``order`` (steps, batch) in one call and returns (stop − start, num_metrics).
        """

    def compile_ensemble(
        self, update: Function, variables: Variables, num_metrics: int
    ) -> RunEnsemble:
        """Fuse updates of E models that differ in their state alone, see :meth:`compile`.

        An accelerator makes a step of all models at once; on a CPU they take turns.

        Returns:
            ``run(members, data, fixed, order, start, stop)``, with each model's values of
            ``variables`` as ``members`` and ``order`` (steps, E, batch), which returns the new
            members and (stop − start, E, num_metrics).

        Raises:
            RgfError: the backend is not JAX.
        """

    def per_example_gradients(
        self, loss_fn: Function, batch: Tensors, variables: Variables
    ) -> tuple[list[Tensor], Tensor, Any]:
        """Inside ``update``: the gradient of ``loss_fn(example) -> (loss, aux)`` for each example.

        An example is a batch of one. The loss must not use random state: all examples would see the
        same draws.

        Returns:
            Gradients, losses and the rest, all with a leading axis of examples.

        Raises:
            RgfError: the backend is not JAX.
        """


def require_settings() -> None:
    """Raises an RgfError if Keras' settings are others than networks here are written for."""
    for key, needed in (("floatx", "float32"), ("image_data_format", "channels_last")):
        if (found := getattr(keras.config, key)()) != needed:
            raise RgfError(
                f"Keras is set to {key} {found} (keras.json or keras.config.set_{key}), but "
                f"networks here need {needed}; call keras.config.set_{key}('{needed}') first"
            )


def require_jax(who_needs: str) -> None:
    """Raises an RgfError on other backends: ``require_jax("ensembles need")``."""
    if keras.backend.backend() != "jax":
        raise _refusal(who_needs)


def compile_ensemble(update: Function, variables: Variables, num_metrics: int) -> RunEnsemble:
    raise _refusal("ensembles need")


def per_example_gradients(
    loss_fn: Function, batch: Tensors, variables: Variables
) -> tuple[list[Tensor], Tensor, Any]:
    raise _refusal("per-example gradients need")


def _refusal(who_needs: str) -> RgfError:
    name = keras.backend.backend()
    return RgfError(f"{who_needs} the jax backend, not {name}; use --backend jax")
