"""Feature extractors, on every backend."""

import sys

import keras
import numpy as np
import pytest

from rgf_keras.cache import Cache
from rgf_keras.errors import ArgumentError, RgfError
from rgf_keras.metrics import embeddings
from rgf_keras.metrics.features import (
    INCEPTIONS,
    Application,
    KerasFeatures,
    OracleFeatures,
    Pixels,
    extractor,
)
from rgf_keras.models import Oracle

pytestmark = pytest.mark.backend


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (7, 28, 28, 3), np.uint8)


def test_names_are_those_that_are_checked_without_keras():
    assert {*embeddings.EMBEDDINGS} == {"oracle", "pixels", *INCEPTIONS, *embeddings.APPLICATIONS}


def test_pixels_lie_between_0_and_1(images):
    features = Pixels().extract(images)
    np.testing.assert_allclose(features, images.reshape(7, -1) / 255, atol=1e-6)


def test_pixels_can_be_averaged(images):
    features = Pixels(downsample=4).extract(images)
    expected = images.reshape(7, 7, 4, 7, 4, 3).mean(axis=(2, 4)) / 255
    np.testing.assert_allclose(features, expected.reshape(7, -1), atol=1e-5)


def test_oracle_features_are_its_hidden_layer(images):
    oracle = Oracle((28, 28, 3), 10)
    features = OracleFeatures(oracle).extract(images)
    np.testing.assert_allclose(features, oracle.classify(images)[2], rtol=1e-5, atol=1e-5)


def test_features_do_not_depend_on_the_batch_size(images):
    extractor = OracleFeatures(Oracle((28, 28, 3), 10))
    np.testing.assert_allclose(
        extractor.extract(images, batch_size=2), extractor.extract(images), rtol=1e-4, atol=1e-5
    )


def test_features_are_kept_by_images_and_weights(images, tmp_path):
    cache = Cache(tmp_path)
    oracle = Oracle((28, 28, 3), 10)
    first = OracleFeatures(oracle).extract(images, cache)
    np.testing.assert_array_equal(OracleFeatures(oracle).extract(images, cache), first)
    assert len(list(cache.entries())) == 1
    OracleFeatures(Oracle((28, 28, 3), 10, seed=1)).extract(images, cache)
    OracleFeatures(oracle).extract(images[:5], cache)
    assert len(list(cache.entries())) == 3


def test_a_network_of_ones_own(images):
    entry = keras.Input((28, 28, 3))
    network = keras.Model(entry, keras.layers.GlobalAveragePooling2D()(entry))
    features = KerasFeatures(network, "mean").extract(images)
    np.testing.assert_allclose(features, images.mean(axis=(1, 2)) / 127.5 - 1, atol=1e-5)


def test_applications_take_images_of_any_size_and_grey_ones(images):
    extractor = Application("mobilenet_v2", weights=None, side=32)
    assert extractor.extract(images).shape == (7, 1280)
    assert extractor.extract(images[..., :1]).shape == (7, 1280)


def test_bad_settings_are_named(images):
    with pytest.raises(RgfError, match="unknown network 'alexnet'; known: inception_v3"):
        Application("alexnet")
    with pytest.raises(RgfError, match=r"cannot load the weights 'nowhere.h5' of vgg16"):
        Application("vgg16", weights="nowhere.h5", side=32)
    with pytest.raises(RgfError, match="there are no images"):
        Pixels().extract(images[:0])


def test_features_that_are_not_finite_are_refused(images):
    entry = keras.Input((28, 28, 3))
    network = keras.Model(entry, keras.layers.Dense(2)(keras.layers.Flatten()(entry)))
    network.set_weights([weight * np.nan for weight in network.get_weights()])
    with pytest.raises(RgfError, match="mine: some features are not finite"):
        KerasFeatures(network, "mine").extract(images)


# ------------------------------------------------------------------------------------ by name


GUESTS = """
import keras
from keras import ops
from rgf_keras.metrics.features import FeatureExtractor, KerasFeatures

class Mean(FeatureExtractor):
    name = "mean"

    def __call__(self, images):
        return ops.mean(images, axis=(1, 2))

def network():
    entry = keras.Input((28, 28, 3))
    return KerasFeatures(keras.Model(entry, keras.layers.GlobalMaxPooling2D()(entry)), "max")

def failing():
    raise OSError("no weights")

def nothing():
    return 3

mean = Mean()
number = 3
"""


@pytest.fixture
def guests(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_features.py").write_text(GUESTS)
    return "my_features.py"


def test_ours_by_name():
    assert extractor("pixels").name == "pixels"
    oracle = Oracle((28, 28, 3), 10)
    assert extractor("oracle", oracle=oracle).networks == (oracle.network,)
    with pytest.raises(ArgumentError, match="there is no class oracle to embed images with; name"):
        extractor("oracle")
    with pytest.raises(RgfError, match=r"cannot load the weights 'nowhere.h5' of mobilenet_v2"):
        extractor("mobilenet_v2", weights="nowhere.h5")
    with pytest.raises(
        ArgumentError, match="unknown feature extractor 'pixel'; known: oracle, pix"
    ):
        extractor("pixel")


@pytest.mark.parametrize(
    ("attribute", "name"), [("Mean", "mean"), ("mean", "mean"), ("network", "max")]
)
def test_an_extractor_of_ones_own(guests, images, attribute, name):
    made = extractor(f"{guests}:{attribute}")
    assert made.name == name
    reduced = images.mean((1, 2)) if name == "mean" else images.max((1, 2))
    np.testing.assert_allclose(made.extract(images), reduced / 127.5 - 1, atol=1e-5)


def test_features_of_ones_own_are_not_taken_for_ours(guests, images, tmp_path):
    assert set(Pixels().key) == {"name", "weights"}, "as they were kept before"
    made, cache = extractor(f"{guests}:Mean"), Cache(tmp_path / "cache")
    made.name = "pixels"
    assert Pixels().extract(images, cache).shape == (7, 28 * 28 * 3)
    assert made.extract(images, cache).shape == (7, 3)


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("means", "my_features.py has no 'means'; did you mean 'mean'"),
        ("number", "'my_features.py:number' fails: TypeError: 'int' object is not callable"),
        ("nothing", "'my_features.py:nothing' makes a int; it must be a rgf_keras.*FeatureExtr"),
        ("failing", "'my_features.py:failing' fails: OSError: no weights"),
    ],
)
def test_what_is_no_extractor_is_told_in_one_line(guests, attribute, message):
    with pytest.raises(RgfError, match=message) as caught:
        extractor(f"{guests}:{attribute}")
    assert "\n" not in str(caught.value)
