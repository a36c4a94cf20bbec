"""Models that bring a ``fit`` of their own, trained by it."""

import keras
import numpy as np
import pytest
from keras import ops

from rgf_keras.errors import Diverged, RgfError
from rgf_keras.training import Evaluate, FitTrainer

pytestmark = pytest.mark.backend

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 2, 2, 1), np.uint8)


class Mean(keras.Model):
    """Learns the mean image with a train_step of its own, and noise."""

    def __init__(self):
        super().__init__()
        self.mean = self.add_weight((4,), "zeros", name="mean")
        self.noise_seed = keras.random.SeedGenerator()
        self.compile(optimizer=keras.optimizers.SGD(0.1))
        self.steps = []

    def call(self, images):
        return ops.reshape(self.mean + ops.zeros_like(images[:, 0, 0]), (-1, 2, 2, 1))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        noise = keras.random.normal(ops.shape(x), seed=self.noise_seed)
        return ops.mean(ops.square(x + 0.1 * noise - y_pred))

    def train_step(self, *arguments):
        self.steps.append(len(arguments))  # traced, not run, on some backends
        return super().train_step(*arguments)

    def sample(self, num_samples, seed):
        return np.zeros((num_samples, 2, 2, 1), np.float32)


class Labelled(Mean):
    """Wants labels, and no batch size."""

    def fit(self, images, labels, epochs, callbacks):
        self.shapes = images.shape, images.dtype, labels.shape
        return super().fit(images, epochs=epochs, callbacks=callbacks, verbose=0)


def trained(seed, epochs=2):
    keras.utils.set_random_seed(7)
    model = Mean()
    FitTrainer(model, {"images": IMAGES}, batch_size=8, seed=seed).fit(epochs)
    return ops.convert_to_numpy(model.mean)


def test_history_keeps_what_callbacks_add():
    model = Mean()
    trainer = FitTrainer(model, {"images": IMAGES}, batch_size=8)
    history = trainer.fit(3, [Evaluate(lambda model: {"quality/one": 1.0}, every=2)])
    assert ["quality/one" in epoch for epoch in history.epochs] == [False, True, True]
    assert all(np.isfinite(epoch["loss"]) for epoch in history.epochs)
    assert model.steps, "the model's own train_step"
    with trainer.averaged_weights():
        np.testing.assert_array_equal(trainer.model.sample(2, 0), 0)


def test_the_mean_is_learned():
    expected = (IMAGES / 127.5 - 1).mean(axis=0).ravel()
    np.testing.assert_allclose(trained(seed=0, epochs=30), expected, atol=0.2)


def test_a_seed_repeats_and_another_does_not():
    first, again, other = (trained(seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_labels_and_few_parameters():
    model = Labelled()
    FitTrainer(model, {"images": IMAGES, "labels": np.arange(20)}, batch_size=8).fit(1)
    assert model.shapes == ((20, 2, 2, 1), np.float32, (20,))


def test_a_loss_that_is_not_finite_diverges():
    model = Mean()
    model.mean.assign([np.nan] * 4)
    with pytest.raises(Diverged, match="loss is not finite at step 2"):
        FitTrainer(model, {"images": IMAGES}, batch_size=8).fit(2)


class Loop(Mean):
    """Calls its callbacks itself, and only at the ends of epochs."""

    def fit(self, images, epochs, callbacks):
        for epoch in range(epochs):
            for callback in callbacks:
                callback.on_epoch_end(epoch, {"loss": [1.0, np.inf][epoch]})


def test_a_loop_of_ones_own():
    trainer = FitTrainer(Loop(), {"images": IMAGES})
    assert trainer.fit(1).epochs == [{"loss": 1.0}]
    with pytest.raises(Diverged, match="loss is not finite at step 1"):
        trainer.fit(2)


class Broken(Mean):
    def fit(self, images, epochs, callbacks):
        raise ValueError("shapes differ\nby a lot")


class Refused(Mean):
    def fit(self, images, epochs, callbacks):
        raise RgfError("too few images")


def test_a_fit_that_fails_is_one_line():
    with pytest.raises(RgfError) as caught:
        FitTrainer(Broken(), {"images": IMAGES}).fit(1)
    assert str(caught.value) == "model.target: fit of Broken fails: ValueError: shapes differ"
    with pytest.raises(RgfError, match=r"^too few images$"):
        FitTrainer(Refused(), {"images": IMAGES}).fit(1)
