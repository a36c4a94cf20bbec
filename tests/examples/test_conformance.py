"""The examples conform, and do what they say of themselves."""

import importlib
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from rgf_keras import testing
from rgf_keras.models import GAN, to_uint8
from rgf_keras.training import FitTrainer

pytestmark = [pytest.mark.backend, pytest.mark.usefixtures("quick_compilation")]

EXAMPLES = Path(__file__).parents[2] / "examples"
SHAPE = (4, 4, 1)


@pytest.fixture
def example(monkeypatch):
    """An example's module, by its name."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


def test_the_gan(example):
    def make():
        return example("my_gan").make_gan(SHAPE, seed=0, latent_dim=2, units=4)

    testing.check_generative_model(make, SHAPE)


def test_the_tests_that_the_readme_suggests(example):
    (code,) = re.findall(r"```python\n(.*?)```", (EXAMPLES / "README.md").read_text(), re.DOTALL)
    names = {}
    exec(code, names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()


def test_data_factor_and_metrics(example):
    testing.check_dataset(example("my_data").load_shapes)
    testing.check_factor(example("my_factor").Frame(width=3))
    testing.check_metric(example("my_metric").sharpness)
    testing.check_metric(example("my_metric").NEAR_COPIES)


def flow_of(example, image_shape=(2, 2, 1)):
    """A small flow that is not the identity."""
    flow = example("my_flow").make_flow(image_shape, seed=0, num_couplings=3, units=4)
    rng = np.random.default_rng(0)
    for variable in flow.trainable_variables:
        variable.assign(rng.normal(0, 0.5, variable.shape))
    return flow


def test_the_flows_density_is_that_of_what_it_maps_to(example):
    """log p = log N(z) + log |det ∂z/∂x|, the determinant by finite differences."""
    flow = flow_of(example)

    def latents(values):
        share = 0.05 + 0.9 * np.float32(values) / 256
        x = np.log(share) - np.log(1 - share)
        for coupling in flow.couplings:
            x, _ = coupling(x)
        return keras.ops.convert_to_numpy(x).astype(np.float64)

    values = np.random.default_rng(1).uniform(20, 230, (1, 4))
    steps = 0.5 * np.eye(4)
    jacobian = latents(values + steps) - latents(values - steps)  # per unit of pixels
    normal = -0.5 * (latents(values) ** 2 + np.log(2 * np.pi)).sum()
    expected = normal + np.linalg.slogdet(jacobian)[1]
    found = keras.ops.convert_to_numpy(flow(values.astype(np.float32)))[0]
    assert found == pytest.approx(expected, abs=0.01)


def test_the_flows_samples_are_what_it_maps_back(example):
    flow = flow_of(example)
    pixels = (flow.sample(50, seed=0).reshape(50, -1) + 1) * 128
    inside = ((pixels > 1) & (pixels < 255)).all(axis=1)
    assert inside.any()
    x = pixels[inside].astype(np.float32)
    share = 0.05 + 0.9 * x / 256
    x = np.log(share) - np.log(1 - share)
    for coupling in flow.couplings:
        x, _ = coupling(x)
    drawn = np.random.default_rng(0).standard_normal((50, 4), "float32")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(x), drawn[inside], atol=0.01)


def test_the_flows_log_prob_is_the_logarithm_of_a_mean(example):
    flow = flow_of(example)
    # 400 pipelines of three images each would take a minute on TensorFlow.
    flow.predict = lambda values, **options: flow.predict_on_batch(values)
    images = to_uint8(flow.sample(3, seed=0))
    one_by_one = [flow.log_prob(images, 1, seed) for seed in range(200)]
    many = flow.log_prob(images, 200, seed=5)
    mean = np.logaddexp.reduce(one_by_one) - np.log(200)
    np.testing.assert_allclose(many, mean, atol=0.5)


def test_label_smoothing_is_that_of_the_labels(example):
    """The hook's loss is the cross-entropy with real images labelled 1 − ε, by hand."""
    gan = GAN(SHAPE, latent_dim=2, units=(4,))
    loss = gan.players()[0].loss({"images": np.ones((6, *SHAPE), np.float32)})
    smoothed = example("my_mitigation").LabelSmoothing(0.3)(loss, {}, 0)
    real, generated = (
        np.asarray(keras.ops.convert_to_numpy(loss.tensors[name]), np.float64)
        for name in ("real_logits", "generated_logits")
    )
    by_hand = 0.7 * np.logaddexp(0, -real) + 0.3 * np.logaddexp(0, real)
    expected = (by_hand + np.logaddexp(0, generated)).mean()
    total = keras.ops.convert_to_numpy(keras.ops.mean(smoothed.per_example) + smoothed.penalty)
    assert float(total) == pytest.approx(expected, rel=1e-5)


def test_the_gan_learns_from_what_it_is_shown(example):
    """After some steps its discriminator tells white images from those it generates."""
    gan = example("my_gan").make_gan(SHAPE, seed=0, latent_dim=2, units=16, learning_rate=3e-3)
    white = np.full((64, *SHAPE), 255, np.uint8)
    epochs = FitTrainer(gan, {"images": white}, batch_size=16).fit(6).epochs
    assert epochs[-1]["d_loss"] < epochs[0]["d_loss"]
