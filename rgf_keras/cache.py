"""Results kept on disk under a hash of everything they depend on."""

import contextlib
import hashlib
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from rgf_keras import archive, outputs
from rgf_keras.errors import RgfError
from rgf_keras.runtime import locks

logger = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]

RESULTS_SINCE = "0.1.0"  # the version whose results are those of this one
DEFAULT_GB, DAY = "20", 24 * 3600
UNFINISHED = "unfinished"  # the kind of what is no result yet


def key_of(description: dict[str, Any]) -> str:
    """A short hash (16 hex digits) of JSON-able values."""
    text = json.dumps(description, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _most_bytes() -> float:
    given = os.environ.get("RGF_CACHE_GB") or DEFAULT_GB
    try:
        return int(float(given) * 1e9)
    except (ValueError, OverflowError):
        reason = f"RGF_CACHE_GB must be a number of gigabytes, received '{given}'"
        raise RgfError(reason) from None


@dataclass(frozen=True)
class Entry:
    """A result in the cache: its kind, its size in bytes, and when it was last used."""

    path: Path
    kind: str
    size: int
    used: float


class Cache:
    """A folder of archives. What versions stored whose results were others is not used.

    When it has grown beyond :attr:`max_bytes`, what was not used for longest is deleted.

    Args:
        folder: ``$RGF_CACHE_DIR``, else one in the system's cache folder that other users cannot
            read, if None.
        bounded: False for results that are to stay, such as a run's own.

    Attributes:
        max_bytes: how large it may become: ``$RGF_CACHE_GB``, else 20 GB.

    Raises:
        RgfError: there is no home folder, or ``$RGF_CACHE_GB`` is no number.
    """

    def __init__(self, folder: str | Path | None = None, bounded: bool = True):
        self.max_bytes = _most_bytes() if bounded else math.inf
        given = folder or os.environ.get("RGF_CACHE_DIR")
        if given:
            self.folder = Path(given)
            return
        try:
            self.folder = Path(platformdirs.user_cache_dir("rgf_keras"))
            with contextlib.suppress(PermissionError):  # whoever writes is told
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except (RuntimeError, OSError) as error:
            reason = f"there is no home folder to keep results in ({error})"
            raise RgfError(f"{reason}; set RGF_CACHE_DIR") from None

    def path(self, kind: str, description: dict[str, Any]) -> Path:
        """Where a result is or would be kept.

        Args:
            kind: what it is, e.g. ``"oracle"``; no hyphens.
            description: all it depends on, JSON-able.
        """
        key = key_of({"kind": kind, "version": RESULTS_SINCE, **description})
        return self.folder / f"{kind}-{key}.npz"

    def load(self, kind: str, description: dict[str, Any]) -> Arrays | None:
        """A result, or None if there is none or its file is damaged."""
        path = self.path(kind, description)
        if not path.exists():
            return None
        with contextlib.suppress(OSError):  # somebody else's, which may be used all the same
            os.utime(path)
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
        path = archive.save(self.path(kind, description), arrays, header, compress=True)
        self._trim(path)

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
        """What the cache holds: results, and the checkpoints of trainings under way."""
        for path in sorted(self.folder.glob("[!.]*-*")):  # not what is being written
            with contextlib.suppress(FileNotFoundError):  # it has been cleared since
                known = path.stat()
                if path.is_dir():
                    yield Entry(path, UNFINISHED, outputs.size(path), known.st_mtime)
                elif path.suffix == ".npz":
                    kind = path.name.split("-")[0]
                    yield Entry(path, kind, known.st_size, known.st_mtime)

    def clear(self, kinds: tuple[str, ...]) -> int:
        """Delete results of some kinds, and what processes that were killed have left.

        Returns:
            The bytes that were freed.
        """
        freed = outputs.sweep(self.folder)
        for path in self.folder.glob(".*"):  # earlier versions wrote beside what they replaced
            if path.is_file() and time.time() - path.stat().st_mtime > DAY:
                freed += path.stat().st_size
                path.unlink(missing_ok=True)
        for entry in self.entries():
            if entry.kind in kinds:
                self._delete(entry)
                freed += entry.size
        return freed

    def _trim(self, newest: Path) -> None:
        """Delete what was not used for longest while there is too much."""
        entries = list(self.entries())
        excess = sum(entry.size for entry in entries) - self.max_bytes
        for entry in sorted(entries, key=lambda entry: entry.used):
            if excess > 0 and entry.path != newest:
                self._delete(entry)
                excess -= entry.size

    def _delete(self, entry: Entry) -> None:
        if entry.kind == UNFINISHED:  # a training that is under way writes another
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            entry.path.unlink(missing_ok=True)
