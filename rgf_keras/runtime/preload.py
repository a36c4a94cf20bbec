"""Imported by the process that workers are forked from; calls what ``RGF_PRELOAD`` names there.

What it imports is imported for all of them: a worker starts in a tenth of a second, not in five.
Nothing may be computed there, for backends do not survive a fork.
"""

import gc
import importlib
import os
from collections.abc import Callable

VARIABLE = "RGF_PRELOAD"


def name_of(function: Callable[[], None]) -> str:
    """What the variable must be for a function of a module to be called."""
    return f"{function.__module__}:{function.__qualname__}"


target = os.environ.pop(VARIABLE, "")
IS_PREPARING = bool(target)  # a process that others are forked from
if target:
    module, _, name = target.partition(":")
    getattr(importlib.import_module(module), name)()
    gc.freeze()  # what is collected is written to, and would be copied for every worker
