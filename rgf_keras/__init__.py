"""Measure how much an image generator memorizes, and search the mitigation that helps most.

Importing this package imports neither Keras nor a backend: set ``KERAS_BACKEND`` first, then use
the subpackage you need (``datasets``, ``models``, ``training``, ``metrics``, ``experiments``),
which is imported then.
"""

import importlib
import pkgutil
from typing import Any

__version__ = "0.1.0"


def __dir__() -> list[str]:
    return [*globals(), *(module.name for module in pkgutil.iter_modules(__path__))]


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in __dir__():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")
