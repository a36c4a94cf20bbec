"""JSON as every reader takes it: numbers that are not finite are null, which Python's are not."""

import json
import math
from collections.abc import Mapping
from typing import Any


def dumps(value: Any, indent: int | None = None) -> str:
    """A value of dictionaries, lists, texts, numbers, booleans and None as JSON.

    >>> dumps({"gap": 0.5, "bounds": (float("-inf"), float("nan"))})
    '{"gap": 0.5, "bounds": [null, null]}'
    """
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value  # NumPy's
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
