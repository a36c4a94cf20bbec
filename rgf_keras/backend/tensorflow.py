"""TensorFlow: a ``tf.while_loop`` inside one ``tf.function``.

On a CPU, XLA is slower than TensorFlow's own kernels for networks, but faster for the optimizer,
whose many passes over the weights it makes one.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rgf_keras.backend.protocol import Function, Run, Tensor, Tensors, Variables
from rgf_keras.backend.protocol import compile_ensemble as compile_ensemble
from rgf_keras.backend.protocol import per_example_gradients as per_example_gradients
from rgf_keras.runtime import machine

ON_CPU = not tf.config.list_physical_devices("GPU")


def put(arrays: Mapping[str, np.ndarray]) -> Tensors:
    return {name: tf.convert_to_tensor(array) for name, array in arrays.items()}


def memory() -> int | None:
    return machine.memory() if ON_CPU else None  # TensorFlow tells what of a GPU is in use, no more


def jit(function: Function, variables: Variables) -> Function:
    run = tf.function(function)
    return lambda *tensors: run(*(tf.convert_to_tensor(tensor) for tensor in tensors))


def minimize(
    loss_fn: Function, variables: Variables, optimizer: keras.optimizers.Optimizer
) -> tuple[Tensor, Any]:
    values = [variable.value for variable in variables]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        loss, aux = loss_fn()
        target = optimizer.scale_loss(loss)
    gradients = tape.gradient(target, values)

    @tf.function(jit_compile=ON_CPU)
    def apply():
        optimizer.apply(gradients, variables)

    apply()
    return loss, aux


def compile(update: Function, variables: Variables, num_metrics: int) -> Run:
    @tf.function(reduce_retracing=True)
    def fused(data, fixed, order, start, stop):
        rows = tf.TensorArray(tf.float32, size=stop - start, element_shape=(num_metrics,))

        def body(i, rows):
            batch = {name: tf.gather(array, order[i]) for name, array in data.items()}
            return i + 1, rows.write(i - start, update({**batch, **fixed}))

        _, rows = tf.while_loop(lambda i, _: i < stop, body, (start, rows), parallel_iterations=1)
        return rows.stack()

    def run(data, fixed, order, start, stop):
        return fused(data, fixed, tf.constant(order), tf.constant(start), tf.constant(stop)).numpy()

    return run
