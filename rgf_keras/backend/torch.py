"""PyTorch: an eager loop. ``autograd.grad`` keeps one player's gradients off the other."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np
import torch
from keras import ops
from torch.optim.adam import adam

from rgf_keras.backend.protocol import Function, Run, Tensor, Tensors, Variables
from rgf_keras.backend.protocol import compile_ensemble as compile_ensemble
from rgf_keras.backend.protocol import per_example_gradients as per_example_gradients
from rgf_keras.runtime import machine


def put(arrays: Mapping[str, np.ndarray]) -> Tensors:
    return {name: ops.convert_to_tensor(array) for name, array in arrays.items()}


def memory() -> int | None:
    return torch.cuda.mem_get_info()[1] if torch.cuda.is_available() else machine.memory()


def jit(function: Function, variables: Variables) -> Function:
    @torch.no_grad()
    def run(*tensors):
        return function(*(ops.convert_to_tensor(tensor) for tensor in tensors))

    return run


def minimize(
    loss_fn: Function, variables: Variables, optimizer: keras.optimizers.Optimizer
) -> tuple[Tensor, Any]:
    is_adam = isinstance(optimizer, keras.optimizers.Adam) and not optimizer.amsgrad
    if is_adam and "_parallel_update_step" not in vars(optimizer):
        optimizer._parallel_update_step = partial(_update_in_one_pass, optimizer)
    loss, aux = loss_fn()
    gradients = torch.autograd.grad(
        optimizer.scale_loss(loss), [variable.value for variable in variables]
    )
    with torch.no_grad():
        optimizer.apply(gradients, variables)
    return loss.detach(), aux


def _update_in_one_pass(
    optimizer: keras.optimizers.Adam,
    gradients: Sequence[torch.Tensor],
    variables: Variables,
    learning_rate: Tensor,
) -> None:
    """Keras' update of Adam with PyTorch's fused kernel, where Keras passes over all weights a
    dozen times. Keras multiplies the learning rate by the bias corrections; PyTorch's own ones
    are 1 at a late step. The kernel walks through memory, whatever the strides are: those of a
    convolution's gradients are not its kernel's."""
    values = [variable.value for variable in variables]
    indices = [optimizer._get_variable_index(variable) for variable in variables]
    momentums = [optimizer._momentums[i].value for i in indices]
    velocities = [optimizer._velocities[i].value for i in indices]
    if not all(x.is_contiguous() for x in (*values, *momentums, *velocities)):
        type(optimizer)._parallel_update_step(optimizer, gradients, variables, learning_rate)
        return
    step = ops.cast(optimizer.iterations + 1, "float32")
    correction = ops.sqrt(1 - optimizer.beta_2**step) / (1 - optimizer.beta_1**step)
    late = torch.tensor(1e9, device=values[0].device)
    adam(
        values,
        [gradient.contiguous() for gradient in gradients],
        momentums,
        velocities,
        max_exp_avg_sqs=[],
        state_steps=[late] * len(values),
        fused=True,
        amsgrad=False,
        beta1=optimizer.beta_1,
        beta2=optimizer.beta_2,
        lr=ops.cast(learning_rate, "float32") * correction,
        weight_decay=0.0,
        eps=optimizer.epsilon,
        maximize=False,
    )


def compile(update: Function, variables: Variables, num_metrics: int) -> Run:
    def run(data, fixed, order, start, stop):
        order = ops.convert_to_tensor(order)
        rows = []
        for i in range(start, stop):
            batch = {name: array[order[i]] for name, array in data.items()}
            rows.append(update({**batch, **fixed}).detach())
        return torch.stack(rows).cpu().numpy()

    return run
