"""Sizes and numbers that data and networks cannot take together, told without Keras."""

import re

import numpy as np
import pytest

from rgf_keras.cache import Cache
from rgf_keras.config import AssessConfig, parse
from rgf_keras.datasets import Dataset
from rgf_keras.errors import RgfError
from rgf_keras.experiments.assessment import data, limits

SIDES = [(1, 1), (2, 2), (4, 8), (8, 8), (15, 15), (16, 16), (16, 20), (28, 28), (30, 30), (33, 40)]
MODELS = [
    {"family": "gan", "architecture": "mlp", "units": [4]},
    {"family": "gan", "architecture": "conv", "width": 1},
    {"family": "vae", "architecture": "mlp", "units": [4]},
    {"family": "vae", "architecture": "conv", "width": 1},
    {"family": "vae", "architecture": "mnist_mlp", "units": [4]},
    {"family": "vae", "architecture": "cifar_conv", "width": 1},
    {"family": "vae", "architecture": "celeba_conv", "width": 1},
    {"family": "sagan", "width": 4},
    {"family": "biggan", "width": 4, "latent_dim": 4, "shared_dim": 2},
    {"family": "diffusion", "size": "tiny", "backbone": "keras", "width": 4},
    {"family": "diffusion", "size": "small", "backbone": "keras", "width": 4},
    {"family": "diffusion", "size": "base", "backbone": "keras", "width": 4},
]


@pytest.mark.parametrize(
    "model", MODELS, ids=lambda m: f"{m['family']}-{m.get('architecture', m.get('size'))}"
)
def test_a_size_is_refused_just_if_it_cannot_be_built(model):
    config = parse({"model": model}, AssessConfig).model
    num_built = 0
    for side in SIDES:
        refused = refusal(config, side)
        if refused is None:
            assert config.build((*side, 1), 2, 0).image_shape == (*side, 1)
            num_built += 1
        else:
            assert refused.startswith("model: ")
            assert f"{side[0]}×{side[1]}" in refused
            with pytest.raises(RgfError, match=re.escape(refused)):
                config.build((*side, 1), 2, 0)
    assert num_built


def refusal(config, side):
    try:
        config.check_size((*side, 1))
    except RgfError as error:
        return str(error)
    return None


def sets(num_train=64, num_test=16, side=16, num_classes=2, values=("a", "b")):
    def dataset(name, num):
        return Dataset(
            name,
            np.zeros((num, side, side, 1), np.uint8),
            np.arange(num) % num_classes,
            np.arange(num),
            tuple("xyz"[:num_classes]),
            np.arange(num) // num_classes % len(values),
            "size",
            values,
        )

    train, test = dataset("d/train", num_train), dataset("d/test", num_test)
    return data.Sets(train, train, test, test)


@pytest.mark.parametrize(
    ("given", "changes", "message"),
    [
        ({}, {}, None),
        ({"side": 15}, {}, r"data\.name: the images of d/train are 15×15, but the oracles need"),
        ({"side": 8, "num_classes": 1, "values": ("a",)}, {}, None),
        ({"side": 30}, {"model.architecture": "conv"}, "model: .* received 30×30"),
        ({}, {"training.batch_size": 65}, r"training\.batch_size: 65 is more than 64"),
        (
            {},
            {"training.batch_size": 40, "training.player_turns.discriminator": 2},
            r"training\.batch_size: 40 is more than 32",
        ),
        ({}, {"oracle.batch_size": 65}, r"oracle\.batch_size: 65 is more than the 64 images"),
        ({}, {"evaluation.num_samples": 5}, r"evaluation\.min_class_samples: 10 is more than"),
        ({"num_test": 1}, {}, r"data\.num_test: d/test has one image"),
        (
            {},
            {
                "evaluation.num_samples": 3,
                "evaluation.min_class_samples": 1,
                "evaluation.metrics": ["quality/precision"],
            },
            r"evaluation\.num_samples: quality/precision needs 4 samples",
        ),
        (
            {"num_test": 5},
            {"evaluation.metrics": ["quality/coverage"]},
            r"data\.num_test: quality/coverage needs 6 test images, there are 5",
        ),
    ],
)
def test_limits(tmp_path, monkeypatch, given, changes, message):
    monkeypatch.setattr(limits, "make_sets", lambda *arguments: sets(**given))
    small = {"training.batch_size": 8, "oracle.batch_size": 8, **changes}
    config = AssessConfig().with_values(small)
    if message is None:
        limits.check_data(config, Cache(tmp_path))
    else:
        with pytest.raises(RgfError, match=message):
            limits.check_data(config, Cache(tmp_path))


CUSTOM = {"model.family": "custom"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({**CUSTOM, "model.target": "no.py:Net"}, r"model\.target: 'no\.py:Net': no\.py does not"),
        ({**CUSTOM, "model.target": "nowhere:Net"}, r"model\.target: .* no module nowhere"),
        ({**CUSTOM, "model.target": "net"}, r"model\.target: unknown model 'net'"),
        ({"regularizers.mine.target": "no.py:f"}, r"regularizers\.mine\.target: 'no\.py:f': no"),
        ({"evaluation.embedding": "vgg"}, r"evaluation\.embedding: unknown .*'vgg16'\?"),
        (
            {"evaluation.copying_embeddings": ["pixels", "no.py:f"]},
            r"evaluation\.copying_embeddings: 'no\.py:f': no\.py does not",
        ),
        (
            {"evaluation.metrics": ["quality/precisoin"]},
            r"evaluation\.metrics: unknown metric 'quality/precisoin'.*'quality/precision'\?",
        ),
        (
            {"rejection.threshold": "auto", "rejection.embedding": "nowhere:f"},
            r"rejection\.embedding: .* no module nowhere",
        ),
    ],
)
def test_what_does_not_exist_is_told_before_data_are_read(tmp_path, monkeypatch, changes, message):
    monkeypatch.setattr(limits, "make_sets", lambda *arguments: pytest.fail("data are read"))
    with pytest.raises(RgfError, match=message):
        limits.check_data(AssessConfig().with_values(changes), Cache(tmp_path))
