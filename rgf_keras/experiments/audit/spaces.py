"""The spaces in which an audit compares images: their pixels, and what networks make of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from scipy import ndimage

from rgf_keras.cache import Cache
from rgf_keras.datasets.image_sets import BATCH, Canvas, ImageSet, batches
from rgf_keras.metrics.features import FeatureExtractor, extractor
from rgf_keras.metrics.inception import has_fid_weights
from rgf_keras.names import file_name
from rgf_keras.runtime.progress import SILENT, Progress

PIXELS, FID = "pixels", "fid"
SMOOTHING = 1.5  # standard deviation of the Gaussian, in pixels of thumbnails


class Space(Protocol):
    """An embedding.

    Attributes:
        name: of the space.
    """

    name: str

    def features(self, images: ImageSet) -> np.ndarray:
        """(n, d) of a set."""

    def embed(self, images: np.ndarray) -> np.ndarray:
        """(n, d) of images (n, H, W, C) uint8 at the size that networks see."""


class Pixels:
    """Levels of the thumbnails; a black image, which has no direction, counts as dark grey.

    Args:
        canvas: the size of images.
        folder: where smoothed ones are put, on disk.
    """

    name = PIXELS

    def __init__(self, canvas: Canvas, folder: Path):
        self.canvas, self._folder = canvas.small, folder
        self._smoothed: dict[int, np.ndarray] = {}  # by thumbnails, which the audit holds

    def features(self, images: ImageSet) -> np.ndarray:
        return flatten(images.thumbnails)

    def embed(self, images: np.ndarray) -> np.ndarray:
        return flatten(np.stack([self.canvas.fit(image) for image in images]))

    def smoothed(self, images: ImageSet) -> np.ndarray:
        """(n, d) uint8 of a set, smoothed: alike for images that were resized and that were not.

        Resizing smooths, and smooth images lie nearer to all others: of 1,000 digits that nobody
        has copied, and of which half were enlarged and made small again, C_T was −1.5 to −2.3 at
        p = .005, and −0.1 to −0.5 once all images were smoothed like this.
        """
        key = id(images.thumbnails)
        if key not in self._smoothed:
            path = self._folder / f"smoothed-{len(self._smoothed)}.npy"
            shape = images.thumbnails.shape
            smoothed = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
            for start in range(0, len(images), BATCH):
                part = images.thumbnails[start : start + BATCH].astype(np.float32)
                blurred = ndimage.gaussian_filter(part, SMOOTHING, axes=(1, 2))
                smoothed[start : start + BATCH] = np.rint(blurred)
            self._smoothed[key] = smoothed
        return flatten(self._smoothed[key])


class Network:
    """What a network makes of images.

    Features of every batch are kept by its content: a run that was killed goes on, and images
    that were audited before are not embedded again.

    Args:
        embedding: the network.
        canvas: the size of images.
        cache: of the features.
        folder: where those of whole sets are put together, on disk.
        progress: of the embedding.
    """

    def __init__(
        self,
        embedding: FeatureExtractor,
        canvas: Canvas,
        cache: Cache,
        folder: Path,
        progress: Progress = SILENT,
    ):
        self.name = embedding.name
        self._embedding, self._canvas, self._cache = embedding, canvas, cache
        self._folder, self._progress = folder, progress
        self._files: dict[int, np.ndarray] = {}  # by the source, which the audit holds

    def features(self, images: ImageSet) -> np.ndarray:
        key = id(images.source)
        if key not in self._files:
            self._files[key] = self._read(images, len(self._files))
        features = self._files[key]
        whole = len(images) == len(features)
        return features if whole else features[images.positions]

    def embed(self, images: np.ndarray) -> np.ndarray:
        return self._embedding.extract(images, self._cache)

    def _read(self, images: ImageSet, number: int) -> np.ndarray:
        """Features (n, d) float32 of all of a source's images, a file on disk."""
        source, file, done = images.source, None, 0
        progress = self._progress.task(f"{source.name} in {self.name}", "images")
        for batch in batches(source, self._canvas):
            features = self.embed(batch)
            if file is None:
                path = self._folder / f"{file_name(self.name)}-{number}.npy"
                shape = len(source), features.shape[1]
                file = np.lib.format.open_memmap(path, "w+", np.float32, shape)
            file[done : done + len(batch)] = features
            done += len(batch)
            progress(done, len(source))
        assert file is not None
        return file


def flatten(images: np.ndarray) -> np.ndarray:
    """Images (n, H, W, C) uint8 to (n, d) uint8, none of length 0."""
    rows = np.asarray(images).reshape(len(images), -1)
    black = rows.max(axis=1) == 0
    return np.where(black[:, np.newaxis], np.uint8(1), rows) if black.any() else rows


def default_names() -> list[str]:
    """Pixels, and FID's network where its weights are."""
    return [PIXELS, *([FID] if has_fid_weights() else [])]


def find_extractors(names: Iterable[str], weights: str) -> list[FeatureExtractor]:
    """The networks of spaces.

    Raises:
        RgfError: unknown names, or weights that cannot be had.
    """
    return [extractor(name, weights) for name in dict.fromkeys(names) if name != PIXELS]


def make(
    extractors: Sequence[FeatureExtractor],
    canvas: Canvas,
    cache: Cache,
    folder: Path,
    progress: Progress = SILENT,
) -> list[Space]:
    """Pixels, and a space of each network."""
    networks = [Network(each, canvas, cache, folder, progress) for each in extractors]
    return [Pixels(canvas, folder), *networks]
