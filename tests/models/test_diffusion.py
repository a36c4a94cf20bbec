"""DDPM: both backbones trained, saved and sampled; samplers with a perfect denoiser."""

import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
from gaussian_denoiser import gaussian_model
from keras import ops

from rgf_keras.errors import ArgumentError, RgfError
from rgf_keras.models import DDPM, load_model
from rgf_keras.models.noise_schedules import SCHEDULES
from rgf_keras.models.sampling import Denoiser
from rgf_keras.training import Trainer

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("quick_compilation")]

SHAPE = (8, 8, 3)
BATCH, STEPS = 4, 5
SMALLEST = {
    "keras": {"width": 8, "backbone": "keras"},
    "keras_cv_attention": {"width": 32, "backbone": "keras_cv_attention"},
    "keras_cv": {"width": 32, "backbone": "keras_cv"},
}
BACKBONES = [*SMALLEST]


def small(backbone="keras", **options):
    sampler = {"timesteps": 40, "num_steps": 3, "eta": 1.0}
    return DDPM(SHAPE, "tiny", **{**SMALLEST[backbone], **sampler, **options})


def values(variables):
    return [np.array(ops.convert_to_numpy(v.value)) for v in variables]


@pytest.fixture(scope="module")
def trained():
    """Of each backbone a trainer that has trained, the model's variables before, and warnings."""
    options = {"dropout": 0.2, "prediction": "v", "noise_schedule": "cosine"}
    images = np.random.default_rng(0).integers(0, 256, (BATCH * STEPS, *SHAPE), dtype=np.uint8)
    trainers = {}
    for backbone in BACKBONES:
        with warnings.catch_warnings(record=True) as warned:
            model = small(backbone, augment=("flip", "translation", "contrast"), **options)
            optimizers = {"diffusion": keras.optimizers.Lion(1e-3)}
            trainer = Trainer(model, {"images": images}, optimizers, BATCH, ema_decay=0.5)
            before = values(model.variables)
            trainer.fit(1)
        trainers[backbone] = trainer, before, warned
    return trainers


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_state_variable_moves(trained, backbone):
    trainer, before, warned = trained[backbone]
    after = values(trainer.model.variables)
    still = [
        v.path
        for v, old, new in zip(trainer.model.variables, before, after, strict=True)
        if np.array_equal(old, new)
    ]
    assert np.isfinite(trainer.history.steps).all()
    # KerasCV's attention to constant tokens does not depend on its queries and keys, nor these on
    # the normalization before: four weights in each of the four transformers, whose gradients are
    # zero, or on some machines what rounding leaves of it, which Adam moves by.
    assert len(still) <= (16 if backbone == "keras_cv" else 0), still
    assert all("basic_transformer_block" in path for path in still)
    assert [w for w in warned if "softmax" in str(w.message) or "build()" in str(w.message)] == []


def test_a_backbones_name_stands_for_one_architecture(trained):
    """Models that were saved are built by it."""
    attention = {"keras_cv_attention": "cross_attention", "keras_cv": "spatial_transformer"}
    for backbone, kind in attention.items():
        model = trained[backbone][0].model
        assert model.get_config()["backbone"] == backbone
        layers = {v.path.split("/")[0].rstrip("_0123456789") for v in model.network.variables}
        assert layers & {*attention.values()} == {kind}


def test_saved_models_draw_the_same_on_another_backend(trained, tmp_path):
    expected = []
    for backbone in BACKBONES:
        model = trained[backbone][0].model
        model.save(tmp_path / f"{backbone}.keras")
        expected.append(model.sample(3, 0))
    other = {"tensorflow": "torch", "jax": "tensorflow", "torch": "tensorflow"}
    code = (
        f"import os; os.environ['KERAS_BACKEND'] = '{other[keras.backend.backend()]}'\n"
        "import numpy as np; from rgf_keras.models import load_model\n"
        f"models = [load_model(rf'{tmp_path}/{{name}}.keras') for name in {BACKBONES}]\n"
        f"np.save(r'{tmp_path}/samples.npy', [model.sample(3, 0) for model in models])"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "samples.npy"), expected, atol=1e-3)


def test_one_pass_of_python_serves_all_steps(monkeypatch):
    """A sampler is traced for each number of steps in a call, not for each step."""
    model, passes = gaussian(), []
    denoise = Denoiser.__call__
    monkeypatch.setattr(
        Denoiser, "__call__", lambda *arguments: passes.append(1) or denoise(*arguments)
    )
    model.sample(3, 0, num_steps=20)
    assert len(passes) == 20 if keras.backend.backend() == "torch" else len(passes) <= 2


def test_samples_depend_on_the_seed_and_without_noise_on_the_latents_alone():
    model = gaussian()
    latents = model.sample_latents(3, seed=5)
    images = model.decode(latents)
    np.testing.assert_array_equal(images, model.decode(latents))
    np.testing.assert_array_equal(images, model.sample(3, seed=5, num_steps=3, eta=0.0))
    noisy = model.sample(3, seed=5)
    assert not np.allclose(images, noisy, atol=1e-3)
    np.testing.assert_array_equal(noisy, model.sample(3, seed=5))
    np.testing.assert_allclose(noisy[:2], model.sample(2, seed=5), atol=1e-5)


def test_progress_counts_passes_over_batches():
    told = []

    def advance(done, total):
        told.append((done, total))

    gaussian().sample(101, 0, progress=advance, num_steps=40)
    assert told == [(25, 80), (40, 80), (65, 80), (80, 80)]
    told.clear()
    gaussian().sample(2, 0, fast=True, progress=advance)
    assert told == [(25, 25)]


def test_an_untrained_network_predicts_nothing():
    """So that the first loss is the noise's mean square, about 1."""
    (player,) = small().players()
    loss = player.loss({"images": np.zeros((64, *SHAPE), np.float32)})
    per_example = ops.convert_to_numpy(loss.per_example)
    assert per_example.shape == (64,)
    np.testing.assert_allclose(per_example.mean(), 1.0, atol=0.05)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_weights_depend_on_the_seed_alone(backbone):
    first, same, other = (values(small(backbone, seed=x).network.weights) for x in (1, 1, 2))
    for x, y in zip(first, same, strict=True):
        np.testing.assert_array_equal(x, y)
    assert not all(np.array_equal(x, y) for x, y in zip(first, other, strict=True))


def test_base_has_the_published_number_of_parameters():
    """35.7 million at 32×32 (Ho et al. 2020, Appendix B)."""
    model = DDPM((32, 32, 3), "base", backbone="keras")
    millions = sum(int(np.prod(v.shape)) for v in model.trainable_variables) / 1e6
    assert millions == pytest.approx(35.7, abs=0.1)


@pytest.mark.parametrize("shape", [(28, 28, 3), (30, 30, 1), (32, 16, 3)])
def test_networks_fit_even_sizes(shape):
    assert DDPM(shape, "small", width=4, backbone="keras").network.output_shape == (None, *shape)


# --- A perfect denoiser of images whose values are independent N(MEAN, DEVIATION²) ----------------

MEAN, DEVIATION = 0.2, 0.15


def gaussian(**options):
    """A model with a perfect network."""
    return gaussian_model(SHAPE, MEAN, DEVIATION, **{"eta": 1.0, **options})


def exact_deviation(schedule, num_steps, eta):
    """Of the sampler's output: every step is linear in x_t, so variances follow a recurrence."""
    timesteps = np.round(np.linspace(len(schedule) - 1, 0, num_steps)).astype(int)
    variance = 1.0
    for t, s in zip(timesteps, [*timesteps[1:], None], strict=True):
        alpha_t = np.sqrt(schedule.alphas_cumprod[t])
        alpha_s = 1.0 if s is None else np.sqrt(schedule.alphas_cumprod[s])
        sigma_t, sigma_s = np.sqrt(1 - alpha_t**2), np.sqrt(1 - alpha_s**2)
        eta_t = eta * sigma_s / sigma_t * np.sqrt(1 - alpha_t**2 / alpha_s**2)
        gain = alpha_t * DEVIATION**2 / (alpha_t**2 * DEVIATION**2 + sigma_t**2)  # x̂_0 by x_t
        noise_gain = (1 - alpha_t * gain) / sigma_t  # the predicted ε by x_t
        slope = alpha_s * gain + np.sqrt(sigma_s**2 - eta_t**2) * noise_gain
        variance = slope**2 * variance + eta_t**2
    return np.sqrt(variance)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize("prediction", ["epsilon", "v"])
def test_samplers_reproduce_a_gaussian(schedule, prediction):
    model = gaussian(prediction=prediction, noise_schedule=schedule)
    for num_steps, eta in ((1000, 1.0), (1000, 0.0), (50, 0.0), (100, 0.5)):
        samples = model.sample(100, 0, num_steps=num_steps, eta=eta).ravel()
        error = DEVIATION / np.sqrt(len(samples))
        assert samples.mean() == pytest.approx(MEAN, abs=4 * error)
        expected = exact_deviation(model.schedule, num_steps, eta)
        assert samples.std() == pytest.approx(expected, abs=3 * error)
        if num_steps == 1000:
            assert expected == pytest.approx(DEVIATION, rel=0.03)


def test_all_steps_with_new_noise_are_the_ancestral_sampler():
    """Ho et al.'s posterior of x_{t−1} given x_t and x_0 (Eq. 6 and 7), at each t."""
    from rgf_keras.models.sampling import sampling_steps

    schedule = small().schedule
    steps = sampling_steps(schedule, len(schedule), eta=1.0)
    betas, now = schedule.betas, schedule.alphas_cumprod
    before = np.append(1.0, now[:-1])
    np.testing.assert_array_equal(steps.timesteps, np.arange(len(betas))[::-1])
    image = (np.sqrt(before) * betas / (1 - now))[::-1]
    noisy = (np.sqrt(1 - betas) * (1 - before) / (1 - now))[::-1]
    deviation = np.sqrt((1 - before) / (1 - now) * betas)[::-1]
    np.testing.assert_allclose(steps.image, image, rtol=1e-5)
    np.testing.assert_allclose(steps.noisy, noisy, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(steps.noise, deviation, rtol=1e-5)


# --- KerasCV, and bad input -----------------------------------------------------------------------


@pytest.mark.parametrize("name", SCHEDULES)
def test_kerascv_adds_the_same_noise(name):
    from rgf_keras.models.unet_keras_cv import noise_scheduler

    schedule, rng = SCHEDULES[name](40), np.random.default_rng(0)
    images, noise = rng.normal(size=(2, 6, *SHAPE)).astype(np.float32)
    timesteps = np.array([0, 1, 10, 20, 30, 39], np.int32)
    both = (noise_scheduler(schedule), schedule)
    noisy = [ops.convert_to_numpy(each.add_noise(images, noise, timesteps)) for each in both]
    np.testing.assert_allclose(*noisy, atol=1e-5)


def test_kerascv_has_the_same_linear_betas():
    from keras_cv.models.stable_diffusion import NoiseScheduler

    alphas_cumprod = ops.convert_to_numpy(NoiseScheduler().alphas_cumprod)
    np.testing.assert_allclose(alphas_cumprod, SCHEDULES["linear"](1000).alphas_cumprod, rtol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_shape": (27, 27, 3)}, "even height and width, received 27×27; pad or crop"),
        ({"width": 30, "backbone": "keras"}, "multiple of 4, received 30"),
        ({"width": 40, "backbone": "keras_cv"}, "multiple of 32, received 40; use such a width or"),
        ({"timesteps": 50}, r"num_steps must lie in \[1, 50\] .* received 100"),
        ({"num_steps": 0}, r"num_steps must lie in \[1, 1000\] .* received 0"),
        ({"eta": 1.5}, r"eta must lie in \[0, 1\], received 1.5"),
        ({"timesteps": 1, "num_steps": 1}, "timesteps must be at least 2, received 1"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), received 1.0"),
        ({"size": "huge"}, "unknown size 'huge'; known: tiny, small, base"),
        ({"prediction": "x"}, "unknown prediction 'x'; known: epsilon, v"),
        ({"noise_schedule": "cosin"}, "unknown noise_schedule 'cosin'; .* did you mean 'cosine'"),
        (
            {"backbone": "torch"},
            "unknown backbone 'torch'; known: keras, keras_cv_attention, keras_cv",
        ),
        ({"augment": ("zoom",)}, "unknown augment 'zoom'; known: flip, translation"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        DDPM(**{"image_shape": SHAPE, "size": "tiny", **arguments})


def test_bad_sampler_is_named():
    with pytest.raises(RgfError, match=r"\[1, 40\] \(the model's timesteps\), received 41"):
        small().sample(1, 0, num_steps=41)


def test_images_without_a_likelihood_are_named():
    with pytest.raises(
        ArgumentError, match=r"log_prob needs \(n, 8, 8, 3\) uint8 images, received"
    ):
        small().log_prob(np.zeros((2, 4, 4, 3), np.uint8), 3)
    with pytest.raises(ArgumentError, match="num_samples must be at least 1, received 0"):
        small().log_prob(np.zeros((2, *SHAPE), np.uint8), 0)


def test_missing_kerascv_is_named_with_the_remedy(trained, monkeypatch, tmp_path):
    trained["keras_cv"][0].model.save(tmp_path / "model.keras")
    monkeypatch.delitem(sys.modules, "rgf_keras.models.unet_keras_cv")
    monkeypatch.delattr("rgf_keras.models.unet_keras_cv")
    monkeypatch.setitem(sys.modules, "keras_cv.models.stable_diffusion", None)
    remedy = "KerasCV cannot be imported .* pip install keras-cv.* or use the backbone 'keras'"
    with pytest.raises(RgfError, match=remedy):
        small("keras_cv")
    with pytest.raises(RgfError, match=remedy):
        load_model(tmp_path / "model.keras")
