"""JAX: state is carried through the steps as donated buffers."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from rgf_keras.backend.protocol import Function, Run, RunEnsemble, Tensor, Tensors, Variables
from rgf_keras.runtime import machine

# The scope of the update being traced: what minimize must see and must pass on.
_scope: ContextVar[keras.StatelessScope] = ContextVar("_scope")


def put(arrays: Mapping[str, np.ndarray]) -> Tensors:
    distribution = keras.distribution.distribution()
    if distribution is None:
        return {name: jnp.asarray(array) for name, array in arrays.items()}
    everywhere = keras.distribution.TensorLayout([], distribution.device_mesh).backend_layout
    return {name: jax.device_put(array, everywhere) for name, array in arrays.items()}


def memory() -> int | None:
    if jax.default_backend() == "cpu":
        return machine.memory()
    return (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")


def jit(function: Function, variables: Variables) -> Function:
    @jax.jit
    def pure(values, tensors):
        with keras.StatelessScope(zip(variables, values, strict=True)):
            return function(*tensors)

    return lambda *tensors: pure([variable.value for variable in variables], tensors)


def minimize(
    loss_fn: Function, variables: Variables, optimizer: keras.optimizers.Optimizer
) -> tuple[Tensor, Any]:
    outer = _scope.get()

    def value(trainable):
        inner = _scope_with(variables, trainable)
        token = _scope.set(inner)
        with inner:
            loss, aux = loss_fn()
        _scope.reset(token)
        own = {id(variable) for variable in variables}
        changes = {
            key: x
            for key, x in inner.state_mapping.items()
            if key not in own and x is not outer.state_mapping.get(key)
        }
        return optimizer.scale_loss(loss), (loss, aux, changes)

    current = [variable.value for variable in variables]
    gradients, (loss, aux, changes) = jax.grad(value, has_aux=True)(current)
    outer.state_mapping.update(changes)
    optimizer.apply(gradients, variables)
    return loss, aux


def per_example_gradients(
    loss_fn: Function, batch: Tensors, variables: Variables
) -> tuple[list[Tensor], Tensor, Any]:
    def value(trainable, example):
        with _scope_with(variables, trainable):
            loss, aux = loss_fn({name: x[jnp.newaxis] for name, x in example.items()})
        return loss, (loss, aux)

    each = jax.vmap(jax.grad(value, has_aux=True), in_axes=(None, 0))
    gradients, (losses, aux) = each([variable.value for variable in variables], batch)
    return gradients, losses, aux


def compile(update: Function, variables: Variables, num_metrics: int) -> Run:
    advance = _loop(_stateless(update, variables), num_metrics)

    def run(data, fixed, order, start, stop):
        values = [variable.value for variable in variables]
        values, metrics = advance(values, data, fixed, order, start, stop)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return metrics

    return run


def compile_ensemble(update: Function, variables: Variables, num_metrics: int) -> RunEnsemble:
    member = _stateless(update, variables)
    in_turn = _loop(member, num_metrics)
    at_once = _loop(jax.vmap(member, in_axes=(0, 0, None)), num_metrics)
    stack = jax.jit(lambda members: [jnp.stack(values) for values in zip(*members, strict=True)])
    unstack = jax.jit(lambda values: [list(member) for member in zip(*values, strict=True)])

    def run(members, data, fixed, order, start, stop):
        # A stacked pass over the weights of many models misses the cache that a single model's
        # fits in: on a CPU the same steps cost half as much again.
        if jax.default_backend() == "cpu":
            results = [
                in_turn(values, data, fixed, order[:, i], start, stop)
                for i, values in enumerate(members)
            ]
            return [values for values, _ in results], np.stack([rows for _, rows in results], 1)
        values, metrics = at_once(stack(members), data, fixed, order, start, stop)
        return unstack(values), metrics

    return run


def _scope_with(variables: Variables, values: list[Tensor]) -> keras.StatelessScope:
    """The scope of the update being traced, with other values of some variables."""
    scope = keras.StatelessScope()
    others = {id(variable): value for variable, value in zip(variables, values, strict=True)}
    scope.state_mapping = {**_scope.get().state_mapping, **others}
    return scope


def _stateless(update: Function, variables: Variables) -> Function:
    """``update`` as a function from the variables' values to their new values and the metrics."""

    def step(values, batch, fixed):
        scope = keras.StatelessScope(zip(variables, values, strict=True))
        token = _scope.set(scope)
        with scope:
            row = update({**batch, **fixed})
        _scope.reset(token)
        return [scope.get_current_value(variable) for variable in variables], row

    return step


def _loop(step: Function, num_metrics: int) -> Function:
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
