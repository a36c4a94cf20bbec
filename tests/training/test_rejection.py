"""Memorization rejection, on every backend."""

import numpy as np
import pytest
from keras import ops
from recipes import trainer

from rgf_keras.errors import RgfError
from rgf_keras.models.base import Loss
from rgf_keras.training import MemorizationRejection, after

pytestmark = pytest.mark.backend


def pixels(images):
    """The embedding of these tests: pixels in [0, 1]."""
    return ops.reshape(images, (len(images), -1)) / 2 + 0.5


@pytest.fixture(scope="module")
def references(skewed_digits):
    return skewed_digits.images.reshape(640, -1) / 255.0


def train(digits, references, threshold, epochs=1, **options):
    hook = MemorizationRejection(threshold, pixels, references, **options)
    training = trainer("gan", digits.images, regularizers=[hook])
    return training, training.fit(epochs)


def column(history, name):
    return history.steps[:, history.names.index(name)]


def weights(model):
    return [ops.convert_to_numpy(v.value) for v in model.generator.trainable_variables]


def test_distance_is_that_to_the_nearest_reference(references):
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (5, 28, 28, 3)).astype(np.float32)
    hook = MemorizationRejection(0.1, pixels, references, max_bytes=4 * 5 * 100)
    distances = hook.distance(ops.convert_to_tensor(images), hook_array(hook))
    flat = images.reshape(5, -1) / 2 + 0.5
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (flat, references)]
    expected = (1 - unit[0] @ unit[1].T).min(axis=1)
    np.testing.assert_allclose(ops.convert_to_numpy(distances), expected, atol=1e-5)


def hook_array(hook):
    return ops.convert_to_tensor(hook.arrays["rejection/references"])


def test_a_threshold_of_zero_changes_nothing(skewed_digits, references):
    plain = trainer("gan", skewed_digits.images, regularizers=[]).fit(1)
    _, rejected = train(skewed_digits, references, 0.0)
    np.testing.assert_allclose(column(rejected, "generator/acceptance"), 1)
    for name in plain.names:
        np.testing.assert_allclose(column(rejected, name), column(plain, name), rtol=1e-4)


@pytest.mark.parametrize("mode", ["mask", "resample"])
def test_a_batch_without_survivors_changes_nothing(skewed_digits, references, mode):
    hook = MemorizationRejection(2.0, pixels, references, mode=mode)
    training = trainer("gan", skewed_digits.images, regularizers=[hook])
    before = weights(training.model)
    slots = [ops.convert_to_numpy(v.value) for v in training.optimizers["generator"].variables]
    history = training.fit(1)
    np.testing.assert_array_equal(column(history, "generator/acceptance"), 0)
    for old, new in zip(before, weights(training.model), strict=True):
        np.testing.assert_array_equal(old, new)
    for old, new in zip(slots, training.optimizers["generator"].variables, strict=True):
        np.testing.assert_array_equal(old, ops.convert_to_numpy(new.value))


def test_rejected_samples_have_no_weight(skewed_digits, references):
    """With a threshold at the median, half of the batch counts, and twice as much."""
    _, probe = train(skewed_digits, references, 0.0)
    threshold = float(column(probe, "generator/distance")[0])
    _, history = train(skewed_digits, references, threshold)
    acceptance = column(history, "generator/acceptance")
    assert 0.1 < acceptance[0] < 0.9
    assert (column(history, "loss/generator") > 0).all()


def test_redraws_fill_the_batch(skewed_digits, references):
    """Of four times as many candidates enough are accepted: every sample then has weight 1."""
    _, probe = train(skewed_digits, references, 0.0)
    threshold = float(column(probe, "generator/distance")[0])
    hook = MemorizationRejection(threshold, pixels, references, mode="resample", num_redraws=7)
    model = trainer("gan", skewed_digits.images, regularizers=[]).model
    batch = {"images": ops.zeros((32, 28, 28, 3)), "rejection/references": hook_array(hook)}
    filled = hook.before(model, batch, 0)
    accepted, metrics = filled["rejection/acceptance"]
    assert filled["latents"].shape == (32, 8)
    assert float(metrics["acceptance"]) > 0.2
    np.testing.assert_array_equal(ops.convert_to_numpy(accepted), 1)


def test_what_is_trained_on_lies_beyond_the_threshold(skewed_digits, references):
    """Batch normalization makes other images of the same noise: the batch itself is judged."""
    model = trainer("gan", skewed_digits.images, regularizers=[]).model
    assert any("batch_norm" in layer.name for layer in model.generator.layers)
    _, generator = model.players()
    hook = MemorizationRejection(0.0, pixels, references)
    noise = model.draw_noise(64)
    distances = hook.distance(model.generate(noise)["images"], hook_array(hook))
    threshold = float(np.median(ops.convert_to_numpy(distances)))
    hook = MemorizationRejection(threshold, pixels, references, mode="resample", num_redraws=1)
    given = {"images": ops.zeros((64, 28, 28, 3)), "rejection/references": hook_array(hook)}
    batch = hook.before(model, given, 0)
    loss = generator.loss(batch)
    changed = hook(loss, batch, 0)
    own = ops.convert_to_numpy(hook.distance(loss.tensors["generated"], hook_array(hook)))
    losses = ops.convert_to_numpy(changed.per_example)
    assert (losses[own <= threshold] == 0).all()
    assert (losses[own > threshold] > 0).all()


def test_weights_of_rejected_samples_by_hand():
    unit = np.eye(3, dtype=np.float32)
    hook = MemorizationRejection(0.5, lambda x: x, unit, mode="weight")
    images = np.array([[1, 0, 0], [6, 4, 4], [-5, 3, -4], [1, 1, 1]], np.float32)
    cosines = (images / np.linalg.norm(images, axis=1, keepdims=True)).max(axis=1)
    weights, metrics = hook.accept(ops.convert_to_tensor(images), ops.convert_to_tensor(unit), 0)
    distances = 1 - cosines
    expected = np.where(distances > 0.5, 1.0, distances / 0.5)
    np.testing.assert_allclose(ops.convert_to_numpy(weights), expected, atol=1e-5)
    assert float(metrics["acceptance"]) == pytest.approx(np.mean(distances > 0.5))
    near = np.array([[1, 0.3, 0], [0, 1, 0.2]], np.float32)
    losses = ops.convert_to_tensor(np.array([1.0, 3.0], np.float32))
    tensors = {"generated": ops.convert_to_tensor(near), "generated_losses": losses}
    batch = {"rejection/references": ops.convert_to_tensor(unit)}
    damped = hook(Loss(losses, tensors), batch, 0).per_example
    distances = 1 - (near / np.linalg.norm(near, axis=1, keepdims=True)).max(axis=1)
    assert distances.sum() / 0.5 < 1  # less than one whole sample
    expected = 2 * distances / distances.sum() * [1, 3]
    np.testing.assert_allclose(ops.convert_to_numpy(damped), expected, rtol=1e-4)
    with pytest.raises(RgfError, match="mode"):
        MemorizationRejection(0.5, lambda x: x, unit, mode="soft")


def test_a_warm_up_accepts_everything_first(skewed_digits, references):
    _, history = train(skewed_digits, references, after(2.0, 10, before=-1.0))
    acceptance = column(history, "generator/acceptance")
    np.testing.assert_array_equal(acceptance, [1.0] * 10 + [0.0] * 10)


def test_the_discriminator_can_be_kept_from_rejected_samples(skewed_digits, references):
    _, history = train(skewed_digits, references, 0.05, player="discriminator")
    assert "discriminator/acceptance" in history.names
    assert np.isfinite(history.steps).all()


def test_several_discriminator_turns_per_step(skewed_digits, references):
    hook = MemorizationRejection(0.05, pixels, references)
    training = trainer("gan", skewed_digits.images, regularizers=[hook], turns={"discriminator": 5})
    history = training.fit(1)
    assert history.steps.shape[0] == 640 // (5 * 32)
    counts = {
        name: int(ops.convert_to_numpy(optimizer.iterations.value))
        for name, optimizer in training.optimizers.items()
    }
    assert counts == {"discriminator": 20, "generator": 4}


@pytest.mark.parametrize(
    ("threshold", "shape", "options", "message"),
    [
        (2.1, (3, 4), {}, r"threshold must lie in \[0, 2\], received 2.1"),
        (-0.1, (3, 4), {}, r"must lie in \[0, 2\]"),
        (0.1, (0, 4), {}, r"needs references .* received \(0, 4\)"),
        (0.1, (3,), {}, "needs references"),
        (0.1, (3, 4), {"mode": "resample", "player": "discriminator"}, "generator's turn"),
        (0.1, (3, 4), {"mode": "resample", "num_redraws": 0}, "num_redraws ≥ 1"),
    ],
)
def test_bad_settings_are_named(threshold, shape, options, message):
    with pytest.raises(RgfError, match=message):
        MemorizationRejection(threshold, pixels, np.ones(shape), **options)


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_references_must_have_a_direction(value):
    with pytest.raises(RgfError, match="finite and not zero"):
        MemorizationRejection(0.1, pixels, np.full((2, 3), value))


def test_an_embedding_of_another_width_is_named(skewed_digits, references):
    with pytest.raises(RgfError, match="embedding is 2352 wide but the references are 10"):
        train(skewed_digits, references[:, :10] + 0.1, 0.1)


def test_turns_of_unknown_players_are_named(skewed_digits):
    for turns in ({"critic": 2}, {"discriminator": 0}):
        with pytest.raises(RgfError, match="turns must be at least 1"):
            trainer("gan", skewed_digits.images, turns=turns)
