"""Goes through data sets of any size in batches, on one core or several."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgf_keras.datasets.morphology.checks import check_images, check_indices, check_num_jobs
from rgf_keras.datasets.morphology.measurements import Measurements
from rgf_keras.datasets.morphology.shapes import Morphology
from rgf_keras.errors import ArgumentError
from rgf_keras.runtime.progress import Progress

# Images per batch: enough for the medial axis to be fast, and some 150 MB per process.
_BATCH = 1024


def apply_in_batches(
    images: NDArray[np.uint8] | Morphology,
    function: Callable[..., Any],
    per_image: Mapping[str, NDArray | None],
    indices: ArrayLike | None,
    num_jobs: int,
    progress: Progress,
) -> Any:
    """``function(shapes, **per_image)`` for every batch, results joined along their first axis.

    per_image holds arguments with one row per image, or None, that are split like the images.
    """
    if isinstance(images, Morphology):
        if indices is not None:
            raise ArgumentError(
                "indices must be None with a Morphology; give them to Morphology.of"
            )
        return function(images, **per_image)
    images = check_images(images)
    rows = {name: array for name, array in per_image.items() if array is not None}
    rows |= {"images": images, "indices": check_indices(indices, len(images))}
    num_jobs = check_num_jobs(num_jobs)
    size = min(_BATCH, -(-len(images) // joblib.effective_n_jobs(num_jobs)) or 1)
    starts = range(0, max(len(images), 1), size)
    # One job or one batch needs no processes.
    parallel = joblib.Parallel(num_jobs if len(starts) > 1 else 1, return_as="generator")
    tasks = (
        joblib.delayed(_apply)(
            function, {name: array[start : start + size] for name, array in rows.items()}
        )
        for start in starts
    )
    results = []
    for start, result in zip(starts, parallel(tasks), strict=True):
        results.append(result)
        progress(min(start + size, len(images)), len(images))
    return _join(results)


def _apply(function: Callable[..., Any], rows: dict[str, NDArray]) -> Any:
    return function(Morphology.of(rows.pop("images"), rows.pop("indices")), **rows)


def _join(parts: Sequence[Any]) -> Any:
    """Arrays joined along their first axis, also within mappings and Measurements."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {name: _join([part[name] for part in parts]) for name in first}
    if isinstance(first, Measurements):
        names = [item.name for item in fields(Measurements)]
        return Measurements(*(_join([getattr(part, name) for part in parts]) for name in names))
    return np.concatenate(parts)
