"""The contract of ``jax.py``, ``tensorflow.py`` and ``torch.py``, which mypy holds them to."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np

Tensor = Any
Tensors = Mapping[str, Tensor]
Variables = Sequence[keras.Variable]
Function = Callable[..., Any]
Members = list[list[Tensor]]
# A loss is a scalar, with what else the caller wants of its computation.
LossFn = Callable[[], tuple[Tensor, Any]]
ExampleLossFn = Callable[[Tensors], tuple[Tensor, Any]]
Update = Callable[[Tensors], Tensor]
# (data, fixed, order, start, stop) → metrics; an ensemble's begins with, and returns, its members
Run = Callable[[Tensors, Tensors, np.ndarray, int, int], np.ndarray]
RunEnsemble = Callable[
    [Members, Tensors, Tensors, np.ndarray, int, int], tuple[Members, np.ndarray]
]


class Backend(Protocol):
    """The primitives that differ per backend.

    How many updates a call makes is a run-time value: one compilation serves all calls, so results
    do not depend on how training is cut into calls.
    """

    def put(self, arrays: Mapping[str, np.ndarray]) -> Tensors:
        """Place arrays on the device, once."""

    def jit(self, function: Function, variables: Variables) -> Function:
        """Compile ``function(*tensors)``, Keras code without gradients or changes of state.

        What is returned takes arrays too, and compiles anew for other shapes. ``variables`` is all
        state that the function reads.
        """

    def minimize(
        self, loss_fn: LossFn, variables: Variables, optimizer: keras.optimizers.Optimizer
    ) -> tuple[Tensor, Any]:
        """One optimizer update of exactly ``variables``; returns what ``loss_fn`` returned.

        To be called inside an update that is compiled.
        """

    def compile(self, update: Update, variables: Variables, num_metrics: int) -> Run:
        """Fuse updates.

        Args:
            update: stateful Keras code from a batch to (num_metrics,) float32. A batch holds the
                rows of ``data`` that ``order`` names, and the arrays of ``fixed`` as they are.
            variables: all state that ``update`` may touch.
            num_metrics: length of what ``update`` returns.

        Returns:
            ``run(data, fixed, order, start, stop)``, which makes the updates ``start`` to ``stop``
            of ``order`` (steps, batch) in one call and returns (stop − start, num_metrics).
        """

    def compile_ensemble(
        self, update: Update, variables: Variables, num_metrics: int
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
        self, loss_fn: ExampleLossFn, batch: Tensors, variables: Variables
    ) -> tuple[list[Tensor], Tensor, Any]:
        """The gradient for each example alone, inside an update that is compiled.

        Args:
            loss_fn: takes a batch of one example. It must not use random state: all examples would
                see the same draws.
            batch: arrays with a leading axis of examples.
            variables: what the loss is differentiated by.

        Returns:
            Gradients, losses and the rest, all with a leading axis of examples.

        Raises:
            RgfError: the backend is not JAX.
        """
