"""Factors: properties that can be planted in images."""

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from rgf_keras import plugins
from rgf_keras.datasets.factors.base import Factor, Plain
from rgf_keras.datasets.factors.colour import Colour
from rgf_keras.datasets.factors.shape import (
    Fracture,
    ShapeFactor,
    Swelling,
    Thickening,
    Thinning,
)
from rgf_keras.errors import ArgumentError, RgfError, did_you_mean
from rgf_keras.runtime import progress

# By name; the one list of what is built in.
FACTORS: dict[str, Callable[..., Factor]] = {
    "colour": Colour,
    "thinning": Thinning,
    "thickening": Thickening,
    "swelling": Swelling,
    "fracture": Fracture,
    "none": Plain,
}


def shape_factors() -> tuple[str, ...]:
    """Names of the factors that change the shape of digits.

    >>> shape_factors()
    ('thinning', 'thickening', 'swelling', 'fracture')
    """
    return tuple(
        name
        for name, kind in FACTORS.items()
        if isinstance(kind, type) and issubclass(kind, ShapeFactor)
    )


def factor(name: str, parameters: Mapping[str, object] | None = None) -> Factor:
    """A factor by its name.

    Args:
        name: a key of ``FACTORS``, or a guest's, see :mod:`rgf_keras.plugins`: a class or a
            function that makes a :class:`Factor`.
        parameters: the factor's own arguments, e.g. ``{"rare": "blue"}`` or ``{"amount": 0.5}``.

    Raises:
        ArgumentError: unknown name or parameter, or a bad value.
        RgfError: a guest's code fails or makes something else.

    >>> factor("colour", {"rare": "blue"}).values
    ('red', 'blue')
    """
    make, given = plugins.resolve("factors", name, FACTORS), dict(parameters or {})
    if not callable(make):
        raise ArgumentError(f"'{name}' is a {type(make).__name__}; {_NEEDED}")
    signature = inspect.signature(make)
    try:
        signature.bind(**given)
    except TypeError:
        known = [parameter for parameter in signature.parameters if parameter != "name"]
        wrong = next((parameter for parameter in given if parameter not in known), "")
        raise ArgumentError(
            f"factor '{name}' has the parameters {', '.join(known)}; received "
            f"{', '.join(given) or 'none'}{did_you_mean(wrong, known)}"
        ) from None
    made = plugins.attempt(name, make, **given)
    if not _is_factor(made):
        raise RgfError(f"'{name}' makes a {type(made).__name__}; {_NEEDED}")
    return made


_NEEDED = (
    "it must make a factor: an object with a name, values (a tuple of names, the rare one last) "
    "and apply(images, assignment, indices, seed, cache, progress)"
)


def _is_factor(made: object) -> bool:
    values = getattr(made, "values", None)
    has_names = isinstance(values, tuple) and all(isinstance(each, str) for each in values)
    has_name = isinstance(getattr(made, "name", None), str)
    return bool(values) and has_names and has_name and callable(getattr(made, "apply", None))


def __getattr__(name: str) -> Any:
    if name != "Progress":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    message = "rgf_keras.datasets.factors.Progress is now rgf_keras.runtime.progress.Progress"
    warnings.warn(message, DeprecationWarning, stacklevel=2)
    return progress.Progress
