"""Many fits in one program equal fits of their own; a Trainer begins anew as a new one would."""

import keras
import numpy as np
import pytest
from recipes import small

from rgf_keras.errors import RgfError
from rgf_keras.training import Ensemble, Trainer

pytestmark = pytest.mark.backend

SEEDS = (3, 4, 5)
on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="ensembles need JAX")


def adam():
    return {"vae": keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, 40))}


def folds(num_images):
    return [np.flatnonzero(np.arange(num_images) % 3 != k) for k in range(3)]


def state(training):
    """Per member: its loss trace and (averaged) weights."""
    return [
        (trace.copy(), [np.array(keras.ops.convert_to_numpy(v.value)) for v in weights])
        for weights in [training.model.trainable_variables]
        for trace in training.members()
    ]


def alone(images, member):
    """One fold by a Trainer of its own."""
    seed, rows = SEEDS[member], folds(len(images))[member]
    data = {"images": images}
    training = Trainer(small("vae", seed), data, adam(), 32, seed, rows, ema_decay=0.9)
    training.fit(2)
    return state(training)


def ensemble(images, **options):
    models = (small("vae", seed) for seed in SEEDS)
    options = {"batch_size": 32, "ema_decay": 0.9, **options}
    return Ensemble(models, {"images": images}, adam(), SEEDS, folds(len(images)), **options)


@pytest.fixture(scope="module")
def images(skewed_digits):
    return skewed_digits.images[:330]


@pytest.fixture(scope="module")
def expected(images):
    return [state for member in range(3) for state in alone(images, member)]


def assert_equal(states, expected, tolerance=0.0):
    for (trace, weights), (other_trace, other_weights) in zip(states, expected, strict=True):
        np.testing.assert_allclose(trace, other_trace, rtol=tolerance)
        for value, other in zip(weights, other_weights, strict=True):
            np.testing.assert_allclose(value, other, rtol=tolerance, atol=tolerance)


@on_jax
@pytest.mark.parametrize(("device", "tolerance"), [("cpu", 0.0), ("gpu", 1e-4)])
def test_members_equal_fits_of_their_own(images, expected, monkeypatch, device, tolerance):
    monkeypatch.setattr("jax.default_backend", lambda: device)  # in turn, or all at once
    training = ensemble(images)
    training.fit(2)
    assert_equal(state(training), expected, tolerance)


@on_jax
def test_an_ensemble_resumes_and_restarts_exactly(images, expected, tmp_path):
    first = ensemble(images, checkpoint_dir=tmp_path)
    first.fit(1)
    second = ensemble(images, checkpoint_dir=tmp_path)
    assert len(second.history.epochs) == 1
    second.fit(2)
    assert_equal(state(second), expected)
    first.restart_all([small("vae", seed) for seed in SEEDS], SEEDS, folds(len(images)))
    first.fit(2)
    assert_equal(state(first), expected)


def test_a_trainer_restarts_as_a_new_one_would(images):
    training = Trainer(small("vae", 9), {"images": images}, adam(), 32, 9, ema_decay=0.9)
    training.fit(1)
    training.restart(small("vae", SEEDS[1]), SEEDS[1], folds(len(images))[1])
    training.fit(2)
    assert_equal(state(training), alone(images, 1))


@on_jax
def test_members_that_do_not_fit_together(images):
    rows = folds(len(images))
    with pytest.raises(RgfError, match=r"equally many steps per epoch, received \[2, 6\]"):
        Ensemble(
            (small("vae", seed) for seed in SEEDS), {"images": images}, adam(), SEEDS,
            [*rows[:2], rows[2][:64]], batch_size=32,
        )  # fmt: skip
    with pytest.raises(RgfError, match="as many models as seeds and rows, received 1, 3 and 3"):
        Ensemble([small("vae")], {"images": images}, adam(), SEEDS, rows, batch_size=32)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has them")
def test_other_backends_have_no_ensembles(images):
    with pytest.raises(RgfError, match="ensembles need the jax backend, not"):
        ensemble(images)
