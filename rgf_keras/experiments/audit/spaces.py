"""The spaces in which an audit compares images: their pixels, and what networks make of them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

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
LARGEST_SCALE = 4  # to which thumbnails are enlarged; beyond, they come back the same


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
        self._is_thumbnail = canvas == canvas.small
        self._smoothed: dict[Any, np.ndarray] = {}  # by what the audit holds

    def features(self, images: ImageSet) -> np.ndarray:
        return flatten(images.thumbnails)

    def embed(self, images: np.ndarray) -> np.ndarray:
        return flatten(np.stack([self.canvas.fit(image) for image in images]))

    def smoothed(self, images: ImageSet, generated: ImageSet) -> np.ndarray:
        """(n, d) uint8 of a set, smoothed: alike for images that were resized and that were not.

        Resizing smooths, and smooth images lie nearer to all others. So images of other sets than
        the generated one are brought to the sizes of its images, drawn at random, and back; then
        all are smoothed, for what resizing has smoothed already matters less. Of 1,000 digits that
        nobody has copied, and of which half were enlarged and made small again, C_T was lower than
        of the same digits as they were by 1.6 with neither, by .25 once all were smoothed, and by
        .04 with both (means over 20 draws).
        """
        sizes = generated.sizes[self._smooth_more(generated.sizes)]
        is_alike = images is generated or not len(sizes)
        key = id(images.thumbnails), None if is_alike else id(generated.sizes)
        if key not in self._smoothed:
            rng, share = np.random.default_rng(0), len(sizes) / len(generated)
            path = self._folder / f"smoothed-{len(self._smoothed)}.npy"
            shape = images.thumbnails.shape
            smoothed = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
            for start in range(0, len(images), BATCH):
                part = np.array(images.thumbnails[start : start + BATCH])
                if not is_alike:
                    for i in np.flatnonzero(rng.random(len(part)) < share):
                        part[i] = self._there_and_back(part[i], *rng.choice(sizes))
                part = ndimage.gaussian_filter(part.astype(np.float32), SMOOTHING, axes=(1, 2))
                smoothed[start : start + BATCH] = np.rint(part)
            self._smoothed[key] = smoothed
        return flatten(self._smoothed[key])

    def _smooth_more(self, sizes: np.ndarray) -> np.ndarray:
        """(n,) whether images of sizes (n, 2) are smoother than those that become thumbnails."""
        side = self.canvas.shape[:2]
        smoother = sizes != side if self._is_thumbnail else sizes < side
        return np.any(smoother, axis=1)

    def _there_and_back(self, image: np.ndarray, height: int, width: int) -> np.ndarray:
        largest = LARGEST_SCALE * max(self.canvas.shape)
        scale = min(1.0, largest / max(height, width))
        height, width = max(1, round(scale * height)), max(1, round(scale * width))
        return self.canvas.fit(Canvas(height, width, self.canvas.channels).fit(image))


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
