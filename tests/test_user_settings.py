"""What a user's Keras says, in ``keras.json`` or the environment, makes no result another one."""

import json
import os
import subprocess
import sys

import pytest

from rgf_keras.cli import app
from rgf_keras.errors import RgfError

# In a process with a user's settings: an oracle and an embedding, as import_keras leaves Keras.
MEASURE = """
from rgf_keras.cli.quiet import import_keras
import_keras()
import numpy as np
from rgf_keras.models import GAN, Oracle
from rgf_keras.metrics.features import OracleFeatures
oracle = Oracle((16, 20, 3), 2)
images = np.random.default_rng(0).integers(0, 256, (4, 16, 20, 3), dtype=np.uint8)
features = OracleFeatures(oracle).extract(images)
samples = GAN((16, 16, 1), "conv", width=4).sample(2, seed=0)
print(features.dtype, features.shape, samples.dtype, round(float(features.sum()), 3), sep="|")
"""


def run(tmp_path, *arguments, settings=None, **environment):
    (tmp_path / "home").mkdir(exist_ok=True)
    if settings is not None:
        text = settings if isinstance(settings, str) else json.dumps(settings)
        (tmp_path / "home" / "keras.json").write_text(text)
    environment = {"KERAS_HOME": str(tmp_path / "home"), "TF_CPP_MIN_LOG_LEVEL": "3"} | environment
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    found = run(tmp_path_factory.mktemp("usual"), "-c", MEASURE, settings={})
    assert found.stdout.startswith("float32|(4, 64)|float32|"), found.stderr
    return found.stdout


@pytest.mark.backend
@pytest.mark.parametrize(
    "settings",
    [
        {"floatx": "float16", "image_data_format": "channels_first"},
        {"floatx": "float64", "epsilon": 1e-3, "backend": "numpy", "nnx_enabled": True},
        "no JSON",
    ],
    ids=str,
)
def test_results_are_those_of_the_usual_settings(tmp_path, usual, settings):
    changed = run(tmp_path, "-c", MEASURE, settings=settings)
    assert changed.stdout == usual, changed.stderr
    told = [key for key in ("floatx", "image_data_format", "epsilon", "nnx") if key in settings]
    for key in told:
        assert f"keras.json says {key}" in changed.stderr or f", {key}: " in changed.stderr


@pytest.mark.parametrize(
    ("settings", "environment", "part"),
    [
        ({"floatx": "bfloat16"}, {}, "floatx must be one of float16, float32, float64"),
        ({"image_data_format": "first"}, {}, "image_data_format must be one of channels_last"),
        ({"epsilon": 1}, {}, "epsilon must be a number as 1e-07, received 1"),
        ([1], {}, "must hold settings by name"),
        ({}, {"KERAS_MAX_EPOCHS": "3"}, "KERAS_MAX_EPOCHS would cut trainings short"),
    ],
)
def test_settings_that_keras_does_not_take(tmp_path, settings, environment, part):
    found = run(tmp_path, "-m", "rgf_keras.cli", "info", settings=settings, **environment)
    assert found.returncode == 2
    assert "Traceback" not in found.stderr
    assert part in found.stderr
    assert "keras.json" in found.stderr or environment


@pytest.mark.backend
def test_a_library_call_names_the_setting():
    import keras

    from rgf_keras.models import GAN, Oracle

    for key, value, usual in (
        ("floatx", "float64", "float32"),
        ("image_data_format", "channels_first", "channels_last"),
    ):
        change = getattr(keras.config, f"set_{key}")
        change(value)
        try:
            for make in (lambda: GAN((8, 8, 1)), lambda: Oracle((16, 16, 1), 2)):
                with pytest.raises(RgfError, match=f"set to {key} {value}.* need {usual}"):
                    make()
        finally:
            change(usual)


def commands(group, *names):
    """All commands by their words."""
    for command in group.registered_commands:
        yield (*names, command.name or command.callback.__name__)
    for inner in group.registered_groups:
        yield from commands(inner.typer_instance, *names, inner.name)


# By command: what it needs to get as far as Keras, if it uses Keras at all.
ARGUMENTS = {
    ("study", "run"): ("study.py",),
    ("study", "show"): ("name",),
    ("audit",): ("--train", "x", "--generated", "y"),
    ("reproduce",): ("rgf", "--dry-run"),
    ("report",): ("name",),
    ("compare",): ("a", "b"),
    ("sample",): ("model.keras",),
    ("study", "new"): ("new.py",),
}
WITHOUT_RECORDS = {("study", "list"), ("study", "new")}  # nor do they use Keras


@pytest.mark.parametrize("name", ["numpy", "openvino", "tensorflw"])
@pytest.mark.parametrize("command", sorted(commands(app)), ids=" ".join)
def test_a_backend_that_cannot_train(tmp_path, rgf_here, command, name):
    if command[:2] == ("data", "prepare") or command == ("data", "clear"):
        pytest.skip("takes long, or deletes")
    (tmp_path / "study.py").write_text("import rgf_keras.experiments")
    arguments = [tmp_path / x if x == "study.py" else x for x in ARGUMENTS.get(command, ())]
    output = ("--output", tmp_path / "p.png") if command == ("data", "preview") else ()
    place = (
        ()
        if command[0] in {"info", "sample", "data"} or command in WITHOUT_RECORDS
        else ("--workspace", tmp_path)
    )
    found = rgf_here(tmp_path, *command, *arguments, *output, *place, KERAS_BACKEND=name)
    assert "Traceback" not in found.stderr
    uses_keras = command[0] not in {"data", "report", "compare", "ui", "dashboard", "sync"}
    if uses_keras and command not in {("study", "show"), *WITHOUT_RECORDS}:
        assert found.returncode == 2
        assert f"KERAS_BACKEND is '{name}', but must be one of" in found.stderr
