"""Checkpoints: atomic, checksummed, and never the only one."""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from rgf_keras import archive
from rgf_keras.errors import RgfError

logger = logging.getLogger(__name__)


class Checkpoints:
    """The last few checkpoints of one run, in one folder.

    Args:
        folder: made when the first checkpoint is written.
        keep: how many to keep.
    """

    def __init__(self, folder: str | Path, keep: int = 2):
        self.folder, self.keep = Path(folder), keep

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.npz"))

    def save(self, step: int, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> Path:
        """Write one, then drop the oldest beyond ``keep``."""
        path = archive.save(self.folder / f"step-{step:09d}.npz", arrays, header)
        for old in self._paths()[: -self.keep]:
            old.unlink()
        return path

    def latest(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """The newest one that is whole, or None; damaged ones are passed over with a warning."""
        for path in reversed(self._paths()):
            try:
                return archive.load(path)
            except RgfError as error:
                logger.warning("falling back to the previous checkpoint: %s", error)
        return None
