"""CIFAR-10 and its two other test sets, CIFAR-10.1 and ciFAIR-10.

CIFAR-10's binary version, as its archive unpacks::

    cifar-10-batches-bin/data_batch_{1..5}.bin           the training images
    cifar-10-batches-bin/test_batch.bin                  the test images

A file is nothing but records of 3,073 bytes: the class, then 32 × 32 red values row by row, then as
many green ones, then as many blue ones.

ciFAIR-10 replaces the test images that also are, nearly, among the training images; its own
training images are CIFAR-10's. It is read from the same six files in a folder ``ciFAIR-10``. It is
released pickled, and a pickle can run any code, so it is not read here; who trusts it converts it
batch by batch::

    batch = pickle.load(open("ciFAIR-10/test_batch", "rb"), encoding="latin1")
    records = np.column_stack([batch["labels"], batch["data"]]).astype(np.uint8)
    records.tofile("ciFAIR-10/test_batch.bin")

CIFAR-10.1, version 6, is 2,000 new test images in two arrays::

    cifar10.1_v6_data.npy                                (N, 32, 32, 3) uint8
    cifar10.1_v6_labels.npy                              (N,) integers
"""

import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np

from rgf_keras import outputs
from rgf_keras.datasets import files
from rgf_keras.datasets.dataset import Dataset
from rgf_keras.errors import RgfError

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"

FOLDERS = {"cifar10": "cifar-10-batches-bin", "cifair10": "ciFAIR-10"}
BATCHES = {
    "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    "test": ("test_batch.bin",),
}
FILES = (*BATCHES["train"], *BATCHES["test"])
IMAGES_10_1, LABELS_10_1 = "cifar10.1_v6_data.npy", "cifar10.1_v6_labels.npy"

SIZE = 32
RECORD_BYTES = 1 + 3 * SIZE * SIZE
CLASS_NAMES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


def holds(folder: Path, name: str) -> bool:
    """Whether a folder is CIFAR-10's or ciFAIR-10's: called so, with any of the files."""
    # The name matters: the files of the two are called the same.
    named = folder.absolute().name == FOLDERS[name]
    return named and any((folder / file).exists() for file in FILES)


def read(folder: str | Path, name: str, split: str) -> Dataset:
    """Images of CIFAR-10 or ciFAIR-10.

    Args:
        folder: holds the ``.bin`` files.
        name: ``"cifar10"`` or ``"cifair10"``.
        split: ``"train"`` or ``"test"``.

    Returns:
        Images (N, 32, 32, 3) uint8 in the files' order, which also is their indices.

    Raises:
        RgfError: a file is missing, cut off, or holds a class other than 0 to 9.
    """
    batches = [_read_batch(Path(folder, file)) for file in BATCHES[split]]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return _dataset(f"{name}/{split}", images, labels)


def holds_10_1(folder: Path) -> bool:
    """Whether a folder holds any of CIFAR-10.1's two files."""
    return (folder / IMAGES_10_1).exists() or (folder / LABELS_10_1).exists()


def read_10_1(folder: str | Path) -> Dataset:
    """Images of CIFAR-10.1, all of them for testing.

    Args:
        folder: holds the two ``.npy`` files.

    Returns:
        Images (N, 32, 32, 3) uint8 in the file's order, which also is their indices.

    Raises:
        RgfError: a file is missing, pickled or otherwise no such array, or the two do not match.
    """
    images_path, labels_path = Path(folder, IMAGES_10_1), Path(folder, LABELS_10_1)
    images, labels = _read_array(images_path), _read_array(labels_path)
    if images.dtype != np.uint8 or images.shape[1:] != (SIZE, SIZE, 3) or not len(images):
        raise _other_array(images_path, f"(N, {SIZE}, {SIZE}, 3) uint8", images)
    if labels.dtype.kind not in "iu" or labels.shape != (len(images),):
        raise _other_array(labels_path, f"({len(images)},) integers", labels)
    _check_classes(labels_path, labels)
    return _dataset("cifar10.1/test", images, labels)


def unpack(tarball: Path) -> Path:
    """Unpack CIFAR-10's archive beside it, unless that was done before.

    Only the files that are read, and the table of classes, are written, all of them or none.

    Returns:
        The folder that holds the files.

    Raises:
        RgfError: the archive is damaged, lacks a file, or holds a path that leads out of it; or
            the folder cannot be written.
    """
    folder = tarball.parent / FOLDERS["cifar10"]
    if holds(folder, "cifar10"):
        return folder
    try:
        with outputs.scratch(tarball.parent) as temporary:
            unpacked = temporary / folder.name
            unpacked.mkdir()
            _copy_members(tarball, unpacked)
            unpacked.rename(folder)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise RgfError(
            f"cannot unpack {tarball} ({error}); make space for it, or delete it to download it "
            "again"
        ) from error
    return folder


def _copy_members(tarball: Path, folder: Path) -> None:
    wanted = {f"{folder.name}/{file}": file for file in (*FILES, "batches.meta.txt")}
    with tarfile.open(tarball, "r:gz") as members:
        for member in members:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts:
                raise RgfError(f"{tarball} holds {member.name!r}, a path out of it; delete it")
            content = members.extractfile(member) if member.isreg() else None
            if content and member.name in wanted:
                with open(folder / wanted[member.name], "wb") as target:
                    shutil.copyfileobj(content, target)
    for file in FILES:
        if not (folder / file).exists():
            raise RgfError(f"{tarball} holds no {file}; delete it to download it again")


def _read_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(N, 32, 32, 3) uint8, and (N,) uint8 classes."""
    with files.reading(
        path, f"put all of {', '.join(FILES)} there", "cannot be read ({error}); replace it"
    ):
        content = path.read_bytes()
    if not content or len(content) % RECORD_BYTES:
        raise RgfError(
            f"{path} is corrupt: its {len(content):,} bytes are not whole records of "
            f"{RECORD_BYTES:,}; replace it"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD_BYTES)
    labels, planes = records[:, 0], records[:, 1:].reshape(-1, 3, SIZE, SIZE)
    _check_classes(path, labels)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels


def _read_array(path: Path) -> np.ndarray:
    missing = f"put both {IMAGES_10_1} and {LABELS_10_1} there"
    damaged = "is corrupt, pickled or no .npy file; replace it"
    # NumPy raises nearly anything for a damaged header.
    with files.reading(path, missing, damaged, (Exception,)), open(path, "rb") as file:
        array = np.load(file, allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise RgfError(f"{path} is several arrays, not one; replace it")
    return array


def _other_array(path: Path, expected: str, array: np.ndarray) -> RgfError:
    received = f"{array.shape} {array.dtype}"
    return RgfError(f"{path} must hold {expected}, received {received}; replace it")


def _check_classes(path: Path, labels: np.ndarray) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels >= len(CLASS_NAMES)))
    if len(wrong):
        raise RgfError(
            f"{path} is corrupt: image {wrong[0]} has the class {labels[wrong[0]]}, not 0 to "
            f"{len(CLASS_NAMES) - 1}; replace it"
        )


def _dataset(name: str, images: np.ndarray, labels: np.ndarray) -> Dataset:
    images, labels = np.ascontiguousarray(images), labels.astype(np.int64)
    return Dataset(name, images, labels, np.arange(len(images)), CLASS_NAMES)
