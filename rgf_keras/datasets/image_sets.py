"""Sets of images: streamed once, brought to one size, kept on disk as thumbnails."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from rgf_keras.datasets.image_sources import Source
from rgf_keras.errors import RgfError
from rgf_keras.runtime.progress import SILENT, Progress

SURVEYED = 1000  # images, by which the size is chosen
LARGEST_SIDE = 64  # of thumbnails, which are the pixels that are compared
BATCH = 250  # images that are decoded together
NUM_EXAMPLES = 40
GREY = 16  # levels by which the channels of a grey image may differ once it was compressed
MIN_IMAGES = {"training": 20, "held-out": 10, "generated": 10}


@dataclass(frozen=True)
class Canvas:
    """The size that images are brought to.

    Attributes:
        height, width: pixels.
        channels: 1 or 3.
    """

    height: int
    width: int
    channels: int

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    @property
    def small(self) -> "Canvas":
        """That of thumbnails: the longer side is at most 64 pixels."""
        scale = min(1.0, LARGEST_SIDE / max(self.height, self.width))
        height, width = (max(1, round(scale * side)) for side in (self.height, self.width))
        return Canvas(height, width, self.channels)

    def fit(self, image: np.ndarray) -> np.ndarray:
        """Bring an image (H, W, 1 or 3) uint8 to this size (bicubic, antialiased).

        Raises:
            RgfError: it is in colour and the others are grey.
        """
        if image.shape == self.shape:
            return image
        if self.channels == 1 and image.shape[-1] == 3:
            if np.ptp(image, axis=-1).max() > GREY:
                raise RgfError(
                    "is in colour, but the training images are grey; convert one of them"
                )
            image = image.mean(axis=-1, keepdims=True).round().astype(np.uint8)
        elif image.shape[-1] == 1:
            image = np.repeat(image, self.channels, axis=-1)
        if image.shape[:2] != self.shape[:2]:
            picture = Image.fromarray(image[..., 0] if self.channels == 1 else image)
            image = np.asarray(
                picture.resize((self.width, self.height), Image.Resampling.BICUBIC)
            ).reshape(self.shape)
        return image


@dataclass(frozen=True)
class ImageSet:
    """Images of one size: a source's, or a part of them.

    Attributes:
        source: where they are read.
        positions: (n,) of these images among the source's.
        thumbnails: (n, h, w, C) uint8.
        examples: by position, some of them (H, W, C) uint8 at the size that networks see.
        sizes: (n, 2) heights and widths in the source.
        num_resized: how many of the source's were of another size.
    """

    source: Source
    positions: np.ndarray
    thumbnails: np.ndarray
    examples: Mapping[int, np.ndarray]
    sizes: np.ndarray
    num_resized: int = 0

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def names(self) -> list[str]:
        """Names of the images, e.g. of their files."""
        return [self.source.names[i] for i in self.positions]

    def labels_as(self, class_names: Sequence[str]) -> np.ndarray | None:
        """(n,) positions of the images' classes in ``class_names``; None if one is not there."""
        labels, known = self.source.labels, self.source.class_names
        if labels is None or not set(known) <= set(class_names):
            return None
        places = np.array([class_names.index(name) for name in known])
        return places[np.asarray(labels)[self.positions]]

    def part(self, chosen: np.ndarray) -> "ImageSet":
        """Some of these images, by their positions here."""
        positions = self.positions[chosen]
        examples = {i: image for i, image in self.examples.items() if i in positions}
        return replace(
            self,
            positions=positions,
            thumbnails=self.thumbnails[chosen],
            examples=examples,
            sizes=self.sizes[chosen],
        )


def survey(source: Source) -> Canvas:
    """The most common size among the first thousand images, grey if all of these are."""
    sizes: Counter[tuple[int, int]] = Counter()
    channels = 1
    for image in _first(source, SURVEYED):
        sizes[image.shape[:2]] += 1
        channels = max(channels, 3 if is_colour(image) else 1)
    (height, width), _ = max(sizes.items(), key=lambda item: (item[1], item[0]))
    return Canvas(height, width, channels)


def is_colour(image: np.ndarray) -> bool:
    """Whether an image (H, W, C) has channels that differ by more than compression makes them."""
    return image.shape[-1] == 3 and int(np.ptp(image, axis=-1).max()) > GREY


def read(
    source: Source,
    kind: str,
    canvas: Canvas,
    folder: Path,
    progress: Progress = SILENT,
    num_examples: int = NUM_EXAMPLES,
) -> ImageSet:
    """Stream a source's images to thumbnails on disk.

    Args:
        source: of images.
        kind: ``"training"``, ``"held-out"`` or ``"generated"``, for the errors.
        canvas: the size that networks see.
        folder: of the thumbnails' file.
        progress: of the reading.
        num_examples: images that are kept at that size, evenly spread.

    Raises:
        RgfError: too few images, or images of other channels than the training images'.
    """
    check_count(kind, source.name, len(source))
    shape = (len(source), *canvas.small.shape)
    path = folder / "thumbnails.npy"
    folder.mkdir(parents=True, exist_ok=True)
    thumbnails = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    kept = set(np.linspace(0, len(source) - 1, min(num_examples, len(source))).astype(int))
    examples, in_colour = {}, canvas.channels == 1
    sizes = np.empty((len(source), 2), np.int64)
    for i, image in enumerate(_told(source, progress.task(f"reading {source.name}", "images"))):
        sizes[i] = image.shape[:2]
        in_colour = in_colour or is_colour(image)
        thumbnails[i] = _fit(canvas.small, image, source, i)
        if i in kept:
            examples[i] = canvas.fit(image)
    if not in_colour:
        raise RgfError(
            f"{source.name}: all {kind} images are grey, but training images are in colour; "
            "convert one of them"
        )
    num_resized = int((sizes != canvas.shape[:2]).any(axis=1).sum())
    positions = np.arange(len(source))
    return ImageSet(source, positions, thumbnails, examples, sizes, num_resized)


def check_count(kind: str, name: str, count: int) -> None:
    """Raises an RgfError if there are too few images to audit."""
    if count < MIN_IMAGES[kind]:
        images = "image" if count == 1 else "images"
        raise RgfError(
            f"{name}: {count} {kind} {images}; an audit takes at least {MIN_IMAGES[kind]}"
        )


def batches(source: Source, canvas: Canvas) -> Iterator[np.ndarray]:
    """All images in order, (b, H, W, C) uint8 at a time, of one size."""
    for batch in source.batches(BATCH):
        yield np.stack([canvas.fit(image) for image in batch])


def split(images: ImageSet, share: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Training images, and a share of them at random that the model did not see."""
    order = np.random.default_rng(seed).permutation(len(images))
    num = round(share * len(images))
    check_count("held-out", images.name, num)
    check_count("training", images.name, len(images) - num)
    return images.part(np.sort(order[num:])), images.part(np.sort(order[:num]))


def _fit(canvas: Canvas, image: np.ndarray, source: Source, i: int) -> np.ndarray:
    try:
        return canvas.fit(image)
    except RgfError as error:
        raise RgfError(f"{source.name}: {source.names[i]} {error}") from None


def _first(source: Source, num: int) -> Iterator[np.ndarray]:
    images = (image for batch in source.batches(BATCH) for image in batch)
    for _, image in zip(range(num), images, strict=False):
        yield image


def _told(source: Source, progress: Progress) -> Iterator[np.ndarray]:
    """All images, telling how far the reading is."""
    done = 0
    for batch in source.batches(BATCH):
        yield from batch
        done += len(batch)
        progress(done, len(source))
