"""What does not conform fails the suite, with a sentence that says why."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from rgf_keras import datasets, testing
from rgf_keras.metrics.catalogue import Metric
from rgf_keras.metrics.frechet import Estimate
from rgf_keras.models import VAE, GenerativeModel, Loss, Player
from rgf_keras.training import SpectralDecoupling

SHAPE = (4, 4, 1)


class Pixels(GenerativeModel):
    """The smallest model that conforms; subclasses do something wrong."""

    def __init__(self):
        super().__init__(SHAPE, latent_dim=2)
        self.mean = self.add_weight(shape=(16,), initializer="zeros", name="mean")

    def players(self):
        return [Player("pixels", [self.mean], self.loss_of, ("size",))]

    def loss_of(self, batch):
        noise = keras.random.normal((16,), seed=self.noise)
        pixels = ops.reshape(batch["images"], (-1, 16))
        losses = ops.mean(ops.square(pixels - self.mean - 0.1 * noise), axis=-1)
        return Loss(losses, metrics={"size": ops.mean(ops.square(self.mean))})

    def decode(self, latents):
        size = np.tanh(latents[:, :1] + latents[:, 1:] + ops.convert_to_numpy(self.mean))
        return size.reshape(-1, *SHAPE)

    def log_prob(self, images, num_samples, seed=0):
        return -images.astype(np.float32).mean(axis=(1, 2, 3))


class SameForEverySeed(Pixels):
    def sample_latents(self, num_samples, seed):
        return super().sample_latents(num_samples, 0)


class NotThePrefix(Pixels):
    def sample_latents(self, num_samples, seed):
        return super().sample_latents(num_samples, seed)[::-1]


class Coarse(Pixels):
    def decode(self, latents):
        return super().decode(latents)[:, ::2]


class Twins(Pixels):
    def players(self):
        return super().players() * 2


class OneLoss(Pixels):
    def loss_of(self, batch):
        loss = super().loss_of(batch)
        return replace(loss, per_example=ops.mean(loss.per_example))


class Forgetful(Pixels):
    def loss_of(self, batch):
        return replace(super().loss_of(batch), metrics={})


class Stateful(Pixels):
    """Keeps something that no variable of the model holds."""

    offset = 0.0

    def decode(self, latents):
        return np.clip(super().decode(latents) + self.offset, -1, 1)

    def loss_of(self, batch):
        self.offset = 0.5
        return super().loss_of(batch)


class HiddenRandomness(Pixels):
    """Its losses depend on a generator that no checkpoint knows."""

    def __init__(self):
        super().__init__()
        self.hidden = [np.random.default_rng(0)]

    def loss_of(self, batch):
        loss = super().loss_of(batch)
        return replace(loss, per_example=loss.per_example * self.hidden[0].uniform(0.5, 1.5))


class Neighbourly(Pixels):
    def log_prob(self, images, num_samples, seed=0):
        return super().log_prob(images, num_samples) - images[0].mean()


@pytest.mark.backend
def test_the_smallest_model_conforms():
    testing.check_generative_model(Pixels, SHAPE)
    testing.check_likelihood_model(Pixels, SHAPE)


@pytest.mark.backend
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (SameForEverySeed, "must depend on the seed"),
        (NotThePrefix, r"sample\(3\) must begin sample\(5\)"),
        (Coarse, r"sample\(5, seed\) must be"),
        (Twins, "names must be unique"),
        (OneLoss, r"must be \(4,\) for 4 images"),
        (Forgetful, "must deliver the metrics"),
        (Stateful, "weights must hold all"),
    ],
)
def test_models_that_do_not_conform(model, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_generative_model(model, SHAPE)


@pytest.mark.backend
@pytest.mark.skipif(keras.backend.backend() != "torch", reason="others trace losses once")
def test_state_that_the_trainer_cannot_see():
    with pytest.raises(AssertionError, match="keep all state"):
        testing.check_generative_model(HiddenRandomness, SHAPE)


def test_likelihoods_that_depend_on_neighbours():
    with pytest.raises(AssertionError, match="images beside it"):
        testing.check_likelihood_model(Neighbourly, SHAPE)


class Loud(SpectralDecoupling):
    def __call__(self, loss, batch, step):
        loss = super().__call__(loss, batch, step)
        return replace(loss, penalty=loss.penalty + 1.0)


class Silent(SpectralDecoupling):
    def __call__(self, loss, batch, step):
        super().__call__(loss, batch, step)
        return loss


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Loud, "must leave the loss as it is"),
        (Silent, "must be delivered"),
        (lambda weight: SpectralDecoupling(0.0), "must change something"),
        (lambda weight: SpectralDecoupling(weight, player="critic"), "must be one of"),
    ],
)
def test_regularizers_that_do_not_conform(make, message):
    from rgf_keras.models import GAN

    with pytest.raises(AssertionError, match=message):
        testing.check_regularizer(make, lambda: GAN(SHAPE, latent_dim=2, units=(4,)))


def test_regularizers_of_a_model_without_their_player():
    with pytest.raises(AssertionError, match=r"\['vae'\], not 'discriminator'"):
        testing.check_regularizer(SpectralDecoupling, lambda: VAE(SHAPE, units=(4,)))


CALLS = iter(range(100))


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (lambda evidence: float(next(CALLS)), "the same again"),
        (lambda evidence: float("inf"), "must be finite"),
        (lambda evidence: Estimate(2.0, 0.0, 1.0), "outside its"),
        (Metric("x", "a share", lambda evidence: 3.0, unit="%"), r"in \[0, 1\]"),
        (Metric("x", "", lambda evidence: 3.0), "must have a label"),
    ],
)
def test_metrics_that_do_not_conform(metric, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_metric(metric)


def test_data_sets_that_do_not_conform():
    digits = datasets.load("mnist-10k", "test")
    halves = dict(zip(("train", "test"), digits.split(1000), strict=True))
    ones = halves["test"].take(np.flatnonzero(halves["test"].labels == 1))
    small = replace(halves["test"], images=halves["test"].images[:, ::2])
    for test, message in ((digits, "are training images"), (ones, "has no images of the classes"),
                          (small, "image_shape must be that of both")):  # fmt: skip
        with pytest.raises(AssertionError, match=message):
            testing.check_dataset(lambda split, test=test: {**halves, "test": test}[split])


class Ghost(datasets.Colour):
    def apply(self, images, assignment, indices, seed, cache=None, progress=None):
        return images


class Row(datasets.Colour):
    def apply(self, images, assignment, indices, seed, cache=None, progress=None):
        planted = images.copy()
        planted[0, 0] = 255 * assignment[0]
        return planted


@pytest.mark.parametrize(
    ("factor", "message"), [(Ghost(), "must look different"), (Row(), "those beside it")]
)
def test_factors_that_do_not_conform(factor, message):
    with pytest.raises(AssertionError, match=message):
        testing.check_factor(factor)
