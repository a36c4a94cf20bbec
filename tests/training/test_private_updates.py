"""DP-SGD: clipping by hand, the noise's scale, exact resumption, refusals."""

import shutil

import keras
import numpy as np
import pytest
from keras import ops

from rgf_keras.errors import RgfError
from rgf_keras.models import GAN, VAE, Loss, Player
from rgf_keras.training import Privacy, SpectralDecoupling, Trainer

pytestmark = pytest.mark.backend
needs_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX only")


class Linear(keras.Model):
    """Loss wᵀx + b: its gradient for an image is the image itself, and 1."""

    def __init__(self, size, scale=1.0):
        super().__init__()
        self.w = self.add_weight((size,), "zeros", name="w")
        self.b = self.add_weight((), "zeros", name="b")
        self.scale, self.noise = scale, keras.random.SeedGenerator(0)

    def players(self):
        def loss(batch):
            images = ops.reshape(batch["images"], (-1, self.w.shape[0]))
            return Loss(self.scale * (ops.matmul(images, self.w.value) + self.b))

        return [Player("linear", [self.w, self.b], loss, draw_noise=lambda num: {})]


def trained(model, images, privacy, epochs=1):
    optimizers = {player.name: keras.optimizers.SGD(1.0) for player in model.players()}
    trainer = Trainer(model, {"images": images}, optimizers, len(images), privacy=privacy)
    trainer.fit(epochs)
    return [ops.convert_to_numpy(v.value) for v in model.trainable_variables]


def test_clipping_by_hand():
    # Norms over both variables: 5 (scaled by 1/5), 1/2 (left alone), 0.
    gradients = [np.float32([[3.0], [0.3], [0.0]]), np.float32([[4.0], [0.4], [0.0]])]
    first, second = Privacy(0.0, 1.0).clipped_sum(gradients)
    np.testing.assert_allclose(ops.convert_to_numpy(first), [0.6 + 0.3], rtol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(second), [0.8 + 0.4], rtol=1e-6)


@needs_jax
def test_an_update_without_noise_by_hand():
    # Black and white: x = (−1, −1, −1, −1) and (1, 1, 1, 1), both with b's 1; norm √5 each.
    images = np.stack([np.zeros((2, 2, 1), np.uint8), np.full((2, 2, 1), 255, np.uint8)])
    w, b = trained(Linear(4), images, Privacy(0.0, 0.5))
    np.testing.assert_allclose(w, 0, atol=1e-6)
    assert b == pytest.approx(-2 * 0.5 / 5**0.5 / 2)
    w, b = trained(Linear(4), images[1:], Privacy(0.0, 10.0))
    np.testing.assert_allclose([*w, b], -1, rtol=1e-6)  # not clipped


@needs_jax
def test_the_noise_has_its_scale():
    # Without gradient an update is noise alone: σ · C / batch, summed over 4 steps.
    images = np.zeros((8, 64, 64, 1), np.uint8)
    w, _ = trained(Linear(64 * 64, scale=0.0), images, Privacy(3.0, 0.5), epochs=4)
    expected = 4**0.5 * 3.0 * 0.5 / 8
    assert w.std() == pytest.approx(expected, rel=0.05)  # of 4096 draws: about 1 %
    assert abs(w.mean()) < 4 * expected / 64


@needs_jax
def test_every_image_has_draws_of_its_own():
    model = VAE((2, 2, 1), "mlp", "bernoulli", 2, (), observation="binarized")
    grey = np.full((4, 2, 2, 1), 128, np.uint8)
    seen = []
    (player,) = model.players()
    noise = player.draw_noise(4)
    for i in range(4):
        one = {name: x[i : i + 1] for name, x in noise.items()}
        loss = player.loss({"images": grey[i : i + 1] / np.float32(127.5) - 1, **one})
        seen.append(float(loss.per_example[0]))
    together = player.loss({"images": grey / np.float32(127.5) - 1, **noise}).per_example
    np.testing.assert_allclose(seen, ops.convert_to_numpy(together), rtol=1e-5)
    assert len(set(seen)) == 4


def private_vae(images, folder=None):
    model = VAE((4, 4, 1), "mlp", "bernoulli", 2, (8,), observation="binarized")
    optimizers = {"vae": keras.optimizers.Adam(1e-2)}
    privacy = Privacy(1.0, 1.0)
    return Trainer(model, {"images": images}, optimizers, 8, privacy=privacy, checkpoint_dir=folder)


@needs_jax
def test_resume_is_exact(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (24, 4, 4, 1), np.uint8)
    whole = private_vae(images, tmp_path / "whole")
    whole.fit(2)
    shutil.copytree(tmp_path / "whole", tmp_path / "resumed")
    whole.fit(4)
    resumed = private_vae(images, tmp_path / "resumed")
    assert len(resumed.history.steps) == 2 * 3
    resumed.fit(4)
    np.testing.assert_array_equal(whole.history.steps, resumed.history.steps)
    for one, other in zip(whole.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(one.value), ops.convert_to_numpy(other.value)
        )


@needs_jax
def test_what_cannot_be_private_is_named():
    images = np.zeros((8, 32, 32, 3), np.uint8)
    adam = keras.optimizers.Adam
    with pytest.raises(RgfError, match="without BatchNormalization"):
        trained(VAE((32, 32, 3), "celeba_conv", width=2), images, Privacy(1.0, 1.0))
    gan = GAN((32, 32, 3), units=(4,))
    optimizers = {player.name: adam() for player in gan.players()}
    with pytest.raises(RgfError, match=r"needs a VAE, .* not GAN"):
        Trainer(gan, {"images": images}, optimizers, 4, privacy=Privacy(1.0, 1.0))
    hooks = [SpectralDecoupling(1.0)]
    optimizers = {player.name: adam() for player in gan.players()}
    with pytest.raises(RgfError, match="exclude each other"):
        Trainer(
            gan, {"images": images}, optimizers, 4, regularizers=hooks, privacy=Privacy(1.0, 1.0)
        )


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX can")
def test_other_backends_refuse():
    images = np.zeros((8, 4, 4, 1), np.uint8)
    with pytest.raises(RgfError, match="needs the jax backend") as caught:
        private_vae(images)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("noise_multiplier", "clip_norm"), [(-1.0, 1.0), (1.0, 0.0)])
def test_bad_strengths_are_named(noise_multiplier, clip_norm):
    with pytest.raises(RgfError, match=f"received {noise_multiplier} and {clip_norm}"):
        Privacy(noise_multiplier, clip_norm)
