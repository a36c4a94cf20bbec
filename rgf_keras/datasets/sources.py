"""Where images come from: bundled with the package, on disk, or downloaded."""

import os
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np

from rgf_keras import archive
from rgf_keras.datasets import compcars, folder
from rgf_keras.datasets.dataset import Dataset
from rgf_keras.errors import RgfError

DIGITS = tuple("0123456789")
SPLITS = ("train", "test")
BUNDLED_TRAIN = 8000

# Keras' own copy of MNIST (the file's SHA-256) and the digits in it (SHA-256 of the arrays), so
# that a repacked file with the same digits is accepted and a damaged one is not.
MNIST_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
MNIST_FILE_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
MNIST_SHA256 = "f016250a7ac64ce49543f859bcbb33dd219254db0ac07a89ea96a5535ede1758"


def load(
    name: str,
    split: str = "train",
    data_dir: str | Path | None = None,
    factor: str | None = None,
) -> Dataset:
    """Load a data set by name.

    Args:
        name: ``"mnist-10k"`` (bundled: the 10,000 official test digits, 8,000 of them for training
            and 2,000 for testing, with the same mix of classes), ``"mnist"`` (60,000 and 10,000;
            ``mnist.npz`` in ``data_dir``, else in ``$RGF_DATA_DIR``, else Keras' cache, else
            downloaded there), ``"compcars"`` (cars with their colour, as
            :func:`rgf_keras.datasets.compcars.read` describes; ``sv_data`` in ``compcars`` in
            ``data_dir`` or in ``data_dir``, else likewise in ``$RGF_DATA_DIR``) or
            ``"folder:PATH"`` (a folder of your own, with a factor if there is a table of factors,
            as :mod:`rgf_keras.datasets.folder` describes).
        split: ``"train"`` or ``"test"``.
        data_dir: a folder that holds the data set's files; not used for ``"folder:PATH"``.
        factor: which of the data set's own factors the images keep: the first if None; a name that
            it does not have leaves the images without a factor, ready to be planted.

    Returns:
        Digits (N, 28, 28, 1) uint8 without a factor, cars (N, 64, 64, 3) with their colour, or the
        folder's images.

    Raises:
        RgfError: unknown name or split; file missing, corrupt, or not to be downloaded.
    """
    kind, _, path = name.partition(":")
    if name not in SOURCES and not (kind == "folder" and path):
        raise RgfError(f"unknown data set '{name}'; known: {', '.join([*SOURCES, 'folder:PATH'])}")
    if split not in SPLITS:
        raise RgfError(f"unknown split '{split}'; known: {', '.join(SPLITS)}")
    if name not in SOURCES:
        return folder.read(path, factor)[SPLITS.index(split)]
    dataset = SOURCES[name](split, data_dir)
    if factor in (None, dataset.factor_name):
        return dataset
    return replace(dataset, factor=None, factor_name=None, factor_values=())


def available() -> dict[str, str]:
    """Where each data set is, or what it takes to have it."""
    data_dir = os.environ.get("RGF_DATA_DIR")
    keras_home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    mnist = Path(data_dir) / "mnist.npz" if data_dir else Path(keras_home, "datasets", "mnist.npz")
    missing = "missing; put Keras' mnist.npz there" if data_dir else "downloaded when first used"
    cars = _compcars_folder(None)
    return {
        "mnist-10k": "bundled",
        "mnist": str(mnist) if mnist.exists() else f"{mnist} ({missing})",
        "compcars": str(cars) if cars else "on request only; looked for in RGF_DATA_DIR",
        "folder:PATH": "a folder of class folders of your own",
    }


def _mnist_10k(split: str, data_dir: str | Path | None) -> Dataset:
    with resources.as_file(resources.files("rgf_keras.datasets") / "data/mnist-10k.npz") as path:
        arrays, _ = archive.load(path)
    digits = _digits(f"mnist-10k/{split}", arrays["images"], arrays["labels"])
    return digits.split(BUNDLED_TRAIN, seed=0)[SPLITS.index(split)]


def _mnist(split: str, data_dir: str | Path | None) -> Dataset:
    path = _mnist_path(data_dir)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in ("x_train", "y_train", "x_test", "y_test")}
    except FileNotFoundError:
        raise RgfError(f"{path} does not exist; put Keras' mnist.npz there") from None
    except archive.DAMAGED:
        raise RgfError(f"{path} is corrupt or truncated; replace it by Keras' mnist.npz") from None
    if archive.digest(arrays) != MNIST_SHA256:
        raise RgfError(f"{path} does not hold the digits of MNIST; replace it by Keras' mnist.npz")
    return _digits(f"mnist/{split}", arrays[f"x_{split}"], arrays[f"y_{split}"])


def _mnist_path(data_dir: str | Path | None) -> Path:
    found = data_dir or os.environ.get("RGF_DATA_DIR")
    if found:
        return Path(found) / "mnist.npz"
    import keras  # only here: importing Keras fixes the backend

    try:
        return Path(keras.utils.get_file("mnist.npz", MNIST_URL, file_hash=MNIST_FILE_SHA256))
    except Exception as error:  # get_file raises bare Exception when a download fails
        raise RgfError(
            f"cannot download MNIST ({error}); put mnist.npz in a folder and set RGF_DATA_DIR to it"
        ) from error


def _compcars_folder(data_dir: str | Path | None) -> Path | None:
    for parent in (data_dir, os.environ.get("RGF_DATA_DIR")):
        for place in (Path(parent) / "compcars", Path(parent)) if parent else ():
            if compcars.holds(place):
                return place
    return None


def _compcars(split: str, data_dir: str | Path | None) -> Dataset:
    place = _compcars_folder(data_dir)
    if place is not None:
        return compcars.read(place, split)
    raise RgfError(
        "CompCars is given on request only (mmlab.ie.cuhk.edu.hk/datasets/comp_cars); "
        "put its sv_data folder in a folder compcars and set RGF_DATA_DIR to the folder around it"
    )


def _digits(name: str, images: np.ndarray, labels: np.ndarray) -> Dataset:
    return Dataset(
        name=name,
        images=images[..., None],
        labels=labels.astype(np.int64),
        indices=np.arange(len(images)),
        class_names=DIGITS,
    )


SOURCES = {"mnist-10k": _mnist_10k, "mnist": _mnist, "compcars": _compcars}
