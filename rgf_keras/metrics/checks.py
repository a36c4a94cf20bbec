"""What features, counts and shares must be; each error is one line that names what is not."""

from collections.abc import Iterator

import numpy as np

from rgf_keras.errors import ArgumentError

PIECE = 2**17  # numbers that are looked at together, for the cache


def check_features(**features: np.ndarray) -> list[np.ndarray]:
    """The named features as arrays.

    Raises:
        ArgumentError: one is not (n, d), empty, not finite, or of another width than the first.
    """
    arrays = [np.asarray(values) for values in features.values()]
    for name, array in zip(features, arrays, strict=True):
        if array.ndim != 2 or array.dtype.kind not in "fiub":
            received = f"{array.shape} {array.dtype}"
            raise ArgumentError(f"{name} must be (n, d) features, received {received}")
        if not array.size:
            raise ArgumentError(f"{name} {array.shape} holds no features; give at least one row")
        if array.shape[1] != arrays[0].shape[1]:
            first = f"{next(iter(features))} {arrays[0].shape}"
            raise ArgumentError(
                f"features differ in width: {first} and {name} {array.shape}; use one extractor"
            )
        pieces = slices(len(array), max(PIECE // array.shape[1], 1))
        if not all(np.isfinite(array[piece]).all() for piece in pieces):
            raise ArgumentError(f"{name} must be finite, received NaN or infinity; drop such rows")
    return arrays


def check_labels(name: str, labels: np.ndarray, count: int) -> np.ndarray:
    """Labels as an array.

    Raises:
        ArgumentError: they are not (count,) integers.
    """
    labels = np.asarray(labels)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        received = f"{labels.shape} {labels.dtype}"
        raise ArgumentError(f"{name} must be ({count},) integers, received {received}")
    return labels


def check_at_least(least: int, **counts: int) -> None:
    """Raises an ArgumentError for a count that is smaller."""
    for name, count in counts.items():
        if count < least:
            raise ArgumentError(f"{name} must be at least {least}, received {count}")


def check_share(**shares: float) -> None:
    """Raises an ArgumentError for a share that is not in (0, 1)."""
    for name, share in shares.items():
        if not 0 < share < 1:
            raise ArgumentError(f"{name} must lie in (0, 1), received {share}")


def slices(total: int, step: int) -> Iterator[slice]:
    """Consecutive parts of so many rows, each of at most ``step``."""
    return (slice(start, min(start + step, total)) for start in range(0, total, step))
