"""Grids of images, and what saves every figure: without pyplot, so that nothing global changes."""

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from rgf_keras import outputs
from rgf_keras.errors import ArgumentError
from rgf_keras.figures import charts
from rgf_keras.figures.style import styled


def tile(images: np.ndarray, columns: int, pad: int = 2) -> np.ndarray:
    """Images (n, H, W, C) uint8 in rows of ``columns``, on white: (H', W', 3) uint8.

    Raises:
        ArgumentError: other images, or no columns.
    """
    is_image = images.ndim == 4 and images.dtype == np.uint8 and images.shape[-1] in (1, 3)
    if not is_image or columns < 1:
        received = f"{images.shape} {images.dtype} in {columns}"
        raise ArgumentError(
            f"images must be (n, H, W, 1 or 3) uint8 in columns, received {received}"
        )
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
    picture = Image.fromarray(tile(images, columns).repeat(zoom, 0).repeat(zoom, 1))
    with outputs.replacing(path) as temporary:
        picture.save(temporary)
    return path


@styled
def grids(path: Path, titled: Mapping[str, np.ndarray], columns: int = 8) -> Path:
    """Save several grids of images (n, H, W, C) uint8 side by side, with titles."""
    axes = Figure((4 * len(titled), 4.4)).subplots(1, len(titled), squeeze=False)[0]
    for axis, (title, images) in zip(axes, titled.items(), strict=True):
        axis.imshow(tile(images, columns))
        axis.set_title(title)
        axis.axis("off")
    return save(axes[0], path)


@styled
def join(path: Path, titled: Mapping[str, bytes], columns: int = 4) -> Path:
    """Save several pictures, as files' contents, in one, with titles."""
    rows = -(-len(titled) // columns)
    columns = min(columns, len(titled))
    axes = Figure((3 * columns, 3.3 * rows)).subplots(rows, columns, squeeze=False).ravel()
    for axis, (title, content) in zip(axes, titled.items(), strict=False):
        axis.imshow(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))
        axis.set_title(title, fontsize=8)
    for axis in axes:
        axis.axis("off")
    return save(axes[0], path)


def real_loss(path: Path, curves: Mapping[str, Sequence[Mapping[str, float]]]) -> Path:
    """Save Figure 3, see :func:`rgf_keras.figures.charts.plot_real_loss`."""
    return save_plot(path, partial(charts.plot_real_loss, curves=curves))


@styled
def save_plot(path: Path, plot: Callable[[Axes], None], size: tuple[float, float] = (6, 4)) -> Path:
    """Save one chart, in inches."""
    axis = Figure(size).subplots()
    plot(axis)
    return save(axis, path)


def save(axis: Axes, path: Path) -> Path:
    """Write the figure that an axis belongs to, in a folder that is made if need be."""
    figure = axis.get_figure(root=True)
    assert isinstance(figure, Figure)
    charts.keep_dollars(figure)
    figure.tight_layout()
    with outputs.replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)
    return path
