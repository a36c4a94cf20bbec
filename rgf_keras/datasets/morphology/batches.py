"""Goes through data sets of any size in batches, on one core or several."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgf_keras.datasets.morphology.checks import check_images, check_indices, check_num_jobs
from rgf_keras.datasets.morphology.shapes import Morphology
from rgf_keras.runtime.progress import SILENT, Progress

Digits = NDArray[np.uint8] | Morphology

# Images per batch: enough for the medial axis to be fast, and some 150 MB per process.
_BATCH = 1024


def apply(
    images: NDArray[np.uint8],
    functions: Mapping[str, Callable[[Morphology], Any]],
    indices: ArrayLike | None = None,
    *,
    num_jobs: int = 1,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Apply several functions to digits, with the stages that they share done once.

    Args:
        images: (N, 28, 28) uint8.
        functions: by name, what is called with a `Morphology` of each batch and returns an array of
            N rows or `Measurements`: `thin`, `measure`, ``partial(swell, seed=1)`` and so on.
        indices, num_jobs, progress: see :mod:`rgf_keras.datasets.morphology`.

    Returns:
        What each function gives for all images, by name.
    """
    function = partial(_apply_each, functions=dict(functions))
    return apply_in_batches(images, function, indices, num_jobs, progress)


def apply_in_batches(
    images: NDArray[np.uint8],
    function: Callable[..., Any],
    indices: ArrayLike | None,
    num_jobs: int,
    progress: Progress,
    **per_image: NDArray | None,
) -> Any:
    """``function(shapes, **per_image)`` for every batch, results joined along their first axis.

    Arguments that have one row per image are split like the images; None is left out.
    """
    rows = {name: array for name, array in per_image.items() if array is not None}
    rows |= {"images": check_images(images), "indices": check_indices(indices, len(images))}
    num_jobs = check_num_jobs(num_jobs)
    size = min(_BATCH, -(-len(images) // joblib.effective_n_jobs(num_jobs)) or 1)
    starts = range(0, max(len(images), 1), size)
    # One batch needs no processes.
    parallel = joblib.Parallel(num_jobs if len(starts) > 1 else 1, return_as="generator")
    batches = ({name: x[start : start + size] for name, x in rows.items()} for start in starts)
    results = []
    tasks = (joblib.delayed(_apply)(function, batch) for batch in batches)
    for start, result in zip(starts, parallel(tasks), strict=True):
        results.append(result)
        progress(min(start + size, len(images)), len(images))
    return _join(results)


def _apply(function: Callable[..., Any], rows: dict[str, NDArray]) -> Any:
    return function(Morphology.of(rows.pop("images"), rows.pop("indices")), **rows)


def _apply_each(
    shapes: Morphology, functions: dict[str, Callable[[Morphology], Any]]
) -> dict[str, Any]:
    return {name: function(shapes) for name, function in functions.items()}


def _join(parts: Sequence[Any]) -> Any:
    """Arrays joined along their first axis, also within mappings and dataclasses."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {name: _join([part[name] for part in parts]) for name in first}
    if is_dataclass(first) and not isinstance(first, type):
        names = [item.name for item in fields(first)]
        return type(first)(*(_join([getattr(part, name) for part in parts]) for name in names))
    return np.concatenate(parts)
