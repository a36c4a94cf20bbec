"""Approximate nearest neighbours, for searches of hundreds of thousands of rows among themselves.

An inverted file of faiss (Jégou, Douze & Schmid 2011) looks into the cells next to a query alone,
over rows of one byte a number, and of 256 principal components where rows are wider. What it finds
is ranked by exact distances, so that only the choice is approximate. How many cells it looks into
is found by trying, and how often the nearest one is found is measured, both on some of the queries;
where it takes a quarter of the cells the search is exact, which is then faster. arXiv 2210.12231
(section 3.2) asks for such a search where training sets are large.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from rgf_keras.errors import RgfError, how_to_install
from rgf_keras.metrics import neighbours
from rgf_keras.metrics.checks import check_share, random, slices
from rgf_keras.metrics.frechet import Estimate
from rgf_keras.metrics.neighbours import Metric
from rgf_keras.metrics.rgf import wilson_interval

ROWS = 2**14  # that are copied at a time
PER_CELL = 64  # rows from which a cell's centre is computed
MOST_COMPONENTS = 256  # of a row, by which candidates are chosen
ROWS_FOR_COMPONENTS = 20_000  # from which they are computed, at most
ROWS_PER_COMPONENT = 4  # at least
SPARE = 4  # times k candidates are ranked, for those that are put too far behind
FEWEST_PROBES = 8  # cells that are looked into
NUM_TRIED, NUM_CHECKED = 200, 500  # queries by which cells are chosen, and recall is measured


@dataclass(frozen=True, eq=False)
class Neighbours:
    """What was found.

    Attributes:
        distances: as :func:`rgf_keras.metrics.neighbours.nearest` gives them.
        indices: likewise.
        recall: share of queries whose nearest reference was found, on those that were checked, with
            Wilson's interval.
    """

    distances: np.ndarray
    indices: np.ndarray
    recall: Estimate


def nearest(
    queries: np.ndarray,
    references: np.ndarray,
    metric: Metric = "cosine",
    k: int = 1,
    leave_one_out: bool = False,
    min_recall: float = 0.95,
    seed: int = 0,
    max_bytes: int = 2**30,
) -> Neighbours:
    """References that are, most probably, the k nearest of each query.

    Memory beside what is given and returned: d bytes, but at most 256, for each reference, and
    about ``max_bytes``; of rows wider than 256 also a few copies of 20,000 of them for a while.

    Args:
        queries, references, metric, k, leave_one_out, max_bytes: as for
            :func:`rgf_keras.metrics.neighbours.nearest`.
        min_recall: share in (0, 1) of queries whose nearest reference is to be found; the higher,
            the slower.
        seed: of the queries that are tried and checked, and of the rows that make the cells.

    Raises:
        RgfError: faiss is not installed.
        ArgumentError: what the exact search refuses.
    """
    faiss = find_faiss()
    check_share(min_recall=min_recall)
    queries, references = neighbours.check_search(queries, references, metric, k, leave_one_out)
    rng = random(seed)
    index = cache(lambda: Index.of(faiss, references, metric, rng))  # once the rows are checked
    num = min(SPARE * k + leave_one_out, len(references))
    step = max(min(ROWS, max_bytes // (32 * num * references.shape[1])), 1)

    def find(chosen: np.ndarray, num_probes: int) -> tuple[np.ndarray, np.ndarray]:
        def candidates() -> Iterator[np.ndarray]:
            for part in slices(len(chosen), step):
                rows, own = queries[chosen[part]], chosen[part] if leave_one_out else None
                yield index().search(_rows(rows, metric), num, k, num_probes, own)

        some = queries if len(chosen) == len(queries) else queries[chosen]
        return neighbours.among(some, references, candidates(), metric, k)

    def recall(chosen: np.ndarray, distances: np.ndarray) -> Estimate:
        own = chosen if leave_one_out else None
        return _recall((queries[chosen], own), references, metric, distances[:, 0], max_bytes)

    def some(num: int) -> np.ndarray:
        return np.sort(rng.choice(len(queries), min(num, len(queries)), replace=False))

    num_probes, tried = FEWEST_PROBES, some(NUM_TRIED)
    while recall(tried, find(tried, num_probes)[0]).value < min_recall:
        num_probes *= 2
        if num_probes > index().cells.nlist / 4:
            how = metric, k, leave_one_out, max_bytes
            return Neighbours(*neighbours.nearest(queries, references, *how), Estimate(1, 1, 1))
    distances, indices = find(np.arange(len(queries)), num_probes)
    checked = some(NUM_CHECKED)
    measured = recall(checked, distances[checked])
    if k == 1:
        return Neighbours(distances[:, 0], indices[:, 0], measured)
    return Neighbours(distances, indices, measured)


def search(*args: Any, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Distances and indices of :func:`nearest` alone."""
    result = nearest(*args, **options)
    return result.distances, result.indices


@dataclass(frozen=True, eq=False)
class Index:
    """References as candidates are chosen among them.

    Attributes:
        cells: faiss' inverted file.
        project: (n, d) rows of unit length or as they are, to (n, components).
    """

    cells: Any
    project: Callable[[np.ndarray], np.ndarray]

    @classmethod
    def of(
        cls, faiss: ModuleType, references: np.ndarray, metric: Metric, rng: np.random.Generator
    ) -> "Index":
        """About four times the root of the references as cells; rows of one byte a number."""
        total, width = references.shape

        def some(num: int) -> np.ndarray:
            return np.sort(rng.choice(total, min(num, total), replace=False))

        project, kept = _as_they_are, width
        if width > MOST_COMPONENTS and total > ROWS_PER_COMPONENT * MOST_COMPONENTS:
            kept = MOST_COMPONENTS
            components = faiss.PCAMatrix(width, kept)
            components.train(_rows(references[some(ROWS_FOR_COMPONENTS)], metric))
            project = components.apply
        num_cells = max(min(int(4 * total**0.5), total // PER_CELL), 1)
        coarse, code = faiss.IndexFlatL2(kept), faiss.ScalarQuantizer.QT_8bit
        cells = faiss.IndexIVFScalarQuantizer(coarse, kept, num_cells, code, faiss.METRIC_L2)
        cells.cp.seed = int(rng.integers(2**31))

        def projected(chosen: np.ndarray | slice) -> np.ndarray:
            return project(_rows(references[chosen], metric))

        chosen = some(PER_CELL * num_cells)
        cells.train(np.concatenate([projected(chosen[part]) for part in slices(len(chosen), ROWS)]))
        for part in slices(total, ROWS):
            cells.add(projected(part))
        return cls(cells, project)

    def search(
        self, rows: np.ndarray, num: int, k: int, num_probes: int, own: np.ndarray | None
    ) -> np.ndarray:
        """(n, num) positions, −1 for none, at least k for each row.

        Args:
            rows: (n, d) queries.
            num: candidates of each.
            k: neighbours that are to be chosen of them.
            num_probes: cells that are looked into, or all where these hold too few.
            own: (n,) positions that the rows themselves have; None if they are not in the index.
        """
        self.cells.nprobe = num_probes
        found = self.cells.search(self.project(rows), num)[1]
        if own is not None:
            found[found == own[:, np.newaxis]] = -1
        few = np.flatnonzero((found >= 0).sum(1) < k)
        if len(few) and num_probes < self.cells.nlist:
            own_few = None if own is None else own[few]
            found[few] = self.search(rows[few], num, k, self.cells.nlist, own_few)
        return found


def _as_they_are(rows: np.ndarray) -> np.ndarray:
    return rows


def _rows(features: np.ndarray, metric: Metric) -> np.ndarray:
    """Float32 rows whose Euclidean order is that of the metric."""
    rows = np.ascontiguousarray(features, np.float32)
    if metric == "cosine":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def _recall(
    checked: tuple[np.ndarray, np.ndarray | None],
    references: np.ndarray,
    metric: Metric,
    found: np.ndarray,
    max_bytes: int,
) -> Estimate:
    """Share of queries whose exact nearest distance was found.

    Args:
        checked: queries, and their positions among the references if they are not to be found.
        references: all of them.
        metric: of the distances.
        found: (n,) distances.
        max_bytes: of working memory.
    """
    queries, own = checked
    k = 1 if own is None else 2
    distances, indices = neighbours.nearest(queries, references, metric, k, max_bytes=max_bytes)
    if own is not None:
        second = indices[:, 0] == own
        distances = np.where(second, distances[:, 1], distances[:, 0])
    count = int(np.count_nonzero(found <= distances))
    low, high = wilson_interval(np.array(count), np.array(len(queries)))
    return Estimate(count / len(queries), float(low), float(high))


def find_faiss() -> ModuleType:
    """The library that searches.

    Raises:
        RgfError: it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise RgfError(f"an approximate search needs faiss: {how_to_install('faiss')}") from error
    return faiss
