"""PyTorch: an eager loop. ``autograd.grad`` keeps one player's gradients off the other."""

import torch
from keras import ops


def put(arrays):
    return {name: ops.convert_to_tensor(array) for name, array in arrays.items()}


def jit(function, variables):
    @torch.no_grad()
    def run(*tensors):
        return function(*(ops.convert_to_tensor(tensor) for tensor in tensors))

    return run


def minimize(loss_fn, variables, optimizer):
    loss, aux = loss_fn()
    gradients = torch.autograd.grad(
        optimizer.scale_loss(loss), [variable.value for variable in variables]
    )
    with torch.no_grad():
        optimizer.apply(gradients, variables)
    return loss.detach(), aux


def compile(update, variables, num_metrics):
    def run(data, fixed, order, start, stop):
        order = ops.convert_to_tensor(order)
        rows = []
        for i in range(start, stop):
            batch = {name: array[order[i]] for name, array in data.items()}
            rows.append(update({**batch, **fixed}).detach())
        return torch.stack(rows).cpu().numpy()

    return run
