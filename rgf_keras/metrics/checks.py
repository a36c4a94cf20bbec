"""What features, counts and shares must be; each error is one line that names what is not."""

import math
from collections.abc import Iterator, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from rgf_keras.errors import ArgumentError

PIECE = 2**17  # numbers that are looked at together, for the cache
LARGEST = 1e100  # feature, so that squares stay finite
NUMBERS = "fiub"  # kinds of dtype
SEEDS = 2**32  # of scikit-learn; NumPy takes more


def check_features(*, largest: float = LARGEST, **features: np.ndarray) -> list[np.ndarray]:
    """The named features as arrays, none of them beyond ``largest`` in size.

    Raises:
        ArgumentError: one is not (n, d), empty, not finite, too large, or of another width than the
            first.
    """
    arrays = [_as_array(name, values) for name, values in features.items()]
    for name, array in zip(features, arrays, strict=True):
        if array.ndim != 2 or array.dtype.kind not in NUMBERS:
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
        reached = 0.0
        for piece in (array[some] for some in pieces):
            low, high = float(piece.min()), float(piece.max())
            if not (math.isfinite(low) and math.isfinite(high)):
                raise ArgumentError(
                    f"{name} must be finite, received NaN or infinity; drop such rows"
                )
            reached = max(reached, -low, high)
        if reached > largest:
            raise ArgumentError(f"{name} reach {reached:.0e}; scale them to below {largest:.0e}")
    return arrays


def check_numbers(
    low: float = -math.inf, high: float = math.inf, *, missing: bool = False, **values: Any
) -> list[np.ndarray]:
    """The named numbers as float64 arrays.

    Args:
        low, high: the range they lie in, ends included.
        missing: whether they are results of tests, which are NaN where there are too few samples
            and can be infinite within the range.
        values: of any shape.

    Raises:
        ArgumentError: one is no array of numbers, or a number is outside or not finite.
    """
    checked = []
    for name, each in values.items():
        array = _as_array(name, each)
        if array.dtype.kind not in NUMBERS:
            raise ArgumentError(f"{name} must be numbers, received {array.shape} {array.dtype}")
        array = array.astype(np.float64)
        good = (array >= low) & (array <= high) & (missing | np.isfinite(array))
        bad = array[~(good | (missing & np.isnan(array)))]
        if bad.size:
            raise ArgumentError(f"{name} must {_span(low, high)}, received {bad[0]:g}")
        checked.append(array)
    return checked


def check_counts(**counts: Any) -> list[np.ndarray]:
    """The named counts as float64 arrays, which hold them exactly.

    Raises:
        ArgumentError: one is no array of numbers in [0, 2⁵³].
    """
    return check_numbers(0, 2.0**53, **counts)


def broadcast(**arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """The named arrays in one shape.

    Raises:
        ArgumentError: they have none in common.
    """
    try:
        return np.broadcast_arrays(*arrays.values())
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ArgumentError(f"shapes do not go together: {shapes}") from None


def check_labels(
    name: str, labels: np.ndarray, count: int, num_values: int | None = None
) -> np.ndarray:
    """Labels as an array.

    Raises:
        ArgumentError: they are not (count,) integers, or not in [0, num_values) if that is given.
    """
    labels = _as_array(name, labels)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        received = f"{labels.shape} {labels.dtype}"
        raise ArgumentError(f"{name} must be ({count},) integers, received {received}")
    if num_values is not None and count and not 0 <= labels.min() <= labels.max() < num_values:
        received = f"{labels.min()} to {labels.max()}"
        raise ArgumentError(f"{name} must lie in [0, {num_values - 1}], received {received}")
    return labels


def check_labelled_sets(
    names: Sequence[str], sets: Sequence[np.ndarray], suffix: str, labels: Sequence[np.ndarray]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Features of several sets and their labels, which errors call NAME_SUFFIX.

    Raises:
        ArgumentError: as :func:`check_features` and :func:`check_labels`.
    """
    named: dict[str, Any] = dict(zip(names, sets, strict=True))
    arrays = check_features(**named)
    return [
        (features, check_labels(f"{name}_{suffix}", own, len(features)))
        for name, features, own in zip(names, arrays, labels, strict=True)
    ]


def check_integers(**counts: int) -> None:
    """Raises an ArgumentError for a count that is no integer."""
    for name, count in counts.items():
        if not isinstance(count, Integral) or isinstance(count, bool):
            raise ArgumentError(f"{name} must be an integer, received {count!r}")


def check_at_least(least: int, **counts: int) -> None:
    """Raises an ArgumentError for a count that is smaller, or no integer."""
    check_integers(**counts)
    for name, count in counts.items():
        if count < least:
            raise ArgumentError(f"{name} must be at least {least}, received {count}")


def check_share(**shares: float) -> None:
    """Raises an ArgumentError for a share that is not in (0, 1)."""
    for name, share in shares.items():
        if not isinstance(share, Real) or not 0 < share < 1:
            raise ArgumentError(f"{name} must lie in (0, 1), received {share!r}")


def random(seed: int) -> np.random.Generator:
    """Random numbers of a seed.

    Raises:
        ArgumentError: it is no integer in [0, 2³²).
    """
    check_at_least(0, seed=seed)
    if seed >= SEEDS:
        raise ArgumentError(f"seed must be below 2³², received {seed}")
    return np.random.default_rng(seed)


def slices(total: int, step: int) -> Iterator[slice]:
    """Consecutive parts of so many rows, each of at most ``step``."""
    return (slice(start, min(start + step, total)) for start in range(0, total, step))


def _as_array(name: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except (TypeError, ValueError):  # e.g. rows of different lengths
        received = type(values).__name__
        raise ArgumentError(f"{name} must be an array of numbers, received {received}") from None


def _span(low: float, high: float) -> str:
    if low == -math.inf and high == math.inf:
        return "be finite"
    return f"be finite and at least {low:g}" if high == math.inf else f"lie in [{low:g}, {high:g}]"
