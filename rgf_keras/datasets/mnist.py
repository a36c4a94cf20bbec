"""MNIST: 10,000 digits that come with the package, and Keras' ``mnist.npz`` with all 70,000."""

import os
from importlib import resources
from pathlib import Path

import numpy as np

from rgf_keras import archive
from rgf_keras.datasets.dataset import Dataset
from rgf_keras.datasets.files import reading
from rgf_keras.downloads import download, keras_cache
from rgf_keras.errors import RgfError

DIGITS = tuple("0123456789")
BUNDLED_TRAIN = 8000
FILE = "mnist.npz"
REPLACE = f"replace it by Keras' {FILE}"

# Keras' own copy of MNIST (the file's SHA-256) and the digits in it (SHA-256 of the arrays), so
# that a repacked file with the same digits is accepted and a damaged one is not.
URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
FILE_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
SHA256 = "f016250a7ac64ce49543f859bcbb33dd219254db0ac07a89ea96a5535ede1758"


def read_bundled(split: str) -> Dataset:
    """8,000 or 2,000 of the official test digits, with the same mix of classes."""
    with resources.as_file(resources.files("rgf_keras.datasets") / "data/mnist-10k.npz") as path:
        arrays, _ = archive.load(path)
    digits = _digits(f"mnist-10k/{split}", arrays["images"], arrays["labels"])
    train, test = digits.split(BUNDLED_TRAIN, seed=0)
    return train if split == "train" else test


def read(split: str, data_dir: str | Path | None) -> Dataset:
    """60,000 or 10,000 digits, from a file in ``data_dir``, ``$RGF_DATA_DIR`` or Keras' cache.

    Raises:
        RgfError: the file is missing, corrupt, or holds something else; it cannot be downloaded.
    """
    parent = data_dir or os.environ.get("RGF_DATA_DIR")
    path = Path(parent) / FILE if parent else download(URL, FILE_SHA256, FILE)
    missing, damaged = f"put Keras' {FILE} there", f"is corrupt or truncated; {REPLACE}"
    names = ("x_train", "y_train", "x_test", "y_test")
    with (
        reading(path, missing, damaged, archive.DAMAGED),
        np.load(path, allow_pickle=False) as file,
    ):
        arrays = {name: file[name] for name in names}
    if archive.digest(arrays) != SHA256:
        raise RgfError(f"{path} does not hold the digits of MNIST; {REPLACE}")
    return _digits(f"mnist/{split}", arrays[f"x_{split}"], arrays[f"y_{split}"])


def available() -> str:
    """Where the file is, or what it takes to have it."""
    data_dir = os.environ.get("RGF_DATA_DIR")
    path = Path(data_dir or keras_cache()) / FILE
    missing = f"missing; put Keras' {FILE} there" if data_dir else "downloaded when first used"
    return str(path) if path.exists() else f"{path} ({missing})"


def _digits(name: str, images: np.ndarray, labels: np.ndarray) -> Dataset:
    labels = labels.astype(np.int64)
    return Dataset(name, images[..., None], labels, np.arange(len(images)), DIGITS)
