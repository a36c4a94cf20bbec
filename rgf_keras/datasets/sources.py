"""Where images come from: bundled with the package, on disk, downloaded, or a guest's."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rgf_keras import plugins
from rgf_keras.datasets import celeba, cifar, compcars, folder, mnist
from rgf_keras.datasets.dataset import Dataset
from rgf_keras.downloads import download, keras_cache
from rgf_keras.errors import ArgumentError, RgfError, unknown_name

SPLITS = ("train", "test")
VALIDATION = "validation"
FOLDER = "folder:PATH"


def load(
    name: str,
    split: str = "train",
    data_dir: str | Path | None = None,
    factor: str | None = None,
    values: Sequence[str] = (),
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
    ``"celeba"``        162,770 and 19,962 faces (32, 32, 3): in ``celeba``; 19,867 more are its
                        split ``"validation"``. A factor is one of their 40 attributes, never
                        chosen unless named
    ``"compcars"``      cars (64, 64, 3) with their colour: ``sv_data`` in ``compcars``
    ``"folder:PATH"``   a folder of your own, with a factor if there is a table of factors
    ``"mine.py:load"``  a function of your own, see :mod:`rgf_keras.plugins`: called with the split
                        it returns a :class:`Dataset`; it may have parameters ``factor``, as below,
                        and ``data_dir``
    ==================  ==========================================================================

    The modules :mod:`~rgf_keras.datasets.cifar`, :mod:`~rgf_keras.datasets.celeba`,
    :mod:`~rgf_keras.datasets.compcars` and :mod:`~rgf_keras.datasets.folder` describe the files.
    They are looked for in ``data_dir``, else in ``$RGF_DATA_DIR``, there or in the folder named;
    then those that can be downloaded in Keras' cache, where they are downloaded to.

    Args:
        name: one of these.
        split: ``"train"`` or ``"test"``, or ``"validation"`` of a data set that has one.
        data_dir: a folder that holds the data set's files; not used for ``"folder:PATH"``.
        factor: which of the data set's own factors the images keep: the first if None; a name that
            it does not have leaves the images without a factor, ready to be planted.
        values: of the factor, which are meant as they are written in the table of a folder, be it
            "none"; see :func:`rgf_keras.datasets.folder.read`.

    Returns:
        Images (N, H, W, C) uint8, in order, with a factor if they keep one.

    Raises:
        ArgumentError: unknown name or split.
        RgfError: file missing, corrupt, or not to be downloaded; a function that fails or returns
            something else.

    >>> load("mnist-10k", "test").image_shape
    (28, 28, 1)
    """
    if split not in (*SPLITS, VALIDATION):
        raise unknown_name("split", split, SPLITS)
    kind, _, path = name.partition(":")
    if kind == "folder" and path:
        if split not in SPLITS:
            raise ArgumentError(f"{name} has no split '{split}', only {', '.join(SPLITS)}")
        return folder.read(path, factor, values)[SPLITS.index(split)]
    source = DATASETS.get(name) or _guest(name)
    if split not in source.splits:
        raise ArgumentError(f"{name} has no split '{split}', only {', '.join(source.splits)}")
    dataset = source.load(split, factor, data_dir)
    if factor in (None, dataset.factor_name):
        return dataset
    return replace(dataset, factor=None, factor_name=None, factor_values=())


def available() -> dict[str, str]:
    """Where each data set is, or what it takes to have it."""
    places = {name: source.where() for name, source in DATASETS.items()}
    return places | {FOLDER: "a folder of class folders of your own"}


class Source(NamedTuple):
    """A data set.

    Attributes:
        load: its images, given the split, the name of the factor or None, and a folder or None.
        where: tells where it is, or what it takes to have it.
        splits: those that it has.
    """

    load: Callable[[str, str | None, str | Path | None], Dataset]
    where: Callable[[], str]
    splits: tuple[str, ...] = SPLITS


class FileSource(NamedTuple):
    """A data set that is a folder of files.

    Attributes:
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

    def load(self, split: str, factor: str | None, data_dir: str | Path | None) -> Dataset:
        """Its images, downloaded if need be."""
        place = self.place(data_dir)
        if place is None and self.download:
            place = self.download()
        if place is None:
            raise RgfError(
                f"{self.origin}; put {self.files} in a folder {self.folder} and set "
                "RGF_DATA_DIR to the folder around it"
            )
        return self.read(place, split, factor)

    def where(self) -> str:
        """Where it is, or what it takes to have it."""
        place = self.place(None)
        if place is None and self.download:
            return f"{keras_cache() / self.folder} (downloaded when first used)"
        return str(place or f"{self.origin}; looked for in RGF_DATA_DIR")

    def place(self, data_dir: str | Path | None) -> Path | None:
        """The folder that holds its files, None if there is none."""
        cache = keras_cache() if self.download else None
        for parent in (data_dir, os.environ.get("RGF_DATA_DIR"), cache):
            for place in (Path(parent) / self.folder, Path(parent)) if parent else ():
                if self.holds(place):
                    return place
        return None


# By name; the one list of what is built in.
DATASETS: dict[str, Source | FileSource] = {
    "mnist-10k": Source(lambda split, *_: mnist.read_bundled(split), lambda: "bundled"),
    "mnist": Source(lambda split, _, data_dir: mnist.read(split, data_dir), mnist.available),
    "cifar10": FileSource(
        folder=cifar.FOLDERS["cifar10"],
        holds=lambda place: cifar.holds(place, "cifar10"),
        read=lambda place, split, _: cifar.read(place, "cifar10", split),
        origin="CIFAR-10 is at www.cs.toronto.edu/~kriz/cifar.html",
        files="its binary version's files",
        download=lambda: cifar.unpack(download(cifar.URL, cifar.SHA256, cifar.FOLDERS["cifar10"])),
    ),
    "cifar10.1": FileSource(
        folder="cifar10.1",
        holds=cifar.holds_10_1,
        read=lambda place, *_: cifar.read_10_1(place),
        origin="CIFAR-10.1 is at github.com/modestyachts/CIFAR-10.1",
        files=f"{cifar.IMAGES_10_1} and {cifar.LABELS_10_1}",
        splits=("test",),
    ),
    "cifair10": FileSource(
        folder=cifar.FOLDERS["cifair10"],
        holds=lambda place: cifar.holds(place, "cifair10"),
        read=lambda place, split, _: cifar.read(place, "cifair10", split),
        origin="ciFAIR-10 is at cvjena.github.io/cifair, pickled",
        files="its batches, converted as rgf_keras/datasets/cifar.py shows,",
    ),
    "celeba": FileSource(
        folder="celeba",
        holds=celeba.holds,
        read=celeba.read,
        origin="CelebA is at mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
        files=f"its {celeba.IMAGES} and {celeba.PARTITIONS}",
        splits=(*SPLITS, VALIDATION),
    ),
    "compcars": FileSource(
        folder="compcars",
        holds=compcars.holds,
        read=lambda place, split, _: compcars.read(place, split),
        origin="CompCars is given on request only (mmlab.ie.cuhk.edu.hk/datasets/comp_cars)",
        files="its sv_data folder",
    ),
}


def _guest(name: str) -> Source:
    if Path(name).is_dir() and name not in plugins.installed("datasets"):
        raise ArgumentError(f"unknown data set '{name}', which is a folder: folder:{name}")
    function = plugins.resolve("datasets", name, dict.fromkeys((*DATASETS, FOLDER)))
    needed = "it must be a function (split) that returns a rgf_keras.datasets.Dataset"
    if not callable(function):
        raise ArgumentError(f"'{name}' is a {type(function).__name__}; {needed}")

    def load(split: str, factor: str | None, data_dir: str | Path | None) -> Dataset:
        offered = {"factor": factor, "data_dir": data_dir}
        dataset = plugins.attempt(name, plugins.call, partial(function, split), {}, **offered)
        if not isinstance(dataset, Dataset):
            raise RgfError(f"'{name}' returns a {type(dataset).__name__}; {needed}")
        if dataset.factor is not None and not (dataset.factor_name and dataset.factor_values):
            raise RgfError(f"'{name}' returns a factor without factor_name or factor_values")
        return dataset

    return Source(load, lambda: name)
