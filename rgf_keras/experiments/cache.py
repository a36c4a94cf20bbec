"""Results kept on disk under a hash of everything they depend on."""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from rgf_keras import archive
from rgf_keras.errors import RgfError

logger = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]


def key_of(description: dict[str, Any]) -> str:
    """A short hash (16 hex digits) of JSON-able values."""
    text = json.dumps(description, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Cache:
    """A folder of archives.

    Args:
        folder: ``$RGF_CACHE_DIR``, else the system's cache folder, if None.
    """

    def __init__(self, folder: str | Path | None = None):
        default = os.environ.get("RGF_CACHE_DIR") or platformdirs.user_cache_dir("rgf_keras")
        self.folder = Path(folder or default)

    def get(self, kind: str, description: dict[str, Any], compute: Callable[[], Arrays]) -> Arrays:
        """What ``compute`` returns, from disk if it was computed before.

        Args:
            kind: what it is, e.g. ``"oracle"``.
            description: all it depends on.
            compute: called if there is no entry, or a damaged one.
        """
        path = self.folder / f"{kind}-{key_of({'kind': kind, **description})}.npz"
        if path.exists():
            try:
                return archive.load(path)[0]
            except RgfError as error:
                logger.warning("computing again: %s", error)
        arrays = compute()
        archive.save(path, arrays, {"kind": kind, **json.loads(json.dumps(description))})
        return arrays
