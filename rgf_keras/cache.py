"""Results kept on disk under a hash of everything they depend on."""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from rgf_keras import __version__, archive
from rgf_keras.errors import RgfError
from rgf_keras.runtime import locks

logger = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]


def key_of(description: dict[str, Any]) -> str:
    """A short hash (16 hex digits) of JSON-able values."""
    text = json.dumps(description, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Entry:
    """A file of the cache: what kind of result it is, and its size in bytes."""

    path: Path
    kind: str
    size: int


class Cache:
    """A folder of archives. Results of other versions of rgf_keras are not used.

    Args:
        folder: ``$RGF_CACHE_DIR``, else the system's cache folder, if None.
    """

    def __init__(self, folder: str | Path | None = None):
        default = os.environ.get("RGF_CACHE_DIR") or platformdirs.user_cache_dir("rgf_keras")
        self.folder = Path(folder or default)

    def path(self, kind: str, description: dict[str, Any]) -> Path:
        """Where a result is or would be kept.

        Args:
            kind: what it is, e.g. ``"oracle"``; no hyphens.
            description: all it depends on, JSON-able.
        """
        key = key_of({"kind": kind, "version": __version__, **description})
        return self.folder / f"{kind}-{key}.npz"

    def load(self, kind: str, description: dict[str, Any]) -> Arrays | None:
        """A result, or None if there is none or its file is damaged."""
        path = self.path(kind, description)
        if not path.exists():
            return None
        try:
            return archive.load(path)[0]
        except RgfError as error:
            logger.warning("computing again: %s", error)
            return None

    def store(self, kind: str, description: dict[str, Any], arrays: Arrays) -> None:
        """Keep a result.

        Raises:
            RgfError: the folder cannot be written.
        """
        header = {"kind": kind, **json.loads(json.dumps(description))}
        archive.save(self.path(kind, description), arrays, header, compress=True)

    def get(self, kind: str, description: dict[str, Any], compute: Callable[[], Arrays]) -> Arrays:
        """What ``compute`` returns, from disk if it was computed before.

        A second process that wants it meanwhile waits for the first instead of computing it too.
        """
        arrays = self.load(kind, description)
        if arrays is not None:
            return arrays
        with self.lock(kind, description):
            arrays = self.load(kind, description)
            if arrays is None:
                arrays = compute()
                self.store(kind, description, arrays)
        return arrays

    def lock(self, kind: str, description: dict[str, Any]) -> AbstractContextManager[None]:
        """Inside, no other process is inside for this result; the lock of a dead one is free.

        Raises:
            RgfError: the folder cannot be written.
        """
        return locks.exclusive(self.folder / "locks" / self.path(kind, description).stem)

    def entries(self) -> Iterator[Entry]:
        """What the cache holds."""
        for path in sorted(self.folder.glob("[!.]*-*.npz")):  # not what is being written
            with contextlib.suppress(FileNotFoundError):  # it has been cleared since
                yield Entry(path, path.name.split("-")[0], path.stat().st_size)

    def clear(self, kinds: tuple[str, ...]) -> int:
        """Delete results of some kinds; returns the bytes that were freed."""
        freed = 0
        for entry in self.entries():
            if entry.kind in kinds:
                entry.path.unlink(missing_ok=True)
                freed += entry.size
        return freed
