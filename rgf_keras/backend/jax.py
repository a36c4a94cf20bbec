"""JAX: state is carried through the steps as donated buffers."""

from contextvars import ContextVar

import jax
import jax.numpy as jnp
import keras
import numpy as np

# The scope of the update being traced: what minimize must see and must pass on.
_scope: ContextVar[keras.StatelessScope] = ContextVar("_scope")


def put(arrays):
    return {name: jnp.asarray(array) for name, array in arrays.items()}


def jit(function, variables):
    @jax.jit
    def pure(values, tensors):
        with keras.StatelessScope(zip(variables, values, strict=True)):
            return function(*tensors)

    return lambda *tensors: pure([variable.value for variable in variables], tensors)


def minimize(loss_fn, variables, optimizer):
    outer = _scope.get()

    def value(trainable):
        inner = keras.StatelessScope()
        inner.state_mapping = {
            **outer.state_mapping,
            **{id(variable): x for variable, x in zip(variables, trainable, strict=True)},
        }
        token = _scope.set(inner)
        with inner:
            loss, aux = loss_fn()
        _scope.reset(token)
        moved = {
            key: x
            for key, x in inner.state_mapping.items()
            if x is not outer.state_mapping.get(key)
        }
        for variable in variables:
            moved.pop(id(variable), None)
        return optimizer.scale_loss(loss), (loss, aux, moved)

    current = [variable.value for variable in variables]
    gradients, (loss, aux, moved) = jax.grad(value, has_aux=True)(current)
    outer.state_mapping.update(moved)
    optimizer.apply(gradients, variables)
    return loss, aux


def compile(update, variables, num_metrics):
    def step(values, batch):
        scope = keras.StatelessScope(zip(variables, values, strict=True))
        token = _scope.set(scope)
        with scope:
            row = update(batch)
        _scope.reset(token)
        return [scope.get_current_value(variable) for variable in variables], row

    def fused(values, data, fixed, order, start, stop):
        def body(i, carry):
            batch = {name: array[order[i]] for name, array in data.items()}
            values, row = step(carry[0], {**batch, **fixed})
            return values, carry[1].at[i].set(row)

        metrics = jnp.zeros((len(order), num_metrics))
        values, metrics = jax.lax.fori_loop(start, stop, body, (values, metrics))
        return values, metrics

    def stepwise(values, data, fixed, order, start, stop):
        data = {name: np.asarray(array) for name, array in data.items()}  # no copy on a CPU
        rows = []
        for i in range(start, stop):
            batch = {name: array[order[i]] for name, array in data.items()}
            values, row = one_step(values, {**batch, **fixed})
            rows.append(row)
        return values, rows

    one_step = jax.jit(step, donate_argnums=0)
    many_steps = jax.jit(fused, donate_argnums=0)
    on_cpu = jax.default_backend() == "cpu"

    def run(data, fixed, order, start, stop):
        values = [variable.value for variable in variables]
        # XLA's CPU kernels are several times slower inside a loop (convolutions fifteen times);
        # there, calls queued from Python cost less than the loop does.
        if on_cpu:
            values, rows = stepwise(values, data, fixed, order, start, stop)
            metrics = np.stack(rows)
        else:
            values, metrics = many_steps(values, data, fixed, jnp.asarray(order), start, stop)
            metrics = np.asarray(metrics[start:stop])
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return metrics

    return run
