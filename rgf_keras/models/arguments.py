"""Checks of arguments: what a model cannot take is named before anything is built."""

import math
from collections.abc import Collection

from rgf_keras.errors import unknown_name
from rgf_keras.image_sizes import require as require


def require_range(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raises an ArgumentError unless the value lies in [low, high)."""
    span = f"be at least {low}" if high == math.inf else f"lie in [{low}, {high})"
    require(low <= value < high, f"{name} must {span}, received {value}")


def require_choice(what: str, name: str, known: Collection[str]) -> None:
    """Raises an ArgumentError unless the name is a known one."""
    if name not in known:
        raise unknown_name(what, name, known)
