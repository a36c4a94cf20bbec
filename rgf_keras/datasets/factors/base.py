"""What a factor is, and none at all."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rgf_keras.cache import Cache
from rgf_keras.runtime.progress import SILENT, Progress


class Factor(Protocol):
    """A property with named values that can be given to any image.

    The last of ``values`` is the rare one, which the skewed set gives to one class.
    """

    @property
    def name(self) -> str: ...

    @property
    def values(self) -> tuple[str, ...]: ...

    def apply(
        self,
        images: np.ndarray,
        assignment: np.ndarray,
        indices: np.ndarray,
        seed: int,
        cache: Cache | None = None,
        progress: Progress = SILENT,
    ) -> np.ndarray:
        """Give every image its value.

        Args:
            images: (N, H, W, C) uint8.
            assignment: (N,) integers, positions in ``values``.
            indices: (N,) source indices, which key whatever is random per image.
            seed: of whatever is random.
            cache: where what is costly to make is kept; None to keep nothing.
            progress: called as progress(done, total), in images.

        Returns:
            (N, H, W, C') uint8.
        """


@dataclass(frozen=True)
class Plain:
    """Leaves images as they are, for questions about copies alone.

    It has one value, so that nothing of it can be rare.
    """

    name: str = "none"

    @property
    def values(self) -> tuple[str, ...]:
        return ("any",)

    def apply(
        self,
        images: np.ndarray,
        assignment: np.ndarray,
        indices: np.ndarray,
        seed: int,
        cache: Cache | None = None,
        progress: Progress = SILENT,
    ) -> np.ndarray:
        """The images themselves."""
        return images
