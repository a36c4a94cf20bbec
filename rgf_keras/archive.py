"""Archives of arrays on disk: atomic, checksummed, never pickled.

An archive is an ordinary ``.npz`` file with one extra member, ``__header__``: UTF-8 JSON that holds
what the caller wants to remember plus the SHA-256 of everything else.
"""

import hashlib
import json
import lzma
import os
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rgf_keras import outputs
from rgf_keras.errors import RgfError

_HEADER = "__header__"

# What numpy.load raises for files that are damaged or something else altogether.
DAMAGED = (
    *(OSError, ValueError, LookupError, EOFError, TypeError, RuntimeError, ArithmeticError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(SyntaxError, tokenize.TokenError, MemoryError),  # headers that say impossible things
)


def digest(arrays: Mapping[str, np.ndarray], header: Mapping[str, Any] | None = None) -> str:
    """SHA-256 (hex) of named arrays (values, shapes, dtypes) and a JSON-able header."""
    sha = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha.update(f"{name}|{array.dtype.str}|{array.shape}|".encode())
        sha.update(array.data if array.size else b"")
    sha.update(json.dumps(header or {}, sort_keys=True).encode())
    return sha.hexdigest()


def save(
    path: str | Path,
    arrays: Mapping[str, np.ndarray],
    header: Mapping[str, Any] | None = None,
    compress: bool = False,
) -> Path:
    """Write an archive: a reader sees the old file or the new one, never half of one.

    Args:
        path: where to write; parent folders are made.
        arrays: named arrays of any shape and dtype but object.
        header: JSON-able values kept beside the arrays.
        compress: deflate the members.

    Raises:
        RgfError: the file cannot be written (disk full, read-only folder).
    """
    path = Path(path)
    stored = {"header": dict(header or {}), "sha256": digest(arrays, header)}
    members = {**arrays, _HEADER: np.frombuffer(json.dumps(stored).encode(), np.uint8)}
    with outputs.replacing(path) as temporary, open(temporary, "wb") as file:
        (np.savez_compressed if compress else np.savez)(file, **members)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    return path


def load(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read an archive and check it.

    Returns:
        The arrays by name, and the header.

    Raises:
        RgfError: the file is missing, is no archive, or does not match its checksum.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if _HEADER not in arrays:
            raise RgfError(f"{path} is corrupt or no archive of rgf_keras; name another file")
        stored = json.loads(arrays.pop(_HEADER).tobytes())
        header, expected = stored["header"], stored["sha256"]
    except FileNotFoundError:
        raise RgfError(f"{path} does not exist") from None
    except DAMAGED as error:
        raise RgfError(
            f"{path} is corrupt or truncated; make it again, or name another file"
        ) from error
    if digest(arrays, header) != expected:
        raise RgfError(f"{path} does not match its checksum; make it again, or name another file")
    return arrays, header
