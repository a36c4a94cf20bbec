"""Changed images: what a copy may have gone through, and how it is searched for nevertheless."""

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image

NOISE = 10.0  # standard deviation, of 255 levels
BRIGHTER = 40  # levels
QUALITY = 75  # of JPEG
SMALLER = 0.75  # of the sides
SHIFTS = [(s * y, s * x) for s in (1, 2) for y, x in ((-1, 0), (1, 0), (0, -1), (0, 1))]


def moved(images: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Images (n, H, W, C) as they are, mirrored, and shifted by one or two pixels, by name."""
    yield "near", images
    yield "flipped", flip(images)
    for dy, dx in SHIFTS:
        yield f"shifted {dy:+d} {dx:+d}", shift(images, dy, dx)


def flip(images: np.ndarray) -> np.ndarray:
    """Mirror images (n, H, W, C), left to right."""
    return images[:, :, ::-1]


def shift(images: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """Shift images (n, H, W, C) down and to the right; their borders are repeated."""
    _, height, width, _ = images.shape
    rows = np.clip(np.arange(height) - dy, 0, height - 1)
    columns = np.clip(np.arange(width) - dx, 0, width - 1)
    return images[:, rows[:, np.newaxis], columns]


def disguised(images: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Copies of images (n, H, W, C) uint8 as generators, files and people change them, by name."""
    noise = np.random.default_rng(seed).normal(0, NOISE, images.shape)
    return {
        "exact": images,
        "noisy": np.clip(images + noise, 0, 255).astype(np.uint8),
        "flipped": flip(images),
        "shifted by two": shift(images, 0, 2),
        "JPEG": np.stack([_compress(image) for image in images]),
        "resized": np.stack([_resize(image) for image in images]),
        "brightened": np.minimum(images.astype(np.int64) + BRIGHTER, 255).astype(np.uint8),
    }


def _picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def _compress(image: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    _picture(image).save(file, format="JPEG", quality=QUALITY)
    return np.asarray(Image.open(file)).reshape(image.shape)


def _resize(image: np.ndarray) -> np.ndarray:
    height, width, _ = image.shape
    small = max(1, round(SMALLER * width)), max(1, round(SMALLER * height))
    resized = _picture(image).resize(small, Image.Resampling.BICUBIC)
    return np.asarray(resized.resize((width, height), Image.Resampling.BICUBIC)).reshape(
        image.shape
    )
