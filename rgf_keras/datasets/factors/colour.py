"""The simplest factor: the colour of a digit's ink."""

from dataclasses import dataclass

import numpy as np

from rgf_keras.cache import Cache
from rgf_keras.errors import ArgumentError, unknown_name
from rgf_keras.runtime.progress import SILENT, Progress

RGB = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "white": (255, 255, 255),
}


@dataclass(frozen=True)
class Colour:
    """Colours the ink of grey images: (N, H, W, 1) becomes (N, H, W, 3).

    Attributes:
        common: colour of images with f = 0, a name in ``RGB``.
        rare: colour of images with f = 1.

    The paper's setting is red common, green rare (Frontiers in AI 2025, data section).
    """

    common: str = "red"
    rare: str = "green"
    name: str = "colour"

    def __post_init__(self) -> None:
        for colour in self.values:
            if colour not in RGB:
                raise unknown_name("colour", colour, RGB)
        if self.common == self.rare:
            raise ArgumentError(f"the common and the rare colour are both '{self.rare}'")

    @property
    def values(self) -> tuple[str, ...]:
        return self.common, self.rare

    def apply(
        self,
        images: np.ndarray,
        assignment: np.ndarray,
        indices: np.ndarray,
        seed: int,
        cache: Cache | None = None,
        progress: Progress = SILENT,
    ) -> np.ndarray:
        """Scale each channel of the ink by its image's colour."""
        if images.shape[-1] != 1:
            raise ArgumentError(f"colour needs grey images (N, H, W, 1), received {images.shape}")
        palette = np.array([RGB[value] for value in self.values], np.uint16)
        coloured = images.astype(np.uint16) * palette[assignment][:, None, None, :] // 255
        return coloured.astype(np.uint8)
