"""No factor, for questions about copies alone."""

from dataclasses import dataclass

import numpy as np

from rgf_keras.cache import Cache
from rgf_keras.runtime.progress import SILENT, Progress


@dataclass(frozen=True)
class Plain:
    """Leaves images as they are. It has one value, so that nothing of it can be rare."""

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
