"""Pictures: sample grids and the curves of Figure 3."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from rgf_keras.figures import charts


def tile(images: np.ndarray, columns: int, pad: int = 2) -> np.ndarray:
    """Images (n, H, W, C) uint8 in rows of ``columns``, on white: (H', W', 3) uint8."""
    images = np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images
    num, height, width, _ = images.shape
    rows = -(-num // columns)
    canvas = np.full((rows * (height + pad) + pad, columns * (width + pad) + pad, 3), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = pad + i // columns * (height + pad), pad + i % columns * (width + pad)
        canvas[top : top + height, left : left + width] = image
    return canvas


def grid(path: Path, images: np.ndarray, columns: int = 8, zoom: int = 2) -> Path:
    """Save images (n, H, W, C) uint8 as one PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    plt.imsave(path, tile(images, columns).repeat(zoom, 0).repeat(zoom, 1))
    return path


def grids(path: Path, titled: Mapping[str, np.ndarray], columns: int = 8) -> Path:
    """Save several grids of images (n, H, W, C) uint8 side by side, with titles."""
    figure, axes = plt.subplots(1, len(titled), figsize=(4 * len(titled), 4.4), squeeze=False)
    for axis, (title, images) in zip(axes[0], titled.items(), strict=True):
        axis.imshow(tile(images, columns))
        axis.set_title(title)
        axis.axis("off")
    return save(figure, path)


def real_loss(path: Path, curves: Mapping[str, Sequence[Mapping[str, float]]]) -> Path:
    """Figure 3: the discriminator's loss against "real" on held-out images of the rare class.

    Args:
        path: where to save.
        curves: per training set, the epochs' logs with ``real_loss/f0`` and ``real_loss/f1``.
    """
    figure, axis = plt.subplots(figsize=(6, 4))
    charts.real_loss(axis, curves)
    return save(figure, path)


def save(figure: plt.Figure, path: Path) -> Path:
    """Write a figure and close it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
