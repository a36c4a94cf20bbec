"""Measure how much an image generator memorizes, and search the mitigation that helps most.

Importing this package imports neither Keras nor a backend: set ``KERAS_BACKEND`` first, then use
the subpackage you need (``datasets``, ``models``, ``training``, ``metrics``, ``experiments``),
which is imported then. :func:`audit` is here too.
"""

import importlib
import pkgutil
from typing import Any

__version__ = "0.2.0"

# Functions that are imported when they are first used, by the module that they are in.
LAZY = {"audit": "reports.audit"}


def __dir__() -> list[str]:
    return [*globals(), *LAZY, *(module.name for module in pkgutil.iter_modules(__path__))]


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name not in __dir__():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in LAZY:
        return getattr(importlib.import_module(f"{__name__}.{LAZY[name]}"), name)
    return importlib.import_module(f"{__name__}.{name}")
