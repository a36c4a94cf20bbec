"""Exact nearest neighbours: all pairs in float32, decisions in float64.

Blocks of pairs are compared by one matrix product in float32, whose rounding error has a bound that
holds for any order of summation: |fl(x·y) − x·y| ≤ γ_d |x| |y| (Higham 2002, section 3.1). Pairs
that could be among the nearest within this bound are computed again in float64. So the result is
that of a search in float64, whatever the block sizes, threads or matrix library.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Literal, get_args

import numpy as np

from rgf_keras.errors import ArgumentError
from rgf_keras.metrics.checks import (
    LARGEST,
    PIECE,
    check_at_least,
    check_features,
    check_integers,
    check_numbers,
    slices,
)

Metric = Literal["cosine", "euclidean"]
HEIGHT, WIDTH = 1024, 4096  # of a block: enough queries and references for a fast product
GROUP = 32  # references of which only the best one's score is looked at first
SPARE = 8  # candidates that faiss finds beyond k, for the rounding
FLOAT32 = 2.0**-24  # relative rounding error
FLOAT64 = 2.0**-44  # of rows that are centred and scaled in float64 and summed, generously


def nearest(
    queries: np.ndarray,
    references: np.ndarray,
    metric: Metric = "cosine",
    k: int = 1,
    leave_one_out: bool = False,
    max_bytes: int = 2**30,
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest references of each query, nearest first, ties by the lowest index.

    Uses faiss, with the same results, if it is installed and the memory is enough for it.

    Args:
        queries: (n, d).
        references: (m, d).
        metric: ``"cosine"``: 1 − cos, in [0, 2]; ``"euclidean"``: |q − r|.
        k: neighbours of each query.
        leave_one_out: the queries are the references and none is a neighbour of itself.
        max_bytes: of working memory beside what is given and returned, about.

    Returns:
        Distances, float64, and indices into ``references``: (n,) if k is 1, else (n, k). A bitwise
        copy is at distance 0 exactly.

    Raises:
        ArgumentError: no or bad features, vectors of length 0 and the cosine, fewer references
            than k, unknown ``metric``.

    >>> nearest(np.array([[0.0, 1.0]]), np.array([[1.0, 0.0], [0.0, 3.0]]))
    (array([0.]), array([1]))
    """
    check_at_least(1, max_bytes=max_bytes)
    queries, references = check_search(queries, references, metric, k, leave_one_out)
    search = _Search(queries, references, metric == "cosine", max_bytes)
    squared, indices = search.nearest(k, leave_one_out)
    distances = squared / 2 if metric == "cosine" else np.sqrt(squared)
    return (distances[:, 0], indices[:, 0]) if k == 1 else (distances, indices)


def among(
    queries: np.ndarray,
    references: np.ndarray,
    candidates: Iterable[np.ndarray],
    metric: Metric = "cosine",
    k: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of each query's candidates, nearest first, ties by the lowest index.

    Args:
        queries, references, metric, k: as for :func:`nearest`.
        candidates: (n_i, c) indices into ``references`` of consecutive queries, −1 for none; at
            least k for each query.

    Returns:
        Distances, float64, and indices, (n, k).

    Raises:
        ArgumentError: bad features, or candidates that are no such indices or too few.

    >>> among(np.array([[0.0]]), np.array([[1.0], [0.5], [0.1]]), [np.array([[0, 1]])], "euclidean")
    (array([[0.5]]), array([[1]]))
    """
    queries, references = check_search(queries, references, metric, k)
    search = _Search(queries, references, metric == "cosine", 2**30)
    squared = np.full((len(queries), k), np.inf)
    indices = np.full((len(queries), k), len(references))
    start = 0
    for some in candidates:
        count, low, high = len(references), np.min(some, initial=0), np.max(some, initial=0)
        if np.ndim(some) != 2 or not -1 <= low <= high < count or start + len(some) > len(squared):
            raise ArgumentError(f"candidates must be (n, c) indices in [-1, {count - 1}]")
        rows, places = _nonzero(some >= 0)
        search._merge(squared, indices, start + rows, some[rows, places])
        start += len(some)
    if start < len(squared) or (indices == len(references)).any():
        raise ArgumentError(f"candidates must hold {k} or more for each query")
    return squared / 2 if metric == "cosine" else np.sqrt(squared), indices


def within(
    queries: np.ndarray, references: np.ndarray, radii: np.ndarray, max_bytes: int = 2**30
) -> np.ndarray:
    """How many of the closed balls |x − r_j| ≤ radius_j hold each query.

    Args:
        queries: (n, d).
        references: (m, d), the centres.
        radii: (m,), ≥ 0, as :func:`nearest` gives them: a query that lies on the sphere of another
            reference is inside, without rounding.
        max_bytes: as for :func:`nearest`.

    Returns:
        (n,) integers in [0, m].

    Raises:
        ArgumentError: bad features, or not one radius per reference.
    """
    queries, references = check_features(queries=queries, references=references)
    (radii,) = check_numbers(0, LARGEST**1.1, radii=radii)
    check_at_least(1, max_bytes=max_bytes)
    if radii.shape != (len(references),):
        raise ArgumentError(f"radii must be ({len(references)},), received {radii.shape}")
    return _Search(queries, references, False, max_bytes).within(radii)


def check_search(
    queries: np.ndarray,
    references: np.ndarray,
    metric: str,
    k: int,
    leave_one_out: bool = False,
) -> list[np.ndarray]:
    """Both as arrays.

    Raises:
        ArgumentError: as of :func:`nearest`.
    """
    if metric not in get_args(Metric):
        raise ArgumentError(f"metric must be 'cosine' or 'euclidean', received '{metric}'")
    queries, references = check_features(queries=queries, references=references)
    if leave_one_out and not np.array_equal(queries, references):
        raise ArgumentError("leave_one_out needs the references themselves as queries")
    candidates = len(references) - leave_one_out
    check_integers(k=k)
    if not 1 <= k <= candidates:
        raise ArgumentError(
            f"k must lie in [1, {candidates}], the references to find, received {k}"
        )
    return [queries, references]


class _Rows:
    """Features, read as float64 rows: of length 1 for the cosine, so that |q − r|² = 2(1 − cos)."""

    def __init__(self, name: str, features: np.ndarray, unit: bool, piece: int):
        self.features = features
        self.unit = unit
        low, high = float(features.min()), float(features.max())
        self.longest = 1.0 if unit else max(-low, high) * features.shape[1] ** 0.5  # or shorter
        if unit:
            pieces = (features[some].astype(np.float64) for some in slices(len(features), piece))
            self.norms = np.concatenate([np.sqrt(np.square(rows).sum(1)) for rows in pieces])
            if not self.norms.all():
                first = int(np.argmin(self.norms))
                raise ArgumentError(
                    f"{name}: row {first} has length 0, so no cosine; drop it or use 'euclidean'"
                )

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: np.ndarray | slice) -> np.ndarray:
        rows = self.features[index].astype(np.float64)
        if self.unit:
            rows /= self.norms[index, np.newaxis]
        return rows


@dataclass
class _Block:
    """Scores of some queries with some references, whose memory the next block takes over."""

    rows: np.ndarray  # (h,) indices of the queries
    columns: slice  # of the references
    scores: np.ndarray  # (w, h) float32; w is filled up to a multiple of GROUP with −inf
    error: np.ndarray  # (h,) bound of the scores' errors
    half: np.ndarray  # (h,) |a|²/2


class _Search:
    """Pairs of queries and references.

    With a, b the centred and scaled rows, |q − r|² = scale² (|a|² − 2 score) where
    score = a·b − |b|²/2. The second term is one more column of the matrix product.
    """

    def __init__(self, queries: np.ndarray, references: np.ndarray, unit: bool, max_bytes: int):
        self.max_bytes = max_bytes
        self.width = references.shape[1]
        self.piece = max(min(PIECE, max_bytes // 64) // self.width, 1)  # rows
        self.queries = _Rows("queries", queries, unit, self.piece)
        self.references = _Rows("references", references, unit, self.piece)
        # Any centre will do; one amid the references leaves little to round.
        self.centre = self.references[:: -(-len(references) // 64)].mean(0)
        self.scale = 2 * max(self.queries.longest, self.references.longest) or 1.0  # |a|, |b| ≤ 1

    def nearest(self, k: int, leave_one_out: bool) -> tuple[np.ndarray, np.ndarray]:
        """Squared distances and indices, (n, k)."""
        squared = np.full((len(self.queries), k), np.inf)
        indices = np.full((len(self.queries), k), len(self.references))
        left = np.arange(len(self.queries))
        faiss = _faiss()
        size = (len(self.queries) + len(self.references)) * self.width
        if faiss and 6 * size <= self.max_bytes:
            left = self._from_faiss(faiss, squared, indices, leave_one_out)
        for block in self._blocks(left):
            if leave_one_out:
                own = block.rows - block.columns.start
                inside = np.flatnonzero((own >= 0) & (own < len(block.scores)))
                block.scores[own[inside], inside] = -np.inf
            known = block.half - squared[block.rows, -1] / self.scale**2 / 2
            rows, columns = self._candidates(block, known, k)
            self._merge(squared, indices, rows, columns)
        return squared, indices

    def _candidates(
        self, block: _Block, known: np.ndarray, k: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pairs that may be among the k nearest: of the block and of those ``known`` (h,) before.

        The block is read once: for the largest score of each group of references.
        """
        width, height = block.scores.shape
        group = GROUP if 4 * k <= width // GROUP else 1
        grouped = block.scores.reshape(-1, group, height)
        best = grouped.max(1)
        needed = known - block.error
        touched = np.flatnonzero(best.max(0) >= needed)
        best, needed = np.ascontiguousarray(best[:, touched].T), needed[touched]
        if k <= best.shape[1]:  # the k-th largest of the groups is at most that of the scores
            kth = np.partition(best, -k, axis=1)[:, -k]
            needed = np.maximum(needed, kth - 2 * block.error[touched])
        needed = _below(needed)
        row, place = _nonzero(best >= needed[:, np.newaxis])
        scores = grouped[place, :, touched[row]]
        keep, column = _nonzero((scores >= needed[row, np.newaxis]) & (scores > -np.inf))
        rows = block.rows[touched[row[keep]]]
        return rows, block.columns.start + place[keep] * group + column

    def within(self, radii: np.ndarray) -> np.ndarray:
        """Balls that hold each query, (n,)."""
        counts = np.zeros(len(self.queries), np.int64)
        for block in self._blocks(np.arange(len(counts)), (radii / self.scale) ** 2 / 2):
            possible = block.scores >= _below(block.half - block.error)
            certain = block.scores >= -_below(-block.half - block.error)
            column, row = _nonzero(possible & ~certain)
            column, row = block.columns.start + column, block.rows[row]
            inside = np.sqrt(self._squared(row, column)) <= radii[column]
            counts[block.rows] += np.count_nonzero(certain, axis=0)
            counts += np.bincount(row[inside], minlength=len(counts))
        return counts

    def _blocks(self, rows: np.ndarray, extra: np.ndarray | None = None) -> Iterator[_Block]:
        """All pairs of these queries with the references; scores plus ``extra`` (m,) if given."""
        chunk = max(self.max_bytes // (32 * self.width), 1)  # an eighth of the memory
        width = min(WIDTH, chunk, len(self.references))
        height = max(min(HEIGHT, self.max_bytes // (128 * _fill_up(width))), 1)
        memory = np.empty(_fill_up(width) * height, np.float32)
        for some in slices(len(rows), chunk):
            a, a_norms = self._scaled(self.queries, rows[some])
            a[:, -1] = 1
            for columns in slices(len(self.references), width):
                b, b_norms = self._scaled(self.references, np.r_[columns])
                bias = -(b_norms**2) / 2 + (0 if extra is None else extra[columns])
                b[:, -1] = bias
                error = self._error(a_norms, b_norms, bias)
                for part in slices(len(a), height):
                    shape = _fill_up(len(b)), len(a[part])
                    scores = memory[: shape[0] * shape[1]].reshape(shape)
                    scores[len(b) :] = -np.inf
                    np.matmul(b, a[part].T, out=scores[: len(b)])
                    half = a_norms[part] ** 2 / 2
                    yield _Block(rows[some][part], columns, scores, error[part], half)

    def _scaled(self, rows: _Rows, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows in float32 with a free last column, (n, d + 1), and their norms (n,)."""
        rounded = np.empty((len(index), self.width + 1), np.float32)
        norms = np.empty(len(index))
        for part in slices(len(index), self.piece):
            exact = rows[index[part]]
            exact -= self.centre
            exact /= self.scale
            rounded[part, :-1] = exact
            norms[part] = np.sqrt(np.square(exact, out=exact).sum(1))
        return rounded, norms

    def _error(self, a_norms: np.ndarray, b_norms: np.ndarray, bias: np.ndarray) -> np.ndarray:
        """Largest possible error of the scores of each query, (n,)."""
        b, most = b_norms.max(), np.abs(bias).max()
        rounding = 1.01 * (self.width + 6) * FLOAT32 * (a_norms * b + most)
        underflow = (self.width + 6) * float(np.finfo(np.float32).tiny)
        return rounding + FLOAT64 * (2 * a_norms + 3 * b + most) + underflow

    def _squared(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """|q − r|² of single pairs in float64, (len(rows),); the same in whatever company."""
        squared = np.empty(len(rows))
        for part in slices(len(rows), self.piece):
            difference = self.queries[rows[part]] - self.references[columns[part]]
            squared[part] = np.square(difference, out=difference).sum(1)
        return squared

    def _merge(
        self, squared: np.ndarray, indices: np.ndarray, rows: np.ndarray, columns: np.ndarray
    ) -> None:
        """Let candidate pairs compete with the k nearest so far."""
        k = squared.shape[1]
        touched = np.unique(rows)
        row = np.concatenate([np.repeat(touched, k), rows])
        index = np.concatenate([indices[touched].ravel(), columns])
        distance = np.concatenate([squared[touched].ravel(), self._squared(rows, columns)])
        order = np.lexsort((index, distance, row))
        starts = np.searchsorted(row[order], touched)
        first = order[(starts[:, np.newaxis] + np.arange(k))]
        squared[touched], indices[touched] = distance[first], index[first]

    def _from_faiss(
        self, faiss: ModuleType, squared: np.ndarray, indices: np.ndarray, leave_one_out: bool
    ) -> np.ndarray:
        """Fill in what faiss' float32 search decides; the queries that it leaves open, (l,)."""
        k = squared.shape[1]
        a, a_norms = self._scaled(self.queries, np.arange(len(self.queries)))
        b, b_norms = self._scaled(self.references, np.arange(len(self.references)))
        a[:, -1], b[:, -1] = 1, -(b_norms**2) / 2
        num = min(k + leave_one_out + SPARE, len(b))
        scores, columns = faiss.knn(a, b, num, metric=faiss.METRIC_INNER_PRODUCT)
        last = scores[:, -1].copy()
        if leave_one_out:
            scores[columns == np.arange(len(a))[:, np.newaxis]] = -np.inf
        error = self._error(a_norms, b_norms, b[:, -1])
        threshold = _below(np.partition(scores, -k, axis=1)[:, -k] - 2 * error)
        decided = (last < threshold) | (num == len(b))
        row, place = _nonzero((scores >= threshold[:, np.newaxis]) & decided[:, np.newaxis])
        self._merge(squared, indices, row, columns[row, place])
        return np.flatnonzero(~decided)


def _faiss() -> ModuleType | None:
    try:
        import faiss
    except ImportError:
        return None
    return faiss


def _below(values: np.ndarray) -> np.ndarray:
    """The next float32 that is lower."""
    return np.nextafter(values.astype(np.float32), np.float32(-np.inf))


def _nonzero(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of a contiguous mask's True; several times faster than ``np.nonzero``."""
    row, column = np.divmod(np.flatnonzero(mask), max(mask.shape[1], 1))
    return row, column


def _fill_up(width: int) -> int:
    return -(-width // GROUP) * GROUP
