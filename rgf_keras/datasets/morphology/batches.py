"""Goes through data sets of any size in batches, on one core or several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rgf_keras.datasets.morphology.checks import (
    checked_images,
    checked_indices,
    checked_num_jobs,
)
from rgf_keras.datasets.morphology.measurements import Measurements
from rgf_keras.datasets.morphology.shapes import Morphology
from rgf_keras.errors import RgfError

Progress = Callable[[int, int], object]

# Images per batch: enough for the medial axis to be fast, and some 150 MB per process.
_BATCH = 1024


def apply_in_batches(
    images: NDArray[np.uint8] | Morphology,
    function: Callable[..., Any],
    per_image: Mapping[str, NDArray | None],
    indices: ArrayLike | None,
    num_jobs: int,
    progress: Progress | None,
) -> Any:
    """``function(shapes, **per_image)`` for every batch, results joined along their first axis.

    per_image holds arguments with one row per image, or None, that are split like the images.
    """
    if isinstance(images, Morphology):
        if indices is not None:
            raise RgfError("indices must be None with a Morphology; give them to Morphology.of")
        return function(images, **per_image)
    images = checked_images(images)
    indices = checked_indices(indices, len(images))
    num_jobs = checked_num_jobs(num_jobs)
    size = min(_BATCH, -(-len(images) // joblib.effective_n_jobs(num_jobs)) or 1)
    parts = [slice(start, start + size) for start in range(0, max(len(images), 1), size)]
    tasks = [
        partial(
            _one_batch,
            function,
            images[part],
            indices[part],
            {name: rows if rows is None else rows[part] for name, rows in per_image.items()},
        )
        for part in parts
    ]
    results = []
    for part, result in zip(parts, _run(tasks, num_jobs), strict=True):
        results.append(result)
        if progress is not None:
            progress(min(part.stop, len(images)), len(images))
    return _joined(results)


def _one_batch(
    function: Callable[..., Any],
    images: NDArray[np.uint8],
    indices: NDArray[np.int64],
    per_image: dict[str, NDArray | None],
) -> Any:
    return function(Morphology.of(images, indices), **per_image)


def _run(tasks: Sequence[Callable[[], Any]], num_jobs: int) -> Iterator[Any]:
    """Results in the order of the tasks, as they arrive."""
    if num_jobs == 1 or len(tasks) == 1:
        return (task() for task in tasks)
    return joblib.Parallel(n_jobs=num_jobs, return_as="generator")(
        joblib.delayed(task)() for task in tasks
    )


def _joined(parts: Sequence[Any]) -> Any:
    """Arrays joined along their first axis, also within mappings and Measurements."""
    first = parts[0]
    if isinstance(first, Mapping):
        return {name: _joined([part[name] for part in parts]) for name in first}
    if isinstance(first, Measurements):
        names = [item.name for item in fields(Measurements)]
        return Measurements(*(_joined([getattr(part, name) for part in parts]) for name in names))
    return np.concatenate(parts)
