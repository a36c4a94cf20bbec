"""The primitives that differ per backend; everything else is ``keras.ops``.

``minimize(loss_fn, variables, optimizer)``
    one optimizer update of exactly ``variables`` from the gradient of ``loss_fn() -> (loss, aux)``,
    returning ``(loss, aux)``.
``compile(update, variables, num_metrics)``
    turns ``update(batch) -> (num_metrics,)``, written as stateful Keras code, into
    ``run(data, fixed, order, start, stop) -> (stop − start, num_metrics)``, which makes the updates
    ``start`` to ``stop`` in one call. A batch holds the rows of ``data`` that ``order`` names, and
    the arrays of ``fixed`` as they are. ``variables`` is all state that ``update`` may touch.
``jit(function, variables)``
    compiles ``function(*tensors)``, Keras code that needs no gradient and changes no state. It
    takes arrays or tensors; those of new shapes compile anew. ``variables`` is all state it reads.
``put(arrays)``
    places arrays on the device once.

The number of updates per call is a run-time value: one compilation serves them all, so results do
not depend on how training is cut into calls.
"""

import keras

if keras.backend.backend() == "jax":
    from rgf_keras.backend.jax import compile, jit, minimize, put
elif keras.backend.backend() == "tensorflow":
    from rgf_keras.backend.tensorflow import compile, jit, minimize, put
elif keras.backend.backend() == "torch":
    from rgf_keras.backend.torch import compile, jit, minimize, put
else:
    raise ImportError(f"no '{keras.backend.backend()}' backend; use tensorflow, jax or torch")

__all__ = ["compile", "jit", "minimize", "put"]
