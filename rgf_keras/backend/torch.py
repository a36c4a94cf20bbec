"""PyTorch: an eager loop. ``autograd.grad`` keeps one player's gradients off the other."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import torch
from keras import ops

from rgf_keras.backend.protocol import Function, Run, Tensor, Tensors, Variables
from rgf_keras.backend.protocol import compile_ensemble as compile_ensemble
from rgf_keras.backend.protocol import per_example_gradients as per_example_gradients


def put(arrays: Mapping[str, np.ndarray]) -> Tensors:
    return {name: ops.convert_to_tensor(array) for name, array in arrays.items()}


def jit(function: Function, variables: Variables) -> Function:
    @torch.no_grad()
    def run(*tensors):
        return function(*(ops.convert_to_tensor(tensor) for tensor in tensors))

    return run


def minimize(
    loss_fn: Function, variables: Variables, optimizer: keras.optimizers.Optimizer
) -> tuple[Tensor, Any]:
    loss, aux = loss_fn()
    gradients = torch.autograd.grad(
        optimizer.scale_loss(loss), [variable.value for variable in variables]
    )
    with torch.no_grad():
        optimizer.apply(gradients, variables)
    return loss.detach(), aux


def compile(update: Function, variables: Variables, num_metrics: int) -> Run:
    def run(data, fixed, order, start, stop):
        order = ops.convert_to_tensor(order)
        rows = []
        for i in range(start, stop):
            batch = {name: array[order[i]] for name, array in data.items()}
            rows.append(update({**batch, **fixed}).detach())
        return torch.stack(rows).cpu().numpy()

    return run
