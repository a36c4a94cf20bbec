"""What a guest's model lacks is told in one line, before anything is trained."""

import shutil

import pytest

from rgf_keras.experiments.assessment import materials

pytestmark = pytest.mark.backend

BAD = '''
import keras
import numpy as np

from rgf_keras.training import Regularizer


class Empty(keras.Model):
    """Neither players() nor sample."""


class Samples(keras.Model):
    """Draws what it is told to, and cannot be trained."""

    def __init__(self, images):
        super().__init__()
        self.images = images

        self.compile()

    def sample(self, n, seed):
        return np.broadcast_to(np.float32(self.images), (n, *np.shape(self.images)))


class Critics(Regularizer):
    player = "critic"


NUMBER = 3


def make_sampler(image_shape, width=1):
    return Samples(np.zeros(image_shape))


def make_flat(image_shape):
    return Samples(np.zeros(12))


def make_small(image_shape):
    return Samples(np.zeros((8, 8, 3)))


def make_bright(image_shape):
    return Samples(np.full(image_shape, 255.0))


def make_nan(image_shape):
    return Samples(np.full(image_shape, np.nan))


def make_uncompiled(image_shape):
    model = Samples(np.zeros(image_shape))
    model.compiled = False
    return model


def make_nothing():
    return "a model"


def fail():
    raise KeyError("no such layer")
'''

SMOOTHING = 'regularizers.mine={target: "%s"}'


@pytest.fixture(scope="module")
def bad_folder(tmp_path_factory, mlflow_database):
    folder = tmp_path_factory.mktemp("bad")
    (folder / "mlruns").mkdir()
    shutil.copy(mlflow_database, folder / "mlruns")
    (folder / "bad.py").write_text(BAD)
    (folder / "raises.py").write_text("import nowhere_at_all\n")
    return folder


@pytest.fixture
def complaint(bad_folder, monkeypatch, rgf_here):
    """Runs `rgf assess` with settings; returns its one line."""

    def fail(*arguments):
        raise AssertionError("oracles were trained")

    monkeypatch.setattr(materials, "train_oracles", fail)

    def run(*settings):
        values = ("data.num_train=320", "data.num_test=200", *settings)
        options = [part for value in values for part in ("--set", value)]
        ended = rgf_here(bad_folder, "assess", "--quiet", *options)
        assert ended.returncode == 2, ended.stderr
        (line,) = ended.stderr.strip().splitlines()
        return line

    return run


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("bad.py:Empty", ["model.target", "Empty without a method sample(n, seed)"]),
        ("bad.py:make_samplr", ["bad.py has no 'make_samplr'", "did you mean 'make_sampler'"]),
        ("bad.py:NUMBER", ["model.target: bad.py:NUMBER", "not a callable"]),
        ("bad.py:make_nothing", ["makes a str", "keras.Model"]),
        ("bad.py:fail", ["bad.py:fail fails: KeyError: 'no such layer'"]),
        ("bad.py:make_flat", ["Samples.sample", "(2, H, W, C)", "(2, 12)"]),
        ("bad.py:make_small", ["Samples.sample", "(8, 8, 3)", "(28, 28, 3)"]),
        ("bad.py:make_bright", ["Samples.sample", "[−1, 1]", "255"]),
        ("bad.py:make_nan", ["Samples.sample", "[−1, 1]", "nan"]),
        ("bad.py:make_uncompiled", ["model.target", "compile"]),
        ("missing.py:make", ["missing.py does not exist"]),
        ("missing:make", ["no module missing"]),
        ("raises.py:make", ["raises.py:make", "ModuleNotFoundError", "nowhere_at_all"]),
        ("nobody", ["unknown model 'nobody'", "file.py:attr"]),
    ],
)
def test_bad_models(complaint, target, parts):
    line = complaint(f'model={{family: custom, target: "{target}"}}')
    assert line.startswith("error: ")
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        (["model.arguments.depth=3"], ["bad.py:make_sampler", "'depth'"]),
        (["spectral_decoupling.weight=0.1"], ["spectral_decoupling needs", "players()"]),
        ([SMOOTHING % "bad.py:Critics"], ["regularizers.mine needs", "players()"]),
        (['evaluation.metrics=["bad.py:NUMBER"]'], ["evaluation.metrics", "bad.py:NUMBER"]),
        (['evaluation.metrics=["bad.py:sharpnes"]'], ["bad.py has no 'sharpnes'"]),
        (['data.factor="bad.py:NUMBER"'], ["bad.py:NUMBER"]),
        (['data.name="bad.py:NUMBER"'], ["bad.py:NUMBER"]),
        (["evaluation.embedding=missing.py:Net"], ["missing.py does not exist"]),
    ],
)
def test_bad_company(complaint, settings, parts):
    model = 'model={family: custom, target: "bad.py:make_sampler"}'
    line = complaint(model, *settings)
    for part in parts:
        assert part in line


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("bad.py:Critic", ["regularizers.mine", "bad.py has no", "did you mean 'Critics'"]),
        ("bad.py:Critics", ["regularizers.mine", "'critic'", "discriminator, generator"]),
        ("bad.py:NUMBER", ["regularizers.mine", "bad.py:NUMBER"]),
        ("bad.py:fail", ["regularizers.mine", "bad.py:fail", "KeyError"]),
    ],
)
def test_bad_hooks(complaint, target, parts):
    line = complaint(SMOOTHING % target)
    for part in parts:
        assert part in line
