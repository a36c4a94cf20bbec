"""The backend in use offers what its contract says (that all do is mypy's to check)."""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

from rgf_keras import backend
from rgf_keras.backend.protocol import Backend
from rgf_keras.errors import RgfError

pytestmark = pytest.mark.backend

PRIMITIVES = [name for name in vars(Backend) if not name.startswith("_")]


@pytest.mark.parametrize("name", PRIMITIVES)
def test_primitives_take_what_the_contract_names(name):
    wanted = [*inspect.signature(getattr(Backend, name)).parameters][1:]
    assert [*inspect.signature(getattr(backend, name)).parameters] == wanted
    assert name in backend.__all__


def test_updates_by_hand():
    """Gradient descent on (w − x)²/2 with the batches x = 1, 2, 4 and rate 1/2."""
    weight = keras.Variable(0.0)
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build([weight])

    def update(batch):
        def loss_fn():
            error = ops.mean(batch["x"]) - weight
            return ops.square(error) / 2, error

        loss, error = backend.minimize(loss_fn, [weight], optimizer)
        return ops.stack([loss, error + batch["shift"][0]])

    run = backend.compile(update, [weight, *optimizer.variables], 2)
    data = backend.put({"x": np.float32([1, 2, 4])})
    fixed = backend.put({"shift": np.float32([10])})
    order = np.int32([[0], [1], [2]])
    rows = np.concatenate([run(data, fixed, order, *part) for part in ((0, 2), (2, 3))])
    np.testing.assert_allclose(rows, [[0.5, 11], [1.125, 11.5], [3.78125, 12.75]])
    assert ops.convert_to_numpy(weight.value) == pytest.approx(2.625)
    read = backend.jit(lambda x: x + weight, [weight])
    assert ops.convert_to_numpy(read(np.float32(1))) == pytest.approx(3.625)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX offers it")
def test_what_only_jax_offers_is_refused_elsewhere():
    for call in (
        lambda: backend.require_jax("ensembles need"),
        lambda: backend.compile_ensemble(lambda batch: batch, [], 1),
        lambda: backend.per_example_gradients(lambda: None, {}, []),
    ):
        with pytest.raises(RgfError, match=r"need the jax backend, not .*; use --backend jax"):
            call()


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="only PyTorch has a kernel of its own"
)
@pytest.mark.parametrize(
    "options",
    [
        {"beta_1": 0.5, "epsilon": 1e-8},
        {"clipnorm": 0.1, "weight_decay": 0.01},
        {"use_ema": True, "ema_momentum": 0.9},
        {"gradient_accumulation_steps": 2},
        {"amsgrad": True},
        {"learning_rate": keras.optimizers.schedules.ExponentialDecay(1e-2, 3, 0.5)},
    ],
    ids=lambda options: "-".join(options),
)
@pytest.mark.parametrize("kind", [keras.optimizers.Adam, keras.optimizers.AdamW])
def test_adam_in_one_pass_is_keras_adam(kind, options):
    import torch

    start = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)

    def train(update):
        weights = [keras.Variable(start), keras.Variable(start[0])]
        optimizer = kind(**{"learning_rate": 0.01, **options})
        optimizer.build(weights)
        for goal in range(8):

            def loss_fn(goal=goal):
                return ops.sum((weights[0] * weights[1] - goal) ** 2), None

            update(loss_fn, weights, optimizer)
        return [ops.convert_to_numpy(v) for v in (*weights, *optimizer.variables)]

    def of_keras(loss_fn, weights, optimizer):
        gradients = torch.autograd.grad(loss_fn()[0], [weight.value for weight in weights])
        with torch.no_grad():
            optimizer.apply(gradients, weights)

    for ours, theirs in zip(train(backend.minimize), train(of_keras), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)
