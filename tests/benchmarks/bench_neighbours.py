"""Times the nearest-neighbour search and the Fréchet distance against other libraries.

    python tests/benchmarks/bench_neighbours.py
    OMP_NUM_THREADS=1 taskset -c 0 python tests/benchmarks/bench_neighbours.py --widths 256

``nearest`` for 10,000 queries among 60,000 references, as in training with rejection, against
scikit-learn's brute force and, if it is installed, faiss' flat index; with and without faiss
inside. Then the Fréchet distance of two covariances of width 2048 against a matrix root.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy import linalg
from sklearn.neighbors import NearestNeighbors

from rgf_keras.metrics import frechet, neighbours

SLOWEST_TO_FAISS = 1.3  # times faiss' seconds
FASTEST_TO_SCIKIT_LEARN = 1.0  # times faster
FASTEST_TO_SQRTM = 4.0
FAISS = neighbours._faiss()

Features = NDArray[np.float32]


def features(num: int, width: int, seed: int) -> Features:
    """Non-negative, with fewer directions than columns, as a network's features are."""
    mix = np.random.default_rng(0).normal(size=(max(width // 8, 2), width)).astype(np.float32)
    latents = np.random.default_rng(seed).normal(size=(num, len(mix))).astype(np.float32)
    return np.maximum(latents @ mix, 0)


def timed(function: Callable[[], object], num_repeats: int) -> float:
    """Seconds of the fastest run."""
    seconds = []
    for _ in range(num_repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def search(
    queries: Features, references: Features, metric: neighbours.Metric, faiss: ModuleType | None
) -> NDArray[np.intp]:
    neighbours._faiss = lambda: faiss
    return neighbours.nearest(queries, references, metric)[1]


def in_scikit_learn(
    queries: Features, references: Features, metric: neighbours.Metric
) -> NDArray[np.intp]:
    model = NearestNeighbors(n_neighbors=1, metric=metric, algorithm="brute").fit(references)
    return model.kneighbors(queries, return_distance=False)[:, 0]


def in_faiss(
    faiss: ModuleType, queries: Features, references: Features, metric: neighbours.Metric
) -> NDArray[np.intp]:
    if metric == "cosine":
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        references = references / np.linalg.norm(references, axis=1, keepdims=True)
    index = (faiss.IndexFlatIP if metric == "cosine" else faiss.IndexFlatL2)(queries.shape[1])
    index.add(references)
    return index.search(queries, 1)[1][:, 0]


def compare_searches(options: argparse.Namespace) -> bool:
    """Print seconds of each; whether all are fast enough and find the same."""
    titles = ("width", "metric", "nearest, own", "nearest, faiss", "scikit-learn", "faiss flat")
    table = Table(*titles, "scikit-learn / ours", "ours / faiss", "agree")
    good = True
    for width in options.widths:
        queries = features(options.num_queries, width, seed=1)
        references = features(options.num_references, width, seed=2)
        for metric in ("cosine", "euclidean"):
            pair = (queries, references, metric)
            runs: dict[str, Callable[[], NDArray[np.intp]]] = {
                "own": lambda pair=pair: search(*pair, None),
                "scikit-learn": lambda pair=pair: in_scikit_learn(*pair),
            }
            if FAISS:
                runs["with faiss"] = lambda pair=pair: search(*pair, FAISS)
                runs["faiss"] = lambda pair=pair: in_faiss(FAISS, *pair)
            seconds = {name: timed(run, options.num_repeats) for name, run in runs.items()}
            ours = max(seconds["own"], seconds.get("with faiss", 0))  # the slower of both
            speed_up = seconds["scikit-learn"] / ours
            to_faiss = ours / seconds["faiss"] if FAISS else float("nan")
            agree = np.mean(runs["own"]() == runs["scikit-learn"]())
            good &= speed_up >= FASTEST_TO_SCIKIT_LEARN and agree > 0.999
            good &= not to_faiss > SLOWEST_TO_FAISS
            columns = ("own", "with faiss", "scikit-learn", "faiss")
            shown = [f"{seconds[name]:.2f} s" if name in seconds else "–" for name in columns]
            ratios = (f"{speed_up:.2f}x", f"{to_faiss:.2f}x" if FAISS else "–", f"{agree:.2%}")
            table.add_row(str(width), metric, *shown, *ratios)
    Console().print(table)
    print(f"required: scikit-learn / ours ≥ {FASTEST_TO_SCIKIT_LEARN}", end=", ")
    print(f"ours / faiss ≤ {SLOWEST_TO_FAISS}" if FAISS else "faiss is not installed")
    return good


def by_matrix_root(first: frechet.Moments, second: frechet.Moments) -> float:
    root = linalg.sqrtm(first.covariance @ second.covariance)
    total = np.trace(first.covariance) + np.trace(second.covariance)
    return float(np.sum((first.mean - second.mean) ** 2) + total - 2 * np.trace(root.real))


def compare_frechet(width: int, num_repeats: int) -> bool:
    """Print seconds of both, from the moments on; whether ours is fast enough and agrees."""
    clouds = (features(3 * width, width, seed) for seed in (1, 2))
    first, second = map(frechet.moments, clouds)
    ours = timed(lambda: frechet.distance(first, second), num_repeats)
    theirs = timed(lambda: by_matrix_root(first, second), 1)
    found, expected = frechet.distance(first, second), by_matrix_root(first, second)
    print(f"Fréchet, width {width}: {ours:.2f} s, with sqrtm {theirs:.2f} s", end=", ")
    print(f"{theirs / ours:.1f}x (required {FASTEST_TO_SQRTM}x); {found:.6g} and {expected:.6g}")
    return theirs / ours >= FASTEST_TO_SQRTM and abs(found - expected) < 1e-3 * abs(expected)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-queries", type=int, default=10_000)
    parser.add_argument("--num-references", type=int, default=60_000)
    parser.add_argument("--widths", type=int, nargs="*", default=[256, 2048])
    parser.add_argument("--frechet-width", type=int, default=2048)
    parser.add_argument("--num-repeats", type=int, default=2, help="the fastest run counts")
    options = parser.parse_args()
    searches = compare_searches(options)
    return 0 if compare_frechet(options.frechet_width, options.num_repeats) and searches else 1


if __name__ == "__main__":
    sys.exit(main())
