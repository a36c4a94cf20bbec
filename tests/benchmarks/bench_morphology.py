"""Times the batched Morpho-MNIST pipeline against one image at a time in scikit-image.

    OMP_NUM_THREADS=1 taskset -c 0 python tests/benchmarks/bench_morphology.py
    python tests/benchmarks/bench_morphology.py --mnist mnist.npz --num-jobs 2

The first form compares, on one core, each perturbation from the image to its result with a plain
transcription of the pipeline that does the same. The second applies four perturbations to all
60,000 training images of an mnist.npz and reports time and peak memory.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when NumPy loads its BLAS

import numpy as np
from joblib.externals.loky import get_reusable_executor
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from scipy import ndimage
from skimage import draw, morphology, transform

from rgf_keras.datasets import morphology as batched

GOLDEN = Path(__file__).parents[1] / "golden" / "morpho_mnist.npz"
REQUIRED_SPEED_UP = {"thin": 20, "thicken": 20, "swell": 10, "fracture": 10}
FOUR_FACTORS: dict[str, Callable[[batched.Morphology], NDArray[np.uint8]]] = {
    "thinning": batched.thin,
    "thickening": batched.thicken,
    "swelling": batched.swell,
    "fracture": batched.fracture,
}


class PerImage:
    """One image's way to its skeleton, and the perturbations, as the specification reads."""

    def __init__(self, image: NDArray[np.uint8]) -> None:
        large = (255 * transform.pyramid_expand(image, upscale=4, order=3)).astype(np.uint8)
        self.grey = large
        self.ink = large >= int(large.min()) + 0.5 * (int(large.max()) - int(large.min()))
        self.skeleton, self.distance = morphology.medial_axis(
            self.ink, return_distance=True, rng=42
        )
        self.thickness = 2 * self.distance[self.skeleton].mean() / 4

    @staticmethod
    def reduced(ink: NDArray[np.bool_]) -> NDArray[np.uint8]:
        return (255 * transform.pyramid_reduce(ink, downscale=4, order=3)).astype(np.uint8)

    def disk(self, amount: float) -> NDArray[np.uint8]:
        return morphology.disk(int(amount * 4 * self.thickness / 2))

    def thin(self) -> NDArray[np.uint8]:
        return self.reduced(morphology.erosion(self.ink, self.disk(0.7)))

    def thicken(self) -> NDArray[np.uint8]:
        return self.reduced(morphology.dilation(self.ink, self.disk(1.0)))

    def swell(self, centre: NDArray[np.integer] | None = None) -> NDArray[np.uint8]:
        row, column = drawn(self.skeleton, 1)[0] if centre is None else centre
        radius = 4 * 7 * np.sqrt(self.thickness) / 2

        def source(places: NDArray[np.float64]) -> NDArray[np.float64]:
            offset = places - (column, row)
            distance = np.hypot(*offset.T)
            weight = np.where(distance > radius, 1, (distance / radius) ** 2)
            return (column, row) + weight[:, np.newaxis] * offset

        return self.reduced(transform.warp(self.ink, source))

    def fracture(self, centres: NDArray[np.integer] | None = None) -> NDArray[np.uint8]:
        if centres is None:
            pruned = without(self.skeleton, lambda neighbours: neighbours == 1)
            pruned = without(pruned, lambda neighbours: neighbours >= 3)
            centres = drawn(pruned if pruned.any() else self.skeleton, 3)
        brush = ~morphology.disk(3).astype(bool)
        canvas = np.pad(self.ink, 6)  # cuts lie three pixels above and to the left of their lines
        for row, column in centres:
            square = np.s_[max(row - 8, 0) : row + 9, max(column - 8, 0) : column + 9]
            y, x = np.nonzero(self.skeleton[square])
            y, x = y - y.mean(), x - x.mean()
            across = np.arctan2(2 * (x * y).sum(), (x**2 - y**2).sum()) / 2 + np.pi / 2
            reach = (self.distance[row, column] + 2) * np.array([np.sin(across), np.cos(across)])
            start, end = (np.array((row, column)) + sign * reach for sign in (1, -1))
            for i, j in zip(*draw.line(*start.astype(int), *end.astype(int)), strict=True):
                canvas[i : i + 7, j : j + 7] &= brush
        return self.reduced(canvas[6:-6, 6:-6])


def drawn(candidates: NDArray[np.bool_], num: int) -> NDArray[np.intp]:
    places = np.argwhere(candidates)
    return places[np.random.default_rng(0).integers(len(places), size=num)]


def without(
    skeleton: NDArray[np.bool_], choose: Callable[[NDArray[np.uint8]], NDArray[np.bool_]]
) -> NDArray[np.bool_]:
    pixels = skeleton.astype(np.uint8)
    neighbours = ndimage.correlate(pixels, np.ones((3, 3)), mode="constant") - pixels
    marked = skeleton & choose(neighbours)
    return skeleton & ~morphology.dilation(marked, morphology.disk(8))


def compare(images: NDArray[np.uint8], num_baseline: int) -> bool:
    """Print milliseconds per image of both, from the image on; whether all are fast enough."""
    table = Table("perturbation", "scikit-image ms", "batched ms", "speed-up", "required")
    fast_enough = True
    for name, required in REQUIRED_SPEED_UP.items():
        function = getattr(batched, name)
        function(images[:64])  # matrices and tables are made once per process
        baseline = timed(partial(one_at_a_time, images[:num_baseline], name))
        ours = timed(partial(function, images))
        ratio = (baseline / num_baseline) / (ours / len(images))
        fast_enough &= ratio >= required
        per_image = (f"{1000 * baseline / num_baseline:.1f}", f"{1000 * ours / len(images):.3f}")
        table.add_row(name, *per_image, f"{ratio:.0f}x", f"{required}x")
    Console().print(table)
    return fast_enough


def one_at_a_time(images: NDArray[np.uint8], name: str) -> None:
    for image in images:
        getattr(PerImage(image), name)()


def timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def full_set(path: Path, num_jobs: int) -> None:
    """Four perturbations of all training images; time, and the largest resident memory."""
    with np.load(path) as data:
        images = data["x_train"]
    columns = (*Progress.get_default_columns()[:3], TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns) as bars:
        bar = bars.add_task("four factors", total=len(images))
        seconds = timed(
            lambda: batched.apply(
                images,
                FOUR_FACTORS,
                num_jobs=num_jobs,
                progress=lambda done, total: bars.update(bar, completed=done, total=total),
            )
        )
    get_reusable_executor().shutdown(wait=True)  # a worker's memory is known once it has ended
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**10
    print(f"{len(images)} images, {num_jobs} jobs: {seconds:.1f} s", end="; ")
    print(f"peak MB {peak:.0f} here, {workers:.0f} in the largest worker")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-baseline", type=int, default=40, help="images done one at a time")
    parser.add_argument("--num-images", type=int, default=1000, help="images done batched")
    parser.add_argument("--mnist", type=Path, help="an mnist.npz, to time its 60,000 images")
    parser.add_argument("--num-jobs", type=int, default=2, help="processes for --mnist")
    options = parser.parse_args()
    if options.mnist:
        full_set(options.mnist, options.num_jobs)
        return 0
    with np.load(GOLDEN) as golden:
        images = np.resize(golden["images"], (options.num_images, 28, 28))
    return 0 if compare(images, options.num_baseline) else 1


if __name__ == "__main__":
    sys.exit(main())
