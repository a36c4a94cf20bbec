"""Where images come from: bundled with the package, on disk, or downloaded."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rgf_keras.datasets import celeba, cifar, compcars, folder, mnist
from rgf_keras.datasets.dataset import Dataset
from rgf_keras.datasets.downloads import downloaded, keras_cache
from rgf_keras.errors import RgfError

SPLITS = ("train", "test")


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
    known = ["mnist-10k", "mnist", *FILE_SOURCES]
    if name not in known and not (kind == "folder" and path):
        raise RgfError(f"unknown data set '{name}'; known: {', '.join([*known, 'folder:PATH'])}")
    if split not in SPLITS:
        raise RgfError(f"unknown split '{split}'; known: {', '.join(SPLITS)}")
    if name not in known:
        return folder.read(path, factor)[SPLITS.index(split)]
    if name == "mnist-10k":
        dataset = mnist.bundled(split)
    elif name == "mnist":
        dataset = mnist.read(split, data_dir)
    else:
        dataset = _from_files(name, split, data_dir, factor)
    if factor in (None, dataset.factor_name):
        return dataset
    return replace(dataset, factor=None, factor_name=None, factor_values=())


def available() -> dict[str, str]:
    """Where each data set is, or what it takes to have it."""
    where = {"mnist-10k": "bundled", "mnist": mnist.available()}
    for name, source in FILE_SOURCES.items():
        found = _place(source, None)
        if found:
            where[name] = str(found)
        elif source.download:
            where[name] = f"{keras_cache() / source.folder} (downloaded when first used)"
        else:
            where[name] = f"{source.origin}; looked for in RGF_DATA_DIR"
    return where | {"folder:PATH": "a folder of class folders of your own"}


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
            downloaded(cifar.URL, cifar.SHA256, cifar.FOLDERS["cifar10"])
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
    cache = keras_cache() if source.download else None
    for parent in (data_dir, os.environ.get("RGF_DATA_DIR"), cache):
        for place in (Path(parent) / source.folder, Path(parent)) if parent else ():
            if source.holds(place):
                return place
    return None
