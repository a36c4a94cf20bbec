"""`Morphology`: binary digits at four times their size, and what is measured on them only once."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgf_keras.datasets.morphology.checks import check_images, check_indices
from rgf_keras.datasets.morphology.resampling import SCALE, UPSCALED_SIDE, upscale
from rgf_keras.datasets.morphology.skeleton import FAR, medial_axis, squared_distance


@dataclass(frozen=True, eq=False)
class Morphology:
    """The stages of Morpho-MNIST that all perturbations share, for one batch of N digits.

    Stages after the first are computed when first used and kept: about 65 kB per digit in all, so
    for some thousands at a time. `apply` goes through larger data sets in such batches.

    Attributes:
        upscaled: (N, 112, 112) uint8, the images enlarged four times.
        indices: (N,) int64, each image's index in its source; seeds what is drawn for it.
    """

    upscaled: NDArray[np.uint8] = field(repr=False)
    indices: NDArray[np.int64] = field(repr=False)

    @classmethod
    def of(cls, images: NDArray[np.uint8], indices: ArrayLike | None = None) -> Self:
        """Enlarge (N, 28, 28) uint8 images; indices (N,) are 0 to N - 1 by default.

        Raises:
            ArgumentError: images or indices of another kind or shape.
        """
        images = check_images(images)
        return cls(upscale(images), check_indices(indices, len(images)))

    def __len__(self) -> int:
        return len(self.upscaled)

    @cached_property
    def ink(self) -> NDArray[np.bool_]:
        """(N, 112, 112) bool: grey levels from the middle of the image's range upwards.

        An image of one grey level has no range: black is all paper and any other all ink.
        """
        low = self.upscaled.min(axis=(1, 2), keepdims=True).astype(np.uint16)
        high = self.upscaled.max(axis=(1, 2), keepdims=True)
        return self.upscaled >= np.maximum((low + high + 1) // 2, 1).astype(np.uint8)

    @cached_property
    def squared_distance(self) -> NDArray[np.uint16]:
        """(N, 112, 112) uint16: squared pixels from ink to the nearest paper, 0 on paper.

        The outside of an image is not paper, unless there is no paper inside it.
        """
        distance = squared_distance(self.ink)
        full = np.flatnonzero(distance[:, 0, 0] >= FAR)
        framed = np.pad(self.ink[full], ((0, 0), (1, 1), (1, 1)))
        distance[full] = squared_distance(framed)[:, 1:-1, 1:-1]
        return distance

    @cached_property
    def skeleton(self) -> NDArray[np.bool_]:
        """(N, 112, 112) bool: the medial axis of the ink."""
        return medial_axis(self.ink, self.squared_distance)

    @cached_property
    def thickness(self) -> NDArray[np.float64]:
        """(N,) pixels of the 28x28 image: twice the mean distance on the skeleton, 0 without."""
        pixels = np.flatnonzero(self.skeleton)
        image = pixels // UPSCALED_SIDE**2
        distance = np.sqrt(self.squared_distance.take(pixels), dtype=np.float64)
        total = np.bincount(image, weights=distance, minlength=len(self))
        count = np.bincount(image, minlength=len(self))
        return 2 * (total / np.maximum(count, 1)) / SCALE
