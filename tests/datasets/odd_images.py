"""A seeded corpus of images as people have them, each with the pixels that viewers show."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

# Names as file systems allow them.
NAMES = (
    "plain.png",
    "with space.png",
    "[brackets] (1).png",
    "100%.png",
    "a%20b.png",
    "naïve café.png",
    "ナイーブ.png",
    "صورة.png",
    "изображение.png",
    "emoji 👩‍🔬.png",
    "two.dots.png",
    "UPPER.PNG",
    "'quoted' \"too\".png",
    "-dash.png",
    "x" * 200 + ".png",
)
# EXIF orientation and what it does to the pixels that are stored, as the standard has it.
ORIENTATIONS = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x.swapaxes(0, 1)[:, ::-1],
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x.swapaxes(0, 1)[::-1],
}


def pixels(seed: int, height: int = 5, width: int = 7, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def save(path: Path, image: np.ndarray | Image.Image, **options) -> Path:
    """An image at a path whose folders are made; an array is grey, RGB, LA or RGBA."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image)
    image.save(path, **options)
    return path


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def on(ground: tuple[int, int, int], colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours (H, W, 3) over a ground, by the formula of Porter and Duff."""
    share = alpha.astype(float)[..., None] / 255
    return colour * share + np.array(ground) * (1 - share)


def odd(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Images of many modes and sizes, written to a folder; what each shows, (H, W, 1 or 3)."""
    grey, colour = pixels(1, channels=1), pixels(2, 6, 4)
    yield save(folder / "grey.png", grey).name, grey
    yield save(folder / "colour.png", colour).name, colour
    yield save(folder / "one row.png", pixels(3, 1, 9)).name, pixels(3, 1, 9)
    bits = pixels(4, channels=1) > 127
    yield save(folder / "bits.png", Image.fromarray(bits[..., 0])).name, bits * np.uint8(255)
    palette = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3), "P")
    palette.putpalette(pixels(5, 6, 1).ravel().tolist())
    yield save(folder / "palette.png", palette).name, pixels(5, 6, 1).reshape(2, 3, 3)
    yield save(folder / "palette.gif", palette).name, pixels(5, 6, 1).reshape(2, 3, 3)
    deep = np.random.default_rng(6).integers(0, 65536, (5, 4)).astype(np.uint16)
    shown = np.floor(deep / 257 + 0.5).astype(np.uint8)[..., None]
    for suffix in ("png", "tiff"):
        yield save(folder / f"deep.{suffix}", Image.fromarray(deep)).name, shown
    (folder / "deep.pgm").write_bytes(b"P5 4 5 65535\n" + deep.astype(">u2").tobytes())
    yield "deep.pgm", shown
    (folder / "deep colour.png").write_bytes(png(deep_rgb := np.stack([deep] * 3, -1)))
    yield "deep colour.png", (deep_rgb >> 8).astype(np.uint8)
    shine = np.array([[[215, 207, 46]]], np.uint8).repeat(3, 0)  # (1 − ink) · (1 − black)
    ink = np.array([[[0, 10, 200, 40]]], np.uint8).repeat(3, 0)
    yield save(folder / "cmyk.tiff", Image.fromarray(ink, "CMYK")).name, shine
    stored = pixels(7, 4, 6)
    for orientation, turn in ORIENTATIONS.items():
        for suffix in ("png", "tiff", "webp"):
            name = f"turned {orientation}.{suffix}"
            options = {"lossless": True} if suffix == "webp" else {}
            save(folder / name, stored, exif=exif(orientation), **options)
            yield name, turn(stored)


def png(values: np.ndarray) -> bytes:
    """A PNG of 16 bits per channel (H, W, 3), which Pillow cannot write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    )


def huge(width: int, height: int) -> bytes:
    """A PNG whose header says that it is huge."""
    content = bytearray(png(np.zeros((1, 1, 3), np.uint16)))
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    return bytes(content)
