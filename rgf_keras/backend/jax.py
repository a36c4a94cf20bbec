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


def per_example_gradients(loss_fn, batch, variables):
    outer = _scope.get()

    def value(trainable, example):
        inner = keras.StatelessScope()
        inner.state_mapping = {
            **outer.state_mapping,
            **{id(variable): x for variable, x in zip(variables, trainable, strict=True)},
        }
        with inner:
            loss, aux = loss_fn({name: x[jnp.newaxis] for name, x in example.items()})
        return loss, (loss, aux)

    each = jax.vmap(jax.grad(value, has_aux=True), in_axes=(None, 0))
    gradients, (losses, aux) = each([variable.value for variable in variables], batch)
    return gradients, losses, aux


def compile(update, variables, num_metrics):
    advance = _loop(_stateless(update, variables), num_metrics)

    def run(data, fixed, order, start, stop):
        values = [variable.value for variable in variables]
        values, metrics = advance(values, data, fixed, order, start, stop)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return metrics

    return run


def compile_ensemble(update, variables, num_metrics):
    member = _stateless(update, variables)
    in_turn = _loop(member, num_metrics)
    at_once = _loop(jax.vmap(member, in_axes=(0, 0, None)), num_metrics)
    stack = jax.jit(lambda members: [jnp.stack(values) for values in zip(*members, strict=True)])
    unstack = jax.jit(lambda stacked: [list(values) for values in zip(*stacked, strict=True)])

    def run(members, data, fixed, order, start, stop):
        # A stacked pass over the weights of many models misses the cache that a single model's
        # fits in: on a CPU the same steps cost half as much again.
        if jax.default_backend() == "cpu":
            done = [
                in_turn(values, data, fixed, order[:, i], start, stop)
                for i, values in enumerate(members)
            ]
            return [values for values, _ in done], np.stack([rows for _, rows in done], axis=1)
        stacked, metrics = at_once(stack(members), data, fixed, order, start, stop)
        return unstack(stacked), metrics

    return run


def _stateless(update, variables):
    """``update`` as a function from the variables' values to their new values and the metrics."""

    def step(values, batch, fixed):
        scope = keras.StatelessScope(zip(variables, values, strict=True))
        token = _scope.set(scope)
        with scope:
            row = update({**batch, **fixed})
        _scope.reset(token)
        return [scope.get_current_value(variable) for variable in variables], row

    return step


def _loop(step, num_metrics):
    """Makes many steps: ``advance(values, data, fixed, order, start, stop) -> values, metrics``."""

    def fused(values, data, fixed, order, start, stop):
        def body(i, carry):
            batch = {name: array[order[i]] for name, array in data.items()}
            values, row = step(carry[0], batch, fixed)
            return values, carry[1].at[i].set(row)

        metrics = jnp.zeros((*order.shape[:-1], num_metrics))
        values, metrics = jax.lax.fori_loop(start, stop, body, (values, metrics))
        return values, metrics

    def stepwise(values, data, fixed, order, start, stop):
        data = {name: np.asarray(array) for name, array in data.items()}  # no copy on a CPU
        rows = []
        for i in range(start, stop):
            batch = {name: array[order[i]] for name, array in data.items()}
            values, row = one_step(values, batch, fixed)
            rows.append(row)
        return values, np.stack(rows)

    def advance(values, data, fixed, order, start, stop):
        # XLA's CPU kernels are several times slower inside a loop (convolutions fifteen times);
        # there, calls queued from Python cost less than the loop does.
        if jax.default_backend() == "cpu":
            return stepwise(values, data, fixed, order, start, stop)
        values, metrics = many_steps(values, data, fixed, jnp.asarray(order), start, stop)
        return values, np.asarray(metrics[start:stop])

    one_step = jax.jit(step, donate_argnums=0)
    many_steps = jax.jit(fused, donate_argnums=0)
    return advance
