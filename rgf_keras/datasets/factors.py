"""Factors: properties that can be planted in images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rgf_keras.errors import RgfError

RGB = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "white": (255, 255, 255),
}


class Factor(Protocol):
    """A property with named values that can be given to any image.

    ``values[0]`` is the common value and ``values[1]`` the rare one.
    """

    @property
    def name(self) -> str: ...

    @property
    def values(self) -> tuple[str, ...]: ...

    def apply(
        self, images: np.ndarray, assignment: np.ndarray, indices: np.ndarray, seed: int
    ) -> np.ndarray:
        """Give every image its value.

        Args:
            images: (N, H, W, C) uint8.
            assignment: (N,) integers, positions in ``values``.
            indices: (N,) source indices, which key whatever is random per image.
            seed: of whatever is random.

        Returns:
            (N, H, W, C') uint8.
        """


@dataclass(frozen=True)
class Colour:
    """Colours the ink of grey images: (N, H, W, 1) becomes (N, H, W, 3).

    Args:
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
                raise RgfError(f"unknown colour '{colour}'; known: {', '.join(RGB)}")
        if self.common == self.rare:
            raise RgfError(f"the common and the rare colour are both '{self.rare}'")

    @property
    def values(self) -> tuple[str, ...]:
        return self.common, self.rare

    def apply(
        self, images: np.ndarray, assignment: np.ndarray, indices: np.ndarray, seed: int
    ) -> np.ndarray:
        """Scale each channel of the ink by its image's colour."""
        if images.shape[-1] != 1:
            raise RgfError(f"colour needs grey images (N, H, W, 1), received {images.shape}")
        palette = np.array([RGB[value] for value in self.values], np.uint16)
        coloured = images.astype(np.uint16) * palette[assignment][:, None, None, :] // 255
        return coloured.astype(np.uint8)


FACTORS = {"colour": Colour}


def factor(name: str, parameters: Mapping[str, object] | None = None) -> Factor:
    """A factor by its name.

    Args:
        name: ``"colour"``.
        parameters: the factor's own arguments, e.g. ``{"rare": "blue"}``.

    Raises:
        RgfError: unknown name or parameter.
    """
    if name not in FACTORS:
        raise RgfError(f"unknown factor '{name}'; known: {', '.join(FACTORS)}")
    try:
        return FACTORS[name](**(parameters or {}))  # type: ignore[arg-type]
    except TypeError as error:
        raise RgfError(f"factor '{name}': {error}") from None
