"""SAGAN and BigGAN, small ones but for their parameter counts, on every backend."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from rgf_keras.errors import ArgumentError, RgfError
from rgf_keras.models import SAGAN, BigGAN, resnets
from rgf_keras.models.resnets import Orthogonal
from rgf_keras.training import MemorizationRejection, SpectralDecoupling, Trainer

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("quick_compilation")]

BATCH, STEPS, TURNS = 4, 3, 2
NUM_IMAGES = BATCH * STEPS * TURNS


def small(family, **options):
    if family == "sagan":
        return SAGAN(width=8, latent_dim=16, **options)
    return BigGAN(width=8, latent_dim=16, shared_dim=8, **options)


@pytest.fixture(scope="module", params=["sagan", "biggan"])
def model(request):
    return small(request.param, augment=True, flip=True)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (NUM_IMAGES, 32, 32, 3), dtype=np.uint8)
    return {"images": images, "labels": np.arange(NUM_IMAGES) % 10}


def corner_pixels(images):
    """An embedding by four pixels: so few that distances spread over all of [0, 2]."""
    return ops.reshape(images[:, :2, :2, 0], (-1, 4))


def values(variables):
    return [np.array(ops.convert_to_numpy(v.value)) for v in variables]


def trainer(model, data, hooks=()):
    optimizers = {player.name: keras.optimizers.Adam(1e-3) for player in model.players()}
    turns = {"discriminator": TURNS}
    return Trainer(model, data, optimizers, BATCH, regularizers=hooks, turns=turns)


@pytest.mark.parametrize(
    ("model", "parameters"), [(SAGAN, 4_386_308), (BigGAN, 9_416_196)], ids=["sagan", "biggan"]
)
def test_default_generators_have_the_published_number_of_parameters(model, parameters, monkeypatch):
    """4.39 and 9.42 million; the exact numbers are counted by hand from the published layers."""
    monkeypatch.setattr(resnets, "Orthogonal", keras.initializers.RandomUniform)  # quicker
    variables = model().generator.trainable_variables
    assert sum(int(np.prod(v.shape)) for v in variables) == parameters


@pytest.mark.parametrize(("family", "mode"), [("sagan", "mask"), ("biggan", "resample")])
def test_three_steps_with_rejection_move_every_state_variable(family, mode, data):
    model = small(family, augment=True, flip=True)
    corner = corner_pixels(data["images"][:2] / 127.5 - 1)
    hooks = [SpectralDecoupling(0.1), MemorizationRejection(0.5, corner_pixels, corner, mode=mode)]
    training = trainer(model, data, hooks)
    before = values(training.variables)
    history = training.fit(1)
    still = [
        v.path
        for v, old, new in zip(training.variables, before, values(training.variables), strict=True)
        if np.array_equal(old, new)
    ]
    assert [path for path in still if "learning_rate" not in path] == []
    assert 0 < history.epochs[0]["generator/acceptance"] < 1


@pytest.fixture
def transparent(monkeypatch):
    """Builds models whose images are all ones, and whose logits are 10 · label + a pixel."""

    def generator(image_shape, num_classes, width, latent_dim, shared_dim, seed):
        latents, labels = keras.Input((latent_dim,)), keras.Input((), dtype="int32")
        pixels = keras.layers.Dense(768, kernel_initializer="zeros", bias_initializer="ones")
        return keras.Model([latents, labels], ops.reshape(pixels(latents), (-1, *image_shape)))

    def discriminator(image_shape, num_classes, width, seed):
        images, labels = keras.Input(image_shape), keras.Input((), dtype="int32")
        logits = 10.0 * ops.cast(labels, "float32") + images[:, 8, 8, 0]
        return keras.Model([images, labels], ops.expand_dims(logits, -1))

    monkeypatch.setattr(resnets, "generator", generator)
    monkeypatch.setattr(resnets, "discriminator", discriminator)

    def build(**options):
        model = SAGAN((16, 16, 3), latent_dim=2, **options)
        left = np.where(np.arange(16) < 8, -1.0, 1.0).astype(np.float32)
        images = np.broadcast_to(left[None, None, :, None], (24, 16, 16, 3))
        return model, {"images": images, "labels": np.arange(24, dtype=np.uint8) % 10}

    return build


def logits(loss):
    return [ops.convert_to_numpy(loss.tensors[f"{x}_logits"])[:, 0] for x in ("real", "generated")]


def test_losses_by_hand(transparent):
    model, batch = transparent()
    noise = model.draw_noise(24)
    discriminator, generator = (player.loss({**batch, **noise}) for player in model.players())
    real, generated = logits(discriminator)
    np.testing.assert_allclose(real, 10.0 * batch["labels"] + 1, rtol=1e-6)
    labels = ops.convert_to_numpy(noise["generated_labels"])
    np.testing.assert_allclose(generated, 10.0 * labels + 1, rtol=1e-6)
    hinge = np.maximum(0, 1 - real) + np.maximum(0, 1 + generated)
    np.testing.assert_allclose(ops.convert_to_numpy(discriminator.per_example), hinge, rtol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(generator.per_example), -generated, rtol=1e-6)


def test_labels_to_generate_are_uniform(transparent):
    model, _ = transparent()
    counts = np.bincount(
        ops.convert_to_numpy(model.draw_noise(5000)["generated_labels"]), minlength=10
    )
    assert len(counts) == 10
    assert (np.abs(counts - 500) < 100).all()


def test_only_the_discriminator_sees_augmented_images(transparent):
    model, batch = transparent(augment=True)
    for player in model.players():
        loss = player.loss(batch)
        np.testing.assert_array_equal(ops.convert_to_numpy(loss.tensors["generated"]), 1)
    pixels = [x % 10 for x in logits(model.players()[0].loss(batch))]
    assert all(len(np.unique(x.round(3))) > 8 for x in pixels)


def test_only_real_images_are_mirrored(transparent):
    model, batch = transparent(flip=True)
    real, generated = logits(model.players()[0].loss(batch))
    assert set(real - 10.0 * batch["labels"]) == {-1, 1}
    assert set(generated % 10) == {1}


def test_weights_are_orthogonal_whatever_the_backend():
    weights = Orthogonal(seed=0)
    for shape in ((3, 3, 2, 5), (4, 9)):
        matrix = ops.convert_to_numpy(weights(shape)).reshape(-1, shape[-1])
        small_side = matrix.T @ matrix if len(matrix) > shape[-1] else matrix @ matrix.T
        np.testing.assert_allclose(small_side, np.eye(len(small_side)), atol=1e-5)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(weights((4, 9))), ops.convert_to_numpy(Orthogonal(0)((4, 9)))
    )


def test_samples_depend_on_the_labels(model):
    balanced = np.arange(12) % 10
    first = model.sample(12, seed=1)
    np.testing.assert_allclose(first, model.sample(12, seed=1, labels=balanced), atol=1e-5)
    other = model.sample(12, seed=1, labels=9 - balanced)
    assert (np.abs(first - other).max(axis=(1, 2, 3)) > 1e-3).all()


def test_a_saved_model_samples_the_same_on_another_backend(tmp_path):
    model = small("biggan")
    model.save(tmp_path / "model.keras")
    other = {"tensorflow": "jax", "jax": "torch", "torch": "tensorflow"}[keras.backend.backend()]
    code = (
        f"import os; os.environ['KERAS_BACKEND'] = '{other}'\n"
        "import numpy as np; from rgf_keras.models import load_model\n"
        f"np.save(r'{tmp_path}/samples.npy', load_model(r'{tmp_path}/model.keras').sample(3, 0))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "samples.npy"), model.sample(3, 0), atol=1e-3)


def test_the_configuration_makes_the_same_model(model):
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config()
    for old, new in zip(
        values(model.trainable_variables), values(again.trainable_variables), strict=True
    ):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SAGAN((28, 30, 3)), "multiples of 4, received 28×30"),
        (lambda: SAGAN(width=3), "width of at least 4, received 3"),
        (lambda: BigGAN(width=4, latent_dim=10), "multiple of 4, received 10"),
        (lambda: SAGAN(num_classes=0), "num_classes must be at least 1, received 0"),
    ],
)
def test_impossible_networks_are_named(build, message):
    with pytest.raises(ArgumentError, match=message):
        build()


def test_bad_labels_are_named(model):
    with pytest.raises(ArgumentError, match=r"labels must be \(3,\), received \(2,\)"):
        model.sample(3, 0, labels=[0, 1])
    with pytest.raises(ArgumentError, match=r"integers in \[0, 9\]"):
        model.sample(2, 0, labels=[0, 10])
    with pytest.raises(ArgumentError, match=r"integers in \[0, 9\], received \[0.5\]"):
        model.sample(2, 0, labels=[0, 0.5])


def test_data_without_labels_is_named(data):
    with pytest.raises(RgfError, match="SAGAN needs data with labels"):
        trainer(small("sagan"), {"images": data["images"]}).fit(1)
