"""Images from wherever a user has them: folders, archives, arrays, data sets, functions.

What is no image is named, never dropped in silence; nothing is held in memory but a batch.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from rgf_keras import plugins
from rgf_keras.datasets import image_archives, image_arrays, sources
from rgf_keras.datasets.dataset import Dataset
from rgf_keras.datasets.decoding import WHITE, Colour, printable
from rgf_keras.datasets.image_arrays import Batches, Range
from rgf_keras.datasets.image_files import ImageFiles, class_of
from rgf_keras.datasets.image_folders import list_folder
from rgf_keras.datasets.tables import read_table
from rgf_keras.errors import ArgumentError, RgfError, unknown_name

LABELS, FACTORS = "labels.csv", "factors.csv"
FORMS = ("a folder", "FILE.npy", "FILE.npz", "FILE.zip", "FILE.tar", "module:function")


@dataclass(frozen=True)
class Source:
    """Images that are read when they are asked for, in the same order every time.

    Attributes:
        name: as the user wrote it.
        names: one per image: of its file, relative to the folder or archive, or its position.
        labels: (n,) integers, positions in ``class_names``, or None.
        class_names: one name per class.
        left_out: by reason, the names of what is there but is not among the images.
        values: reads the (n,) values of a factor, or None.
    """

    name: str
    names: Sequence[str]
    labels: np.ndarray | None
    class_names: tuple[str, ...]
    left_out: Mapping[str, Sequence[str]]
    _images: Callable[[], Iterator[np.ndarray]] = field(repr=False, compare=False)
    values: Callable[[], Sequence[str]] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def batches(self, size: int) -> Iterator[list[np.ndarray]]:
        """All images, ``size`` at a time: (H, W, C) uint8 each, of their own H and W, all of the
        same C, which is 1 or 3.

        Raises:
            ArgumentError: ``size`` is below 1.
            RgfError: an image cannot be read.
        """
        if size < 1:
            raise ArgumentError(f"size must be at least 1, received {size}")
        images = self._images()
        return iter(lambda: list(islice(images, size)), [])


def open_source(
    spec: str | Path,
    *,
    value_range: Range | None = None,
    ground: Colour = WHITE,
    skip_broken: bool = False,
) -> Source:
    """Images by where they are; a path that exists comes before names.

    =======================  =====================================================================
    a folder                 image files in it and its folders. The outermost folders are the
                             classes if every image lies in one; ``labels.csv`` of
                             ``file,label`` in it comes first. ``factors.csv`` of ``file,NAME``
                             tells values of a factor
    ``FILE.zip``, ``.tar``   (also ``.tar.gz``, ``.bz2``, ``.xz``) as a folder, without the tables
    ``FILE.npy``             one array (N, H, W, C), (N, C, H, W) or (N, H, W), of uint8, or of
                             floats in a stated range. ``FILE.npy:NCHW`` says which it is where
                             both may be meant
    ``FILE.npz``             the same; ``FILE.npz:KEY`` if it holds several, ``FILE.npz:KEY:NCHW``.
                             Integers (N,) called labels, label, y or arr_1 are the labels
    ``mnist-10k/test``       a data set of :func:`rgf_keras.datasets.load` and its split, else
                             ``train``
    ``mine.py:images``       a function of your own, or ``module:images``, see
                             :mod:`rgf_keras.plugins`: returns an array, an iterable of arrays
                             (called for every pass, with the same images) or a :class:`Dataset`;
                             it may have a parameter ``split``
    =======================  =====================================================================

    Image files are turned as their EXIF orientation says. 16 bits per channel become 8; of
    animations the first frame is read. Grey ones have three channels if others are in colour.

    Args:
        spec: one of these.
        value_range: what black and white are in arrays of floats: (0, 1), (−1, 1) or (0, 255).
        ground: red, green and blue in [0, 255] of what transparent images are put on.
        skip_broken: leave images that cannot be read out, which decodes all of them at once.

    Raises:
        ArgumentError: nobody knows what is meant, or a bad argument.
        RgfError: no images; damaged, forged or unsafe files; values out of the range.

    >>> source = open_source("mnist-10k/test")
    >>> len(source), next(source.batches(8))[0].shape
    (2000, (28, 28, 1))
    """
    if len(ground) != 3 or not all(0 <= value <= 255 for value in ground):
        raise ArgumentError(f"ground must be three integers in [0, 255], received {ground}")
    name = str(spec)
    path = Path(name.removeprefix("folder:"))
    if path.is_dir():
        used = frozenset(table for table in (LABELS, FACTORS) if (path / table).is_file())
        tables = {table: path / table for table in used}
        return _of_files(name, list_folder(path, used), tables, ground, skip_broken)
    file = image_arrays.parse(name)[0]
    is_array = file.suffix.lower() in (".npy", ".npz")
    is_file = is_array or name.lower().endswith(image_archives.SUFFIXES)
    place = file if is_file else path
    if (is_file or _is_path(name)) and not place.exists():
        raise RgfError(f"there is no file or folder {place}; name {', '.join(FORMS)}")
    if is_file:
        if not file.is_file():
            raise RgfError(f"{file} is a pipe or device; only files are read, copy it into one")
        if is_array:
            return _of_array_file(name, value_range)
        return _of_files(name, image_archives.list_archive(file), {}, ground, skip_broken)
    if path.exists():
        raise RgfError(f"{path} is none of {', '.join(FORMS[:-1])}; name one that holds images")
    return _of_name(name, value_range)


def _is_path(name: str) -> bool:
    """Whether a name can only have been meant as a path."""
    first, slash, _ = name.partition("/")
    if ":" in name or not slash:
        return name.startswith("folder:")
    return first not in {*sources.DATASETS, *plugins.installed("datasets")}  # with a split


def _of_files(
    name: str,
    listed: ImageFiles,
    tables: Mapping[str, Path],
    ground: Colour,
    skip_broken: bool,
) -> Source:
    labels_of = _read_labels(tables[LABELS], listed.names) if LABELS in tables else None
    if labels_of is None:
        class_of(listed.names, listed.place)  # refuses parts of a data set before all is read
    files, kept, channels = listed.check(ground, skip_broken)
    names = [files.names[position] for position in kept]
    if labels_of is None:
        labels, class_names = class_of(names, files.place)
    else:
        class_names = tuple(sorted({labels_of[position] for position in kept}))
        labels = np.array([class_names.index(labels_of[position]) for position in kept], np.int64)
    return Source(
        name=name,
        names=tuple(map(printable, names)),
        labels=labels,
        class_names=tuple(map(printable, class_names)),
        left_out=files.left_out,
        _images=lambda: files.images(kept, channels, ground),
        values=partial(_read_values, tables[FACTORS], listed.names, kept)
        if FACTORS in tables
        else None,
    )


def _read_labels(table: Path, names: Sequence[str]) -> list[str]:
    columns = read_table(table, names)
    if list(columns) != ["label"]:
        raise RgfError(f"{table} has the columns file, {', '.join(columns)}; it must be file,label")
    return columns["label"].checked()


def _read_values(table: Path, names: Sequence[str], kept: Sequence[int]) -> list[str]:
    """The factor's values of those images of a folder that are kept."""
    columns = read_table(table, names)
    if len(columns) > 1:
        raise RgfError(f"{table} has the factors {', '.join(columns)}; give a table of one of them")
    [column] = columns.values()
    values = column.checked()
    return [values[position] for position in kept]


def _of_array_file(name: str, value_range: Range | None) -> Source:
    arrays = image_arrays.open_arrays(name)
    return _of_batches(name, arrays.batches, arrays.layout, value_range, arrays.labels)


def _of_batches(
    name: str,
    batches: Batches,
    layout: str | None,
    value_range: Range | None,
    labels: np.ndarray | None = None,
) -> Source:
    conversion = image_arrays.check(name, batches, layout, value_range)

    def images() -> Iterator[np.ndarray]:
        for batch in batches():
            yield from conversion.apply(name, batch)

    class_names: tuple[str, ...] = ()
    if labels is not None:
        values, labels = np.unique(labels, return_inverse=True)
        class_names = tuple(map(str, values))
    names = tuple(map(str, range(conversion.count)))
    return Source(name, names, labels, class_names, {}, images)


def _of_name(name: str, value_range: Range | None) -> Source:
    base, _, split = name.rpartition("/")
    if split not in sources.SPLITS or not base:
        base, split = name, "train"
    if base in sources.DATASETS:
        return _of_dataset(name, sources.load(base, split))
    function = plugins.resolve("datasets", base, dict.fromkeys((*sources.DATASETS, *FORMS)))
    if function is None:
        raise unknown_name("images", name, sources.DATASETS, FORMS)
    if not callable(function):
        raise ArgumentError(f"'{name}' is a {type(function).__name__}; it must be a function")
    first = plugins.attempt(name, plugins.call, function, {}, split=split)
    if isinstance(first, Dataset):
        return _of_dataset(name, first)
    return _of_batches(name, _repeatable(name, function, split, first), None, value_range)


def _of_dataset(name: str, dataset: Dataset) -> Source:
    names = tuple(map(str, dataset.indices))
    images = dataset.images

    def values() -> list[str]:
        return [str(dataset.factor_values[i]) for i in dataset.planted]

    return Source(
        name,
        names,
        dataset.labels,
        dataset.class_names,
        {},
        lambda: iter(images),
        None if dataset.factor is None else values,
    )


def _repeatable(name: str, function: Callable[..., Any], split: str, first: Any) -> Batches:
    """What a guest's function gives, called again for every pass but the first.

    Raises:
        RgfError: it gives something else than arrays, or in another pass other images.
    """
    results = [first]
    checksums: list[int] = []

    def batches() -> Iterator[np.ndarray]:
        given = results.pop() if results else plugins.call(function, {}, split=split)
        checksum = 0
        parts = iter([given] if isinstance(given, np.ndarray) else given)
        for batch in parts:
            if isinstance(batch, np.ndarray):
                checksum = zlib.crc32(np.ascontiguousarray(batch).data, checksum)
            yield batch
        if checksums and checksum != checksums[0]:
            raise RgfError(f"'{name}' gives other images each time; fix its seed")
        checksums.append(checksum)

    def attempted() -> Iterator[np.ndarray]:
        iterator = batches()
        while (batch := plugins.attempt(name, next, iterator, None)) is not None:
            yield batch

    return attempted
