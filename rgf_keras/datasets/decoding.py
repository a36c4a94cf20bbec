"""One image file: what its header says, and its pixels as people see them.

Turned upright as its EXIF orientation says, put on a ground where it is transparent, with 8 bits
per channel. Files are recognised by what they hold; only formats of pixels are opened, so that no
file makes Pillow start another program.
"""

import os
import stat
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from rgf_keras.errors import first_line

SUFFIXES = frozenset(
    {".avif", ".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png"}
    | {".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
WHITE = (255, 255, 255)
GREY = ("1", "L", "LA", "La")
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap width and height

Colour = tuple[int, int, int]


class Unreadable(Exception):
    """What is wrong with an image, as the end of a sentence that its name begins."""


class Header(NamedTuple):
    """What is known of an image before its pixels are.

    Attributes:
        size: width and height, upright.
        is_grey: whether one channel is enough.
        has_alpha: whether it may be transparent.
        is_deep: whether it has more than 8 bits per channel.
        has_more_frames: whether it is an animation or has several pages, of which the first is
            read.
    """

    size: tuple[int, int]
    is_grey: bool
    has_alpha: bool
    is_deep: bool
    has_more_frames: bool


def read_header(file: BinaryIO) -> Header:
    """Without decoding pixels, where the format allows; not in threads (it changes warnings).

    Raises:
        Unreadable: no image, a damaged one, or one of more than ``Image.MAX_IMAGE_PIXELS`` pixels.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with _opened(file) as image:
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            size, is_deep = _upright_size(image), _is_deep(image)
            is_grey = image.mode in GREY or is_deep
            return Header(size, is_grey, image.has_transparency_data, is_deep, frames > 1)


def read_image(file: BinaryIO | Path, ground: Colour = WHITE) -> Image.Image:
    """An image of mode L or RGB, L only if the file is grey (and the ground, where it is seen).

    Args:
        file: of the image.
        ground: red, green and blue in [0, 255] of what transparent images are put on.

    Raises:
        Unreadable: as of :func:`read_header`; or values of 32 bits, whose range nobody knows.
    """
    with _opened(file) as image:
        upright = ImageOps.exif_transpose(image)
        if _is_deep(image):
            upright = _reduce(upright)
        if upright.mode in ("I", "F"):
            raise Unreadable(
                "has 32 bits per channel, of a range that the file does not tell; save it with 8"
            )
        is_grey = upright.mode in GREY
        if upright.has_transparency_data:
            return _put_on(upright, ground, is_grey)
        return upright.convert("L" if is_grey else "RGB")


def open_regular(path: Path) -> BinaryIO:
    """Open a file that is none of pipes, devices and folders, on which reading may never end.

    Raises:
        Unreadable: it is one, or cannot be opened.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Unreadable("is a pipe, device or folder; only files are read, move it away")
        return open(path, "rb")
    except OSError as error:
        raise Unreadable(f"cannot be opened ({error.strerror or error}); mend that") from error


def printable(name: str) -> str:
    r"""A file's name for one line of UTF-8: controls and bytes of no character are escaped.

    >>> printable("Füße\n")
    'Füße\\n'
    """
    characters = (
        x if unicodedata.category(x) not in ("Cc", "Cs", "Zl", "Zp") else ascii(x)[1:-1]
        for x in name
    )
    return "".join(characters)


@contextmanager
def _opened(file: BinaryIO | Path) -> Iterator[Image.Image]:
    """Inside, an image is read, and whatever Pillow raises becomes Unreadable."""
    try:
        with Image.open(file, formats=FORMATS) as image:
            limit = Image.MAX_IMAGE_PIXELS
            if limit and image.width * image.height > limit:
                raise Image.DecompressionBombError(f"it has {image.width}x{image.height}")
            yield image
    except Unreadable:
        raise
    except UnidentifiedImageError:
        raise Unreadable(
            "cannot be read (it is empty, damaged or no image of a known format); replace it or "
            "move it out of the folder"
        ) from None
    except Image.DecompressionBombError as error:
        raise Unreadable(
            f"has more than {Image.MAX_IMAGE_PIXELS} pixels, the most that Pillow reads "
            f"({first_line(error)}); make it smaller"
        ) from None
    except Exception as error:  # Pillow's readers raise nearly anything for damaged files
        raise Unreadable(
            f"cannot be read ({first_line(error)}); replace it or move it out of the folder"
        ) from error


def _upright_size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    # Pillow has turned the size of a TIFF already. Asking a PNG without EXIF would decode it.
    if image.format == "TIFF":
        return width, height
    if image.format == "PNG" and not {"exif", "XML:com.adobe.xmp", "xmp"} & image.info.keys():
        return width, height
    sideways = image.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS
    return (height, width) if sideways else (width, height)


def _is_deep(image: Image.Image) -> bool:
    """Whether values are in [0, 65535]; Pillow scales those of PGM to that."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM")


def _reduce(image: Image.Image) -> Image.Image:
    """16 bits of grey to 8, rounded."""
    values = np.asarray(image).astype(np.int64)
    grey = np.rint(values / 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if transparent is None:
        return Image.fromarray(grey)
    alpha = np.where(values == transparent, 0, 255).astype(np.uint8)
    return Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])


def _put_on(image: Image.Image, ground: Colour, is_grey: bool) -> Image.Image:
    if image.mode == "La":
        image = image.convert("LA")
    opaque = Image.new("RGBA", image.size, (*ground, 255))
    opaque.alpha_composite(image.convert("RGBA"))
    return opaque.getchannel(0) if is_grey and len(set(ground)) == 1 else opaque.convert("RGB")
