"""What the readers of data sets share: files that are missing or damaged, many images at once."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import joblib
import numpy as np
from PIL import Image

from rgf_keras.datasets.decoding import Unreadable, open_regular, read_image
from rgf_keras.errors import RgfError

Convert = Callable[[Image.Image, Path], Image.Image]


@contextmanager
def reading(
    path: Path,
    missing: str,
    damaged: str,
    errors: tuple[type[Exception], ...] = (OSError, UnicodeDecodeError),
) -> Iterator[None]:
    """Inside, a file is read.

    Args:
        path: the file.
        missing: where to get it.
        damaged: what is wrong with it and how to mend that; ``{error}`` is what was raised.
        errors: what is raised for a damaged file.

    Raises:
        RgfError: the file is missing or damaged.
    """
    try:
        yield
    except FileNotFoundError:
        raise RgfError(f"{path} does not exist; {missing}") from None
    except errors as error:
        raise RgfError(f"{path} {damaged.format(error=error)}") from error


def read_lines(path: Path, missing: str, damaged: str) -> list[str]:
    """The lines of a text file; arguments and errors as of :func:`reading`."""
    with reading(path, missing, damaged):
        return path.read_text(encoding="utf-8").rstrip().splitlines()


def decode(paths: Iterable[Path], convert: Convert) -> Iterator[np.ndarray | Unreadable]:
    """Images, upright and opaque (L or RGB), converted, as arrays, several at a time; of one that
    cannot be read, why."""

    def read(path: Path) -> np.ndarray | Unreadable:
        try:
            with open_regular(path) as file:
                image = read_image(file)
        except Unreadable as error:
            return error
        return np.asarray(convert(image, path))

    threads = joblib.Parallel(n_jobs=-1, prefer="threads", return_as="generator")
    return threads(joblib.delayed(read)(path) for path in paths)


def read_images(
    name: str,
    paths: Sequence[Path],
    size: int,
    convert: Convert,
    remedy: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Square images, without those that cannot be read, of which one warning tells.

    Args:
        name: of the data set.
        paths: P files.
        size: height and width.
        convert: what makes an image and its path RGB and gives it its size.
        remedy: how to have the others.

    Returns:
        Images (N, size, size, 3) uint8, and which of the files (P,) they are.
    """
    images = np.zeros((len(paths), size, size, 3), np.uint8)
    is_readable = np.ones(len(paths), bool)
    for position, image in enumerate(decode(paths, convert)):
        is_readable[position] = not isinstance(image, Unreadable)
        images[position] = 0 if isinstance(image, Unreadable) else image
    if not is_readable.all():
        unreadable = np.flatnonzero(~is_readable)
        warnings.warn(
            f"{name}: left out {len(unreadable)} of {len(paths)} images that cannot be read, the "
            f"first {paths[unreadable[0]]}; {remedy}",
            stacklevel=3,
        )
        images = images[is_readable]
    return images, is_readable
