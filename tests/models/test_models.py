"""One conformance suite for every generative model, on every backend."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from rgf_keras.errors import ArgumentError, RgfError
from rgf_keras.models import (
    DDPM,
    GAN,
    SAGAN,
    VAE,
    BigGAN,
    Oracle,
    load_model,
    sample_uint8,
    to_float,
    to_uint8,
)

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("quick_compilation")]

MODELS = {
    "gan": lambda: GAN((28, 28, 3), latent_dim=8, units=(16, 32)),
    "dcgan": lambda: GAN((28, 28, 3), "conv", latent_dim=8, width=4),
    "biggan": lambda: BigGAN((16, 16, 3), width=4, latent_dim=8, shared_dim=2, augment=True),
    "vae": lambda: VAE((28, 28, 3), latent_dim=4, units=(32, 16)),
    "conv_vae": lambda: VAE((32, 32, 1), "conv", "gaussian", latent_dim=4, width=4),
    "diffusion": lambda: DDPM((4, 4, 1), "tiny", 4, "keras", timesteps=9, num_steps=2, eta=1.0),
}


@pytest.fixture(params=list(MODELS))
def model(request):
    return MODELS[request.param]()


def test_samples_have_the_shape_and_range_of_images(model):
    samples = model.sample(5, seed=0)
    assert samples.shape == (5, *model.image_shape)
    assert samples.dtype == np.float32
    assert np.abs(samples).max() <= 1


def test_samples_depend_on_the_seed_alone(model):
    first = model.sample(7, seed=1)
    np.testing.assert_allclose(first[:3], model.sample(3, seed=1), atol=1e-5)
    assert not np.allclose(first, model.sample(7, seed=2))


def test_each_player_owns_variables_of_the_model(model):
    ids = [id(v) for player in model.players() for v in player.variables]
    assert len(ids) == len(set(ids)) == len(model.trainable_variables)


def test_losses_are_one_number_per_image_and_the_metrics_announced(model):
    images = np.zeros((6, *model.image_shape), np.float32)
    for player in model.players():
        loss = player.loss({"images": images, "labels": np.arange(6)})
        assert tuple(loss.per_example.shape) == (6,)
        assert set(loss.metrics) == set(player.metrics)


def test_save_and_load(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(model.sample(3, 0), again.sample(3, 0), atol=1e-6)


def test_a_model_can_be_sampled_on_another_backend(tmp_path):
    model = MODELS["dcgan"]()
    model.save(tmp_path / "model.keras")
    other = {"tensorflow": "jax", "jax": "torch", "torch": "tensorflow"}[keras.backend.backend()]
    code = (
        f"import os; os.environ['KERAS_BACKEND'] = '{other}'\n"
        "import numpy as np; from rgf_keras.models import load_model\n"
        f"np.save(r'{tmp_path}/samples.npy', load_model(r'{tmp_path}/model.keras').sample(4, 0))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "samples.npy"), model.sample(4, 0), atol=1e-4)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04nonsense"])
def test_a_file_that_is_no_model_is_named(tmp_path, content):
    path = tmp_path / "model.keras"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RgfError, match=r"model\.keras"):
        load_model(path)


def test_an_impossible_image_size_is_named():
    with pytest.raises(ArgumentError, match="received 27×27"):
        GAN((27, 27, 3), "conv")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GAN((8, 8, 1), "cnv"), "unknown architecture 'cnv'; known: mlp, conv; did you"),
        (lambda: GAN((8, 8, 1), latent_dim=0), "latent_dim must be at least 1, received 0"),
        (lambda: GAN((8, 8, 1), dropout=1.0), r"dropout must lie in \[0, 1\), received 1.0"),
        (lambda: GAN((8, 8, 1), "conv", width=0), "width must be at least 1, received 0"),
        (lambda: VAE((8, 8, 1), "mnist"), "unknown architecture 'mnist'; .* did you mean 'mnist_"),
        (lambda: VAE((8, 8, 1), observation="x"), "unknown observation 'x'; known: pixels"),
        (lambda: VAE((8, 8, 1), beta=-1.0), "beta must be at least 0, received -1.0"),
        (lambda: VAE((8, 8, 1), beta_divergence=-0.1), "beta_divergence must be at least 0"),
        (lambda: VAE((8, 8, 1), outlier_weight=1.0), r"outlier_weight must lie in \[0, 1\)"),
        (lambda: Oracle((15, 28, 1), 10), "needs images of 16×16 or more, received 15×28"),
        (lambda: GAN((8, 8, 1)).sample(0, 0), "num_samples must be at least 1, received 0"),
    ],
)
def test_arguments_out_of_range_are_named(build, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


SAVED = {"name", "trainable", "dtype", "image_shape", "seed"}
GAN_SAVED = {"architecture", "units", "width", "batch_normalization", "dropout", "latent_dim"}
VAE_SAVED = {
    *("architecture", "likelihood", "latent_dim", "units", "width", "beta", "observation"),
    *("beta_divergence", "outlier_weight", "learn_outlier_weight"),
}
VAE_ADDED = {"initialization", "flip"}  # since; files without them have the defaults
CONDITIONAL_SAVED = {"num_classes", "width", "latent_dim", "augment", "flip"}
DDPM_SAVED = {
    *("size", "width", "backbone", "prediction", "noise_schedule", "timesteps", "dropout"),
    *("augment", "num_steps", "eta"),
}


@pytest.mark.parametrize(
    ("build", "keys"),
    [
        (lambda: GAN((8, 8, 1), units=(4,), seed=2), GAN_SAVED),
        (lambda: VAE((8, 8, 1), "mnist_mlp", units=(4,), beta=2.0), VAE_SAVED | VAE_ADDED),
        (lambda: SAGAN((8, 8, 1), 2, 4, 3, flip=True), CONDITIONAL_SAVED),
        (lambda: BigGAN((8, 8, 1), 2, 4, 4, 3, True), CONDITIONAL_SAVED | {"shared_dim"}),
        (lambda: DDPM((4, 4, 1), "tiny", 4, "keras", augment=("flip",), timesteps=100), DDPM_SAVED),
        (lambda: Oracle((16, 16, 1), 3, 2, 5, 1), {"num_outputs", "width", "feature_dim"}),
    ],
)
def test_a_configuration_holds_the_constructors_arguments(build, keys):
    """The keys are those of files that were saved before."""
    model = build()
    config = model.get_config()
    assert set(config) == SAVED | keys
    again = type(model).from_config(config)
    assert again.get_config() == config


def test_a_subclass_that_passes_arguments_on_is_configured_as_its_base():
    class Mine(GAN):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)

    model = Mine((8, 8, 1), units=(4,), latent_dim=3)
    assert model.get_config()["latent_dim"] == 3


class Guest(keras.Model):
    """Draws what it is told to."""

    def __init__(self, images):
        super().__init__()
        self.images = images

    def sample(self, num_samples, seed):
        return self.images


def test_guests_draw_floats_tensors_or_bytes():
    images = np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 2, 2, 3)
    expected = np.round((images + 1) * 127.5).astype(np.uint8)
    rounded = np.where(np.abs(images) == 1, images * np.float32(1.0005), images)
    for drawn in (images, keras.ops.convert_to_tensor(images), expected, rounded):
        samples = sample_uint8(Guest(drawn), 2, seed=0)
        assert samples.dtype == np.uint8
        np.testing.assert_array_equal(samples, expected)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 12)), r"Guest.sample must draw \(2, H, W, C\), received \(2, 12\)"),
        (np.zeros((3, 2, 2, 1)), r"must draw \(2, H, W, C\), received \(3, 2, 2, 1\)"),
        (np.full((2, 2, 2, 1), 1.5), r"must draw values in \[−1, 1\], received 1.5 to 1.5"),
        (np.full((2, 2, 2, 1), np.nan), r"must draw values in \[−1, 1\], received nan to nan"),
        (np.full((2, 2, 2, 1), 200), "received 200 to 200"),
    ],
)
def test_what_guests_draw_wrong_is_named(images, message):
    with pytest.raises(RgfError, match=message) as caught:
        sample_uint8(Guest(images), 2, seed=0)
    assert "\n" not in str(caught.value)


def test_vae_loss_by_hand():
    """−log p(x|z) + KL for a decoder and an encoder that return zeros."""
    model = VAE((4, 4, 1), latent_dim=2, units=(3,), beta=2.0)
    for variable in model.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    (player,) = model.players()
    loss = player.loss({"images": np.ones((1, 4, 4, 1), np.float32)})
    # 16 pixels of probability 1/2 cost log 2 each; the posterior equals the prior
    assert float(keras.ops.convert_to_numpy(loss.per_example)[0]) == pytest.approx(
        16 * np.log(2), rel=1e-6
    )


def test_gan_losses_by_hand():
    model = GAN((4, 4, 1), latent_dim=2, units=(3,))
    for variable in model.discriminator.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    discriminator, generator = model.players()
    images = np.ones((2, 4, 4, 1), np.float32)
    assert float(discriminator.loss({"images": images}).per_example[0]) == pytest.approx(
        2 * np.log(2), rel=1e-6
    )
    assert float(generator.loss({"images": images}).per_example[0]) == pytest.approx(
        np.log(2), rel=1e-6
    )
    np.testing.assert_allclose(
        model.real_loss(np.zeros((3, 4, 4, 1), np.uint8)), np.log(2), rtol=1e-6
    )


def test_oracle_labels_images():
    oracle = Oracle((28, 28, 1), 10)
    labels, confidence, features = oracle.classify(np.zeros((3, 28, 28, 1), np.uint8))
    assert labels.shape == confidence.shape == (3,)
    assert features.shape == (3, 64)
    assert (confidence >= 0.1).all()
    assert (confidence <= 1).all()


def test_pixels_survive_the_way_in_and_out():
    images = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    np.testing.assert_array_equal(to_uint8(keras.ops.convert_to_numpy(to_float(images))), images)
