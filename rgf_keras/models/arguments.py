"""Checks of arguments: what a model cannot take is named before anything is built."""

import math
from collections.abc import Iterable
from typing import Any

from rgf_keras.errors import ArgumentError, did_you_mean


def require(condition: Any, message: str) -> None:
    """Raises an ArgumentError with this message if the condition does not hold."""
    if not condition:
        raise ArgumentError(message)


def require_range(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Raises an ArgumentError unless the value lies in [low, high)."""
    span = f"be at least {low}" if high == math.inf else f"lie in [{low}, {high})"
    require(low <= value < high, f"{name} must {span}, received {value}")


def require_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raises an ArgumentError that lists the choices if the value is none of them."""
    known = list(choices)
    message = f"{name} must be one of {', '.join(known)}, received '{value}'"
    require(value in known, message + did_you_mean(str(value), known))
