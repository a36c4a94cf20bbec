"""The primitives that differ per backend; everything else is ``keras.ops``.

``minimize(loss_fn, variables, optimizer)``
    one optimizer update of exactly ``variables`` from the gradient of ``loss_fn() -> (loss, aux)``,
    returning ``(loss, aux)``.
``compile(update, variables, num_metrics)``
    turns ``update(batch) -> (num_metrics,)``, written as stateful Keras code, into
    ``run(data, fixed, order, start, stop) -> (stop − start, num_metrics)``, which makes the updates
    ``start`` to ``stop`` in one call. A batch holds the rows of ``data`` that ``order`` names, and
    the arrays of ``fixed`` as they are. ``variables`` is all state that ``update`` may touch.
``compile_ensemble(update, variables, num_metrics)``
    the same for many models that differ in their state alone (JAX only): a function
    ``run(members, data, fixed, order, start, stop) -> (members, (stop − start, E, num_metrics))``,
    where ``members`` holds each model's values of ``variables`` and ``order`` is (steps, E, batch).
    An accelerator makes a step of all models at once; on a CPU they take turns.
``jit(function, variables)``
    compiles ``function(*tensors)``, Keras code that needs no gradient and changes no state. It
    takes arrays or tensors; those of new shapes compile anew. ``variables`` is all state it reads.
``per_example_gradients(loss_fn, batch, variables)``
    the gradient of ``loss_fn(batch) -> (loss, aux)`` for each example alone (JAX only), returning
    ``(gradients, loss, aux)``, all with a leading axis of examples. Random state must not be used:
    all examples would see the same draws.
``put(arrays)``
    places arrays on the device once.

The number of updates per call is a run-time value: one compilation serves them all, so results do
not depend on how training is cut into calls.
"""

import keras

from rgf_keras.errors import RgfError

if keras.backend.backend() == "jax":
    from rgf_keras.backend.jax import (
        compile,
        compile_ensemble,
        jit,
        minimize,
        per_example_gradients,
        put,
    )
elif keras.backend.backend() == "tensorflow":
    from rgf_keras.backend.tensorflow import compile, jit, minimize, put
elif keras.backend.backend() == "torch":
    from rgf_keras.backend.torch import compile, jit, minimize, put
else:
    raise ImportError(f"no '{keras.backend.backend()}' backend; use tensorflow, jax or torch")

if keras.backend.backend() != "jax":

    def compile_ensemble(update, variables, num_metrics):
        raise RgfError(f"ensembles need the jax backend, not {keras.backend.backend()}")

    def per_example_gradients(loss_fn, batch, variables):
        raise RgfError(
            f"differential privacy needs the jax backend, not {keras.backend.backend()}; "
            "use --backend jax"
        )


__all__ = ["compile", "compile_ensemble", "jit", "minimize", "per_example_gradients", "put"]
