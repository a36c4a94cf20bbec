"""Does the generator copy its training set?

The C_T test (Meehan, Chaudhuri & Dasgupta 2020, "A non-parametric test to detect data-copying in
generative models") asks whether generated samples lie closer to the training samples than test
samples do, cell by cell of a partition of feature space. C_T ≪ 0 means copies, C_T ≫ 0
underfitting. Its spread without copying is about √Σw² of the cells' weights w, not 1, and the seed
of k-means alone can move it by 0.5; so here it comes with a permutation null and an interval.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from rgf_keras.errors import ArgumentError
from rgf_keras.metrics import neighbours
from rgf_keras.metrics.checks import (
    check_at_least,
    check_features,
    check_integers,
    check_labelled_sets,
    check_numbers,
    check_share,
    random,
)
from rgf_keras.metrics.frechet import Estimate

SETS = ("train", "test", "generated")


class NoCellCounts(ArgumentError):
    """No cell holds the share of the generated samples that is asked for."""


@dataclass(frozen=True, eq=False)
class Cell:
    """A part of feature space.

    Attributes:
        label: its number.
        test: (n,) distances of its test samples to its training samples.
        generated: (m,) distances of its generated samples.
    """

    label: int
    test: np.ndarray
    generated: np.ndarray

    @property
    def z(self) -> float:
        """Mann–Whitney z of generated against test distances; 0 without generated samples."""
        m = len(self.generated)
        if not m:
            return 0.0
        ranks = scipy.stats.rankdata(np.concatenate([self.generated, self.test]))
        return float(self.z_of(float(ranks[:m].sum() - m * (m + 1) / 2)))

    def z_of(self, u: np.ndarray | float) -> np.ndarray:
        """z of Mann–Whitney's U, any shape: (U − (nm/2 − ½)) / √(nm(n + m + 1)/12).

        U is the number of pairs in which the generated distance is larger, ties counted half.
        """
        n, m = len(self.test), len(self.generated)
        return (np.asarray(u) - (n * m / 2 - 0.5)) / np.sqrt(n * m * (n + m + 1) / 12)


@dataclass(frozen=True, eq=False)
class CopyingTest:
    """A C_T test.

    Attributes:
        cells: by label.
        counted: (C,) which of them count.
        z_global: z without cells.
    """

    cells: tuple[Cell, ...]
    counted: np.ndarray
    z_global: float

    @property
    def z_cells(self) -> np.ndarray:
        """(C,) z of each cell, counted or not."""
        return np.array([cell.z for cell in self.cells])

    @property
    def weights(self) -> np.ndarray:
        """(C,) share of each cell's test samples in those of all counted cells, else 0."""
        num_test = np.array([len(cell.test) for cell in self.cells]) * self.counted
        return num_test / num_test.sum()

    @property
    def c_t(self) -> float:
        """Mean z of the counted cells, by their test samples."""
        return float(self.weights @ self.z_cells)


@dataclass(frozen=True, eq=False)
class CopyingTests:
    """C_T tests of each class.

    Attributes:
        classes: by label.
    """

    classes: dict[int, CopyingTest]

    @property
    def c_t(self) -> float:
        """Mean C_T of the classes."""
        return float(np.mean([test.c_t for test in self.classes.values()]))


@dataclass(frozen=True, eq=False)
class Null:
    """C_T under exchange of test and generated samples, and how the observed one compares.

    Attributes:
        draws: (num_permutations,) C_T of exchanged samples.
        p_copying: share of draws at or below the observed C_T, lower tail: copies.
        p_underfitting: at or above, upper tail.
        p: two-sided, twice the smaller of both.
    """

    draws: np.ndarray
    p_copying: float
    p_underfitting: float
    p: float


@dataclass(frozen=True, eq=False)
class Stability:
    """C_T over seeds of k-means.

    Attributes:
        mean: of the values.
        std: standard deviation (ddof 1) of the values.
        values: (s,) C_T.
    """

    mean: float
    std: float
    values: np.ndarray


def c_t(
    train: np.ndarray,
    test: np.ndarray,
    generated: np.ndarray,
    train_cells: np.ndarray,
    test_cells: np.ndarray,
    generated_cells: np.ndarray,
    min_cell_fraction: float,
) -> CopyingTest:
    """The C_T test of Meehan et al. 2020, with Euclidean distances to the cell's training samples.

    Args:
        train, test, generated: (l, d), (n, d) and (m, d) features.
        train_cells, test_cells, generated_cells: (l,), (n,) and (m,) integers.
        min_cell_fraction: a cell counts if its share of the generated samples is larger; at least
            0.

    Returns:
        ``.c_t``, ``.z_cells`` (C,) by label and ``.z_global``, the z without cells. Cells without
        generated samples have z 0 and do not count.

    Raises:
        NoCellCounts: none does.
        ArgumentError: bad features or cells, a cell without test or training samples.
    """
    labels = train_cells, test_cells, generated_cells
    sets = check_labelled_sets(SETS, (train, test, generated), "cells", labels)
    check_numbers(0, min_cell_fraction=min_cell_fraction)
    cells = []
    for label in np.unique(np.concatenate([cells_of for _, cells_of in sets])):
        own = [features[labels == label] for features, labels in sets]
        for name, features in zip(("train", "test"), own, strict=False):
            if not len(features):
                raise ArgumentError(f"cell {label} holds no {name} samples; use fewer cells")
        cells.append(_cell(int(label), *own))
    share = np.array([len(cell.generated) for cell in cells]) / len(generated)
    counted = share > min_cell_fraction
    if not counted.any():
        raise NoCellCounts(
            f"no cell holds more than {min_cell_fraction:.3g} of the generated samples "
            f"(at most {share.max():.3g}); lower min_cell_fraction or use fewer cells"
        )
    everything = _cell(0, *(features for features, _ in sets))
    return CopyingTest(tuple(cells), counted, everything.z)


def cells(
    train: np.ndarray, *others: np.ndarray, num_cells: int, seed: int, num_components: int = 64
) -> tuple[np.ndarray, ...]:
    """Cells by k-means of the training samples' first principal components.

    Args:
        train: (l, d) features, from which components and centres come.
        others: (n, d) features that are assigned to the nearest centre.
        num_cells: of k-means, at most l.
        seed: of k-means and of the components' solver.
        num_components: at most; fewer if d or l is smaller.

    Returns:
        Labels in [0, num_cells) of ``train`` (l,) and of each of ``others`` (n,).

    Raises:
        ArgumentError: bad features, fewer samples than cells, no cells or components, a seed
            outside [0, 2³²).
    """
    from sklearn.cluster import KMeans  # only here: scikit-learn takes a second to import
    from sklearn.decomposition import PCA

    names = ["train", *(f"others[{i}]" for i in range(len(others)))]
    named: dict[str, Any] = dict(zip(names, (train, *others), strict=True))
    checked = check_features(**named)
    kind = np.result_type(np.float32, *checked)  # k-means takes no others than it was fitted on
    train, *rest = (features.astype(kind, copy=False) for features in checked)
    check_integers(num_cells=num_cells, num_components=num_components)
    if min(num_cells, num_components) < 1:
        raise ArgumentError(
            f"num_cells and num_components must be at least 1, received {num_cells}, "
            f"{num_components}"
        )
    random(seed)  # scikit-learn's has the same range
    if len(train) < num_cells:
        raise ArgumentError(f"{len(train)} training samples for {num_cells} cells; use fewer cells")
    with np.errstate(invalid="ignore"):  # of shares of no variance, where all samples are one
        components = PCA(min(num_components, *train.shape), random_state=seed).fit(train)
    means = KMeans(num_cells, n_init=10, random_state=seed)
    labels = means.fit_predict(components.transform(train))
    return labels, *(means.predict(components.transform(features)) for features in rest)


def c_t_in(
    sets: Sequence[np.ndarray],
    numbers: Sequence[int],
    seed: int,
    min_cell_fraction: float,
    num_components: int = 64,
) -> CopyingTest:
    """:func:`c_t` in the first of these numbers of :func:`cells` in which any cell counts."""
    none_counts = NoCellCounts("there are no numbers of cells; give one")
    for number in numbers:
        parts = cells(*sets, num_cells=number, seed=seed, num_components=num_components)
        try:
            return c_t(*sets, *parts, min_cell_fraction=min_cell_fraction)  # type: ignore
        except NoCellCounts as error:
            none_counts = error
    raise none_counts


def c_t_per_class(
    train: np.ndarray,
    test: np.ndarray,
    generated: np.ndarray,
    train_labels: np.ndarray,
    test_labels: np.ndarray,
    generated_labels: np.ndarray,
    seed: int,
    num_cells: int | None = None,
    min_cell_fraction: float | None = None,
    num_components: int = 64,
) -> CopyingTests:
    """C_T of each class and their mean, as the code of arXiv 2210.12231 computes it.

    Args:
        train, test, generated: (l, d), (n, d) and (m, d) features; test is the reference set.
        train_labels, test_labels, generated_labels: (l,), (n,) and (m,) integers; test and
            generated samples of other classes than the training set's are left out.
        seed: of each class's k-means.
        num_cells: of each class; by default min(n, training samples of the class) // 200, or 1 if
            that is 0 or none of them counts.
        min_cell_fraction: of each class; by default 20 / generated samples of the class.
        num_components: of each class's training features, for its k-means alone.

    Raises:
        ArgumentError: as :func:`cells` and :func:`c_t`, with the class; or a class without samples.
    """
    labels = train_labels, test_labels, generated_labels
    sets = check_labelled_sets(SETS, (train, test, generated), "labels", labels)
    classes = {}
    for label in np.unique(sets[0][1]):
        own = [features[labels == label] for features, labels in sets]
        for name, features in zip(SETS, own, strict=True):
            if not len(features):
                problem = f"class {label} has no {name} samples"
                raise ArgumentError(f"{problem}; add some or leave it out")
        default = max(min(len(test), len(own[0])) // 200, 1)
        numbers = (default, 1) if num_cells is None else (num_cells,)
        fraction = 20 / len(own[2]) if min_cell_fraction is None else min_cell_fraction
        try:
            classes[int(label)] = c_t_in(own, numbers, seed, fraction, num_components)
        except ArgumentError as error:
            raise ArgumentError(f"class {label}: {error}") from None
    return CopyingTests(classes)


def permutation_null(
    test: CopyingTest | CopyingTests, seed: int, num_permutations: int = 1000
) -> Null:
    """C_T if test and generated samples of a cell were exchangeable, as they are without copying.

    Exchange within cells keeps each cell's numbers of samples, so cells and weights stay. p-values
    are (1 + draws as extreme) / (1 + draws) and hold their level exactly (Phipson & Smyth 2010).

    Args:
        test: of one set of cells, or of several classes, whose mean C_T is then compared.
        seed: of the permutations.
        num_permutations: at least 1.
    """
    check_at_least(1, num_permutations=num_permutations)
    rng = random(seed)

    def exchange(cell: Cell) -> np.ndarray:
        ranks = scipy.stats.rankdata(np.concatenate([cell.generated, cell.test]))
        m = len(cell.generated)
        sums = [rng.permutation(ranks)[:m].sum() for _ in range(num_permutations)]
        return cell.z_of(np.array(sums) - m * (m + 1) / 2)

    draws = _mean(test, exchange)
    observed = test.c_t
    rounding = 1e-9 * (1 + abs(observed))  # equal sums in another order
    below = (1 + np.count_nonzero(draws <= observed + rounding)) / (1 + num_permutations)
    above = (1 + np.count_nonzero(draws >= observed - rounding)) / (1 + num_permutations)
    return Null(draws, float(below), float(above), float(min(1, 2 * min(below, above))))


def bootstrap(
    test: CopyingTest | CopyingTests, seed: int, num_resamples: int = 1000, confidence: float = 0.95
) -> Estimate:
    """C_T with a percentile bootstrap interval over test and generated samples within cells.

    It is about other samples of the same number from the same two distributions, for the same
    training set and cells; what the cells themselves add is :func:`stability`'s matter.

    Args:
        test: of one set of cells, or of several classes, for their mean.
        seed: of the resampling.
        num_resamples: at least 1.
        confidence: in (0, 1).
    """
    check_at_least(1, num_resamples=num_resamples)
    check_share(confidence=confidence)
    rng = random(seed)

    def resample(cell: Cell) -> np.ndarray:
        n, m = len(cell.test), len(cell.generated)
        ordered = np.sort(cell.test)
        below = np.searchsorted(ordered, cell.generated, "left")
        up_to = np.searchsorted(ordered, cell.generated, "right")
        u = np.empty(num_resamples)
        for i in range(num_resamples):
            counts = np.bincount(rng.integers(n, size=n), minlength=n)
            num_up_to = np.concatenate([[0], np.cumsum(counts)])
            drawn = rng.integers(m, size=m)
            u[i] = (num_up_to[below[drawn]] + num_up_to[up_to[drawn]]).sum() / 2
        return cell.z_of(u)

    low, high = np.quantile(_mean(test, resample), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(test.c_t, float(low), float(high))


def stability(
    measure: Callable[[int], CopyingTest | CopyingTests], seeds: Iterable[int]
) -> Stability:
    """How far C_T depends on the seed of k-means.

    Args:
        measure: the test with the cells of a seed, e.g. ``lambda seed: c_t_per_class(..., seed)``.
        seeds: at least two.
    """
    values = np.array([measure(seed).c_t for seed in seeds])
    if len(values) < 2:
        raise ArgumentError(f"stability needs at least two seeds, received {len(values)}")
    return Stability(float(values.mean()), float(values.std(ddof=1)), values)


def _mean(test: CopyingTest | CopyingTests, draw: Callable[[Cell], np.ndarray]) -> np.ndarray:
    """C_T of ``draw``'s z of each counted cell; the mean of several tests."""
    tests = test.classes.values() if isinstance(test, CopyingTests) else (test,)
    means = [
        sum(
            weight * draw(cell)
            for cell, weight, counts in zip(one.cells, one.weights, one.counted, strict=True)
            if counts
        )
        for one in tests
    ]
    return np.mean(means, axis=0)


def _cell(label: int, train: np.ndarray, test: np.ndarray, generated: np.ndarray) -> Cell:
    distances = (
        neighbours.nearest(samples, train, "euclidean")[0] if len(samples) else np.empty(0)
        for samples in (test, generated)
    )
    return Cell(label, *distances)
