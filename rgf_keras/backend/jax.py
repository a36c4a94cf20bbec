"""JAX: state is carried through ``lax.fori_loop`` with donated buffers."""

from contextvars import ContextVar

import jax
import jax.numpy as jnp
import keras
import numpy as np

# The scope of the update being traced: what minimize must see and must pass on.
_scope: ContextVar[keras.StatelessScope] = ContextVar("_scope")


def put(arrays):
    return {name: jnp.asarray(array) for name, array in arrays.items()}


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
    def fused(values, data, order, start, stop):
        def body(i, carry):
            values, metrics = carry
            scope = keras.StatelessScope(zip(variables, values, strict=True))
            token = _scope.set(scope)
            with scope:
                row = update({name: array[order[i]] for name, array in data.items()})
            _scope.reset(token)
            return [scope.get_current_value(v) for v in variables], metrics.at[i].set(row)

        metrics = jnp.zeros((len(order), num_metrics))
        return jax.lax.fori_loop(start, stop, body, (values, metrics))

    compiled = jax.jit(fused, donate_argnums=0)

    def run(data, order, start, stop):
        values = [variable.value for variable in variables]
        values, metrics = compiled(values, data, jnp.asarray(order), start, stop)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return np.asarray(metrics[start:stop])

    return run
