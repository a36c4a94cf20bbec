"""Factors: properties that can be planted in images."""

from collections.abc import Mapping
from dataclasses import fields

from rgf_keras.datasets.factors.base import Factor, Progress
from rgf_keras.datasets.factors.colour import Colour
from rgf_keras.datasets.factors.plain import Plain
from rgf_keras.datasets.factors.shape import (
    Fracture,
    ShapeFactor,
    Swelling,
    Thickening,
    Thinning,
    prepare,
)
from rgf_keras.errors import RgfError

__all__ = [
    "FACTORS",
    "Colour",
    "Factor",
    "Fracture",
    "Plain",
    "Progress",
    "ShapeFactor",
    "Swelling",
    "Thickening",
    "Thinning",
    "factor",
    "prepare",
    "shape_factors",
]

FACTORS: dict[str, type] = {
    "colour": Colour,
    "thinning": Thinning,
    "thickening": Thickening,
    "swelling": Swelling,
    "fracture": Fracture,
    "none": Plain,
}


def shape_factors() -> tuple[str, ...]:
    """Names of the factors that change the shape of digits."""
    return tuple(name for name, kind in FACTORS.items() if issubclass(kind, ShapeFactor))


def factor(name: str, parameters: Mapping[str, object] | None = None) -> Factor:
    """A factor by its name.

    Args:
        name: ``"colour"``, ``"thinning"``, ``"thickening"``, ``"swelling"``, ``"fracture"`` or
            ``"none"``.
        parameters: the factor's own arguments, e.g. ``{"rare": "blue"}`` or ``{"amount": 0.5}``.

    Raises:
        RgfError: unknown name or parameter, or a bad value.
    """
    if name not in FACTORS:
        raise RgfError(f"unknown factor '{name}'; known: {', '.join(FACTORS)}")
    try:
        return FACTORS[name](**(parameters or {}))
    except TypeError:
        known = [item.name for item in fields(FACTORS[name]) if item.name != "name"]
        raise RgfError(
            f"factor '{name}' has the parameters {', '.join(known)}; "
            f"received {', '.join(parameters or {})}"
        ) from None
