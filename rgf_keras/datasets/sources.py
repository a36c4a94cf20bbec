"""Where images come from: bundled with the package, on disk, or downloaded."""

import os
from importlib import resources
from pathlib import Path

import numpy as np

from rgf_keras import archive
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


def load(name: str, split: str = "train", data_dir: str | Path | None = None) -> Dataset:
    """Load a data set by name.

    Args:
        name: ``"mnist-10k"`` (bundled: the 10,000 official test digits, 8,000 of them for training
            and 2,000 for testing, with the same mix of classes) or ``"mnist"`` (60,000 and 10,000;
            ``mnist.npz`` in ``data_dir``, else in ``$RGF_DATA_DIR``, else Keras' cache, else
            downloaded there).
        split: ``"train"`` or ``"test"``.
        data_dir: a folder that holds the data set's files.

    Returns:
        Images (N, 28, 28, 1) uint8 without a factor.

    Raises:
        RgfError: unknown name or split; file missing, corrupt, or not to be downloaded.
    """
    if name not in SOURCES:
        raise RgfError(f"unknown data set '{name}'; known: {', '.join(SOURCES)}")
    if split not in SPLITS:
        raise RgfError(f"unknown split '{split}'; known: {', '.join(SPLITS)}")
    return SOURCES[name](split, data_dir)


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
    folder = data_dir or os.environ.get("RGF_DATA_DIR")
    if folder:
        return Path(folder) / "mnist.npz"
    import keras  # only here: importing Keras fixes the backend

    try:
        return Path(keras.utils.get_file("mnist.npz", MNIST_URL, file_hash=MNIST_FILE_SHA256))
    except Exception as error:  # get_file raises bare Exception when a download fails
        raise RgfError(
            f"cannot download MNIST ({error}); put mnist.npz in a folder and set RGF_DATA_DIR to it"
        ) from error


def _digits(name: str, images: np.ndarray, labels: np.ndarray) -> Dataset:
    return Dataset(
        name=name,
        images=images[..., None],
        labels=labels.astype(np.int64),
        indices=np.arange(len(images)),
        class_names=DIGITS,
    )


SOURCES = {"mnist-10k": _mnist_10k, "mnist": _mnist}
