"""Keras imported without TensorFlow's start-up lines, and with the settings that models are for."""

import json
import logging
import multiprocessing
import os
import sys
from typing import Any

from rgf_keras.cli.options import tell
from rgf_keras.downloads import keras_cache
from rgf_keras.errors import RgfError
from rgf_keras.runtime import preload

# Of Keras' file of settings: what every command computes with, and what Keras takes at all.
SETTINGS: dict[str, Any] = {
    "floatx": "float32",
    "image_data_format": "channels_last",
    "epsilon": 1e-7,
    "nnx_enabled": False,
}
TAKEN = {
    "floatx": ("float16", "float32", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}
CUTS = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")  # trainings, without a word


def import_keras() -> None:
    """Import Keras, silently where ``TF_CPP_MIN_LOG_LEVEL`` is 3 as ``choose_backend`` sets it.

    Commands call it once they have checked all that can be checked without Keras. Meanwhile what
    is written to the process's stderr, also by C++, is dropped.

    Raises:
        RgfError: see :func:`check_settings`.
    """
    check_settings()
    os.environ["KERAS_NNX_ENABLED"] = "false"
    _import()
    import keras

    keras.config.set_floatx(SETTINGS["floatx"])
    keras.config.set_image_data_format(SETTINGS["image_data_format"])
    keras.config.set_epsilon(SETTINGS["epsilon"])


def check_settings() -> None:
    """What the user's ``keras.json`` says otherwise holds elsewhere, but not here: a line tells so.

    Raises:
        RgfError: ``keras.json`` is no file of settings, or the environment cuts trainings short.
    """
    differing = _differing()
    is_first = multiprocessing.parent_process() is None and not preload.IS_PREPARING
    if differing and is_first:  # else the command itself has told
        changed = ", ".join(f"{key} is {SETTINGS[key]!s} here" for key in differing)
        said = ", ".join(f"{key}: {value}" for key, value in differing.items())
        tell(f"{_file()} says {said}; {changed}")


def _file() -> Any:
    return keras_cache().parent / "keras.json"


def _differing() -> dict[str, Any]:
    """What the user's file says otherwise."""
    for name in CUTS:
        if os.environ.get(name):
            raise RgfError(f"{name} would cut trainings short without a word; unset it")
    path = _file()
    try:
        given = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except OSError as error:
        raise RgfError(f"cannot read {path} ({error.strerror}), as Keras would") from None
    except ValueError:
        return {}  # Keras has its own settings then
    if not isinstance(given, dict):
        raise RgfError(f"{path} must hold settings by name, as {{}}; mend it")
    for key, values in TAKEN.items():
        if given.get(key, values[0]) not in values:
            known = ", ".join(values)
            raise RgfError(f"{path}: {key} must be one of {known}, received {given[key]!r}")
    if not isinstance(given.get("epsilon", 0.0), float):
        raise RgfError(f"{path}: epsilon must be a number as 1e-07, received {given['epsilon']!r}")
    return {key: given[key] for key in SETTINGS if given.get(key, SETTINGS[key]) != SETTINGS[key]}


def _import() -> None:
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3":
        return
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        import keras  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
