"""Where images come from: bundled with the package, on disk, or downloaded."""

import os
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rgf_keras import archive
from rgf_keras.datasets import celeba, cifar, compcars, folder
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

    ==================  ==========================================================================
    ``"mnist-10k"``     bundled: the 10,000 official test digits (28, 28, 1), 8,000 of them for
                        training and 2,000 for testing, with the same mix of classes
    ``"mnist"``         60,000 and 10,000 digits (28, 28, 1): ``mnist.npz``, downloaded if neither
                        ``data_dir`` nor ``$RGF_DATA_DIR`` is given
    ``"cifar10"``       50,000 and 10,000 things and animals (32, 32, 3): the binary version in a
                        folder ``cifar-10-batches-bin``, else downloaded
    ``"cifar10.1"``     2,000 more of them, for testing only: in ``cifar10.1``
    ``"cifair10"``      ``"cifar10"`` without duplicates in the test set: in ``ciFAIR-10``
    ``"celeba"``        162,770 and 19,962 faces (32, 32, 3): in ``celeba``. A factor is one of
                        their 40 attributes, never chosen unless named
    ``"compcars"``      cars (64, 64, 3) with their colour: ``sv_data`` in ``compcars``
    ``"folder:PATH"``   a folder of your own, with a factor if there is a table of factors
    ==================  ==========================================================================

    The modules :mod:`~rgf_keras.datasets.cifar`, :mod:`~rgf_keras.datasets.celeba`,
    :mod:`~rgf_keras.datasets.compcars` and :mod:`~rgf_keras.datasets.folder` describe the files.
    They are looked for in ``data_dir``, else in ``$RGF_DATA_DIR``, there or in the folder named;
    then those that can be downloaded in Keras' cache, where they are downloaded to.

    Args:
        name: one of these.
        split: ``"train"`` or ``"test"``.
        data_dir: a folder that holds the data set's files; not used for ``"folder:PATH"``.
        factor: which of the data set's own factors the images keep: the first if None; a name that
            it does not have leaves the images without a factor, ready to be planted.

    Returns:
        Images (N, H, W, C) uint8, in order, with a factor if they keep one.

    Raises:
        RgfError: unknown name or split; file missing, corrupt, or not to be downloaded.
    """
    kind, _, path = name.partition(":")
    known = [*DIGIT_SOURCES, *FILE_SOURCES]
    if name not in known and not (kind == "folder" and path):
        raise RgfError(f"unknown data set '{name}'; known: {', '.join([*known, 'folder:PATH'])}")
    if split not in SPLITS:
        raise RgfError(f"unknown split '{split}'; known: {', '.join(SPLITS)}")
    if name not in known:
        return folder.read(path, factor)[SPLITS.index(split)]
    if name in FILE_SOURCES:
        dataset = _from_files(name, split, data_dir, factor)
    else:
        dataset = DIGIT_SOURCES[name](split, data_dir)
    if factor in (None, dataset.factor_name):
        return dataset
    return replace(dataset, factor=None, factor_name=None, factor_values=())


def available() -> dict[str, str]:
    """Where each data set is, or what it takes to have it."""
    data_dir = os.environ.get("RGF_DATA_DIR")
    mnist = Path(data_dir or _keras_cache()) / "mnist.npz"
    missing = "missing; put Keras' mnist.npz there" if data_dir else "downloaded when first used"
    where = {
        "mnist-10k": "bundled",
        "mnist": str(mnist) if mnist.exists() else f"{mnist} ({missing})",
    }
    for name, source in FILE_SOURCES.items():
        found = _place(source, None)
        if found:
            where[name] = str(found)
        elif source.download:
            where[name] = f"{_keras_cache() / source.folder} (downloaded when first used)"
        else:
            where[name] = f"{source.origin}; looked for in RGF_DATA_DIR"
    return where | {"folder:PATH": "a folder of class folders of your own"}


def _mnist_10k(split: str, data_dir: str | Path | None) -> Dataset:
    with resources.as_file(resources.files("rgf_keras.datasets") / "data/mnist-10k.npz") as path:
        arrays, _ = archive.load(path)
    digits = _digits(f"mnist-10k/{split}", arrays["images"], arrays["labels"])
    return digits.split(BUNDLED_TRAIN, seed=0)[SPLITS.index(split)]


def _mnist(split: str, data_dir: str | Path | None) -> Dataset:
    parent = data_dir or os.environ.get("RGF_DATA_DIR")
    if parent:
        path = Path(parent) / "mnist.npz"
    else:
        path = _downloaded(MNIST_URL, MNIST_FILE_SHA256, "mnist.npz")
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


def _digits(name: str, images: np.ndarray, labels: np.ndarray) -> Dataset:
    return Dataset(
        name=name,
        images=images[..., None],
        labels=labels.astype(np.int64),
        indices=np.arange(len(images)),
        class_names=DIGITS,
    )


DIGIT_SOURCES = {"mnist-10k": _mnist_10k, "mnist": _mnist}


class FileSource(NamedTuple):
    """A data set that is a folder of files.

    Args:
        folder: its name.
        holds: whether a folder is the one.
        read: its images, given the folder, the split and the name of the factor or None.
        origin: a sentence on where the files come from.
        files: what to put into the folder.
        splits: those that it has.
        download: puts the folder into Keras' cache and returns it; None if it cannot.
    """

    folder: str
    holds: Callable[[Path], bool]
    read: Callable[[Path, str, str | None], Dataset]
    origin: str
    files: str
    splits: tuple[str, ...] = SPLITS
    download: Callable[[], Path] | None = None


FILE_SOURCES = {
    "cifar10": FileSource(
        folder=cifar.FOLDERS["cifar10"],
        holds=lambda place: cifar.holds(place, "cifar10"),
        read=lambda place, split, factor: cifar.read(place, "cifar10", split),
        origin="CIFAR-10 is at www.cs.toronto.edu/~kriz/cifar.html",
        files="its binary version's files",
        download=lambda: cifar.unpack(
            _downloaded(cifar.URL, cifar.SHA256, cifar.FOLDERS["cifar10"])
        ),
    ),
    "cifar10.1": FileSource(
        folder="cifar10.1",
        holds=cifar.holds_10_1,
        read=lambda place, split, factor: cifar.read_10_1(place),
        origin="CIFAR-10.1 is at github.com/modestyachts/CIFAR-10.1",
        files=f"{cifar.IMAGES_10_1} and {cifar.LABELS_10_1}",
        splits=("test",),
    ),
    "cifair10": FileSource(
        folder=cifar.FOLDERS["cifair10"],
        holds=lambda place: cifar.holds(place, "cifair10"),
        read=lambda place, split, factor: cifar.read(place, "cifair10", split),
        origin="ciFAIR-10 is at cvjena.github.io/cifair, pickled",
        files="its batches, converted as rgf_keras/datasets/cifar.py shows,",
    ),
    "celeba": FileSource(
        folder="celeba",
        holds=celeba.holds,
        read=celeba.read,
        origin="CelebA is at mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        files=f"its {celeba.IMAGES} and {celeba.PARTITIONS}",
    ),
    "compcars": FileSource(
        folder="compcars",
        holds=compcars.holds,
        read=lambda place, split, factor: compcars.read(place, split),
        origin="CompCars is given on request only (mmlab.ie.cuhk.edu.hk/datasets/comp_cars)",
        files="its sv_data folder",
    ),
}


def _from_files(name: str, split: str, data_dir: str | Path | None, factor: str | None) -> Dataset:
    source = FILE_SOURCES[name]
    if split not in source.splits:
        raise RgfError(f"{name} has no split '{split}', only {', '.join(source.splits)}")
    place = _place(source, data_dir)
    if place is None and source.download:
        place = source.download()
    if place is None:
        raise RgfError(
            f"{source.origin}; put {source.files} in a folder {source.folder} and set "
            "RGF_DATA_DIR to the folder around it"
        )
    return source.read(place, split, factor)


def _place(source: FileSource, data_dir: str | Path | None) -> Path | None:
    """The folder that holds a data set's files, None if there is none."""
    cache = _keras_cache() if source.download else None
    for parent in (data_dir, os.environ.get("RGF_DATA_DIR"), cache):
        for place in (Path(parent) / source.folder, Path(parent)) if parent else ():
            if source.holds(place):
                return place
    return None


def _keras_cache() -> Path:
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets"


def _downloaded(url: str, sha256: str, contents: str) -> Path:
    """A file in Keras' cache, downloaded if it is not there yet."""
    import keras  # only here: importing Keras fixes the backend

    try:
        return Path(keras.utils.get_file(origin=url, file_hash=sha256))
    except Exception as error:  # get_file raises bare Exception when a download fails
        raise RgfError(
            f"cannot download {url} ({error}); put {contents} in a folder and set RGF_DATA_DIR to "
            "the folder"
        ) from error
