"""Whatever comes in, a metric is a right result or an error of ours that names the argument.

``pytest -m slow`` asks ten times as often, 12,500 in all.
"""

import inspect
import math
import warnings
from dataclasses import asdict, is_dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hn

from rgf_keras.errors import RgfError
from rgf_keras.metrics import (
    approximate,
    calibration,
    checks,
    copies,
    copying,
    data_copying,
    distribution,
    frechet,
    memorization,
    naming,
    neighbours,
    power,
    rgf,
    rgf_table,
    trainings,
    verdicts,
)

MODULES = (
    *(
        approximate,
        calibration,
        copies,
        copying,
        data_copying,
        distribution,
        frechet,
        memorization,
        naming,
    ),
    *(neighbours, power, rgf, rgf_table, trainings, verdicts),
)
FEW, MANY = 25, 250  # examples of each function

ODD = st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 1e300, 1e-300, 2.5, "x", True])
SHARES = st.floats(0.01, 0.99) | st.sampled_from([0.0, 1.0, 0.05]) | ODD
COUNTS = st.integers(-1, 12) | ODD
SEEDS = st.integers(-1, 9) | st.just(2**40) | st.just(0.5)
NUMBERS = st.floats(width=64) | st.floats(0, 1) | ODD
DTYPES = st.sampled_from(
    [np.float16, np.float32, np.float64, np.int64, np.uint8, bool, object, str]
)
VALUES = st.sampled_from([0.0, 0.0, 1.0, 2.0, 3.0, 0.5, -1.0, 1e-9])
FAULTS = st.sampled_from([None, None, None, math.nan, math.inf, 1e60, 1e120, 1e300])


@st.composite
def arrays(draw, shapes, values=VALUES, dtypes=DTYPES):
    """An array of some shape, sometimes of an odd dtype and with an odd number in it."""
    dtype = draw(st.just(np.float64) | st.just(np.float32) | dtypes)
    array = draw(hn.arrays(np.float64, draw(shapes), elements=values))
    fault = draw(FAULTS)
    if fault is not None and array.size and np.dtype(dtype).kind in "fOU":
        array.flat[draw(st.integers(0, array.size - 1))] = fault
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return array.astype(dtype)


def shapes(*sides):
    """Shapes of so many dimensions, and sometimes of others."""
    usual = st.tuples(*(st.integers(0 if side is None else side, 7) for side in sides))
    return usual | usual | usual | st.lists(st.integers(0, 3), max_size=4).map(tuple)


FEATURES = arrays(st.tuples(st.integers(2, 9), st.just(2)) | shapes(None, None))
DISTANCES = arrays(shapes(1), st.floats(0, 2))
LONG_DISTANCES = arrays(st.just((45,)) | shapes(1), st.floats(0, 2))
LABELS = hn.arrays(np.int64, st.integers(0, 9), elements=st.integers(-1, 2)) | DISTANCES
NUM = st.sampled_from([0.0, 1.0, 5.0, 40.0, 100.0, 1000.0])
BY_VALUE = arrays(st.sampled_from([(2,), (3,), (4, 2), (), (0,), (2, 0)]), NUM)
TABLES = arrays(
    st.sampled_from([(3, 3, 2), (1, 3, 2), (4, 3, 2), (3, 3, 3), (3, 2), (0, 3, 2)]), NUM
)
SCALARS = NUM | COUNTS | BY_VALUE
P_VALUES = arrays(st.sampled_from([(3,), (), (2, 2), (0,)]), st.floats(0, 1))
IMAGES = hn.arrays(
    np.uint8, st.sampled_from([(3, 4, 2, 1), (3, 4, 2, 1), (2, 3, 3, 1), (0, 4, 2, 1), (4,)])
)
LOG_PROBS = arrays(
    st.sampled_from([(2, 3, 3), (2, 3, 3), (1, 2, 1), (2, 2), (0, 2, 2)]), st.floats(-900, 900)
)
METRIC = st.sampled_from(["cosine", "euclidean", "other"])
MOMENTS = FEATURES.map(
    lambda x: frechet.Moments(np.array([0.0, 1.0]), x if x.shape == (2, 2) else np.eye(2))
)
SCATTERS = st.builds(power.Scatter, SHARES, NUMBERS, NUMBERS)


@st.composite
def tables(draw):
    """Rows of a z-table, of one training or of several."""
    counts = draw(hn.arrays(np.int64, (3, 3, 2), elements=st.integers(0, 60)))
    known = draw(hn.arrays(np.int64, (3, 3, 2), elements=st.integers(0, 60)))
    test = draw(st.sampled_from(["trainings", "two_sample"]))
    names = ["a", "all"]
    return rgf_table.build(counts, known, names, 1, test, 0.05, draw(st.integers(0, 20)))


@st.composite
def copying_tests(draw):
    """C_T tests of random cells."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    sizes = draw(st.tuples(*[st.integers(2, 9)] * 3))
    sets = [rng.normal(size=(n, 2)) for n in sizes]
    cells = [np.zeros(n, np.int64) for n in sizes]
    return data_copying.c_t(*sets, *cells, 0.0)


# By function: what it is called with, and whether its docstring says that NaN can come out.
CASES = {
    calibration.calibrate: (
        {
            "balanced": TABLES,
            "skewed": TABLES,
            "designs": st.lists(st.tuples(COUNTS, COUNTS), max_size=2),
            "rule": st.builds(calibration.Rule, st.integers(-1, 3), SHARES, COUNTS),
        },
        True,
    ),
    copies.share_of_copies: (
        {"distances": DISTANCES, "threshold": NUMBERS, "rounding": NUMBERS},
        False,
    ),
    copies.authenticity: ({"train": FEATURES, "generated": FEATURES, "metric": METRIC}, False),
    copies.memorization_distance: ({"train": FEATURES, "generated": FEATURES}, False),
    copies.mifid: ({"fid": NUMBERS, "distance": NUMBERS, "threshold": NUMBERS}, False),
    copying.measure: (
        {
            "train": FEATURES,
            "test": FEATURES,
            "generated": FEATURES,
            "seed": SEEDS,
            "space": st.just("x"),
        },
        False,
    ),
    copying.tail: ({"generated": DISTANCES, "test": DISTANCES}, False),
    data_copying.c_t: (
        {
            "train": FEATURES,
            "test": FEATURES,
            "generated": FEATURES,
            "train_cells": LABELS,
            "test_cells": LABELS,
            "generated_cells": LABELS,
            "min_cell_fraction": NUMBERS,
        },
        False,
    ),
    data_copying.c_t_in: (
        {
            "sets": st.tuples(FEATURES, FEATURES, FEATURES),
            "numbers": st.lists(COUNTS),
            "seed": SEEDS,
            "min_cell_fraction": NUMBERS,
        },
        False,
    ),
    data_copying.c_t_per_class: (
        {
            "train": FEATURES,
            "test": FEATURES,
            "generated": FEATURES,
            "train_labels": LABELS,
            "test_labels": LABELS,
            "generated_labels": LABELS,
            "seed": SEEDS,
            "num_cells": COUNTS | st.none(),
            "min_cell_fraction": NUMBERS | st.none(),
        },
        False,
    ),
    data_copying.permutation_null: (
        {"test": copying_tests(), "seed": SEEDS, "num_permutations": COUNTS},
        False,
    ),
    data_copying.bootstrap: (
        {"test": copying_tests(), "seed": SEEDS, "num_resamples": COUNTS, "confidence": SHARES},
        False,
    ),
    data_copying.stability: (
        {"measure": copying_tests().map(lambda test: lambda seed: test), "seeds": st.lists(SEEDS)},
        False,
    ),
    distribution.precision_recall: ({"real": FEATURES, "generated": FEATURES, "k": COUNTS}, False),
    distribution.density_coverage: ({"real": FEATURES, "generated": FEATURES, "k": COUNTS}, False),
    distribution.kid: (
        {
            "real": FEATURES,
            "generated": FEATURES,
            "seed": SEEDS,
            "num_subsets": COUNTS,
            "subset_size": COUNTS,
        },
        False,
    ),
    frechet.moments: ({"features": FEATURES, "weights": st.none() | DISTANCES}, False),
    frechet.distance: ({"first": MOMENTS, "second": MOMENTS}, False),
    frechet.frechet_distance: ({"real": FEATURES | MOMENTS, "generated": FEATURES}, False),
    frechet.bootstrap: (
        {
            "real": FEATURES,
            "generated": FEATURES,
            "seed": SEEDS,
            "num_resamples": COUNTS,
            "confidence": SHARES,
        },
        False,
    ),
    memorization.memorization_score: (
        {"log_probs": LOG_PROBS, "held_out": hn.arrays(bool, (2, 3, 3)) | LOG_PROBS},
        False,
    ),
    memorization.leave_one_out_score: ({"full": BY_VALUE, "without": BY_VALUE}, False),
    memorization.quantile_interval: (
        {
            "log_probs": LOG_PROBS,
            "held_out": st.just(np.tile(np.eye(3, dtype=bool), (2, 1, 1))) | LOG_PROBS,
            "quantile": SHARES,
            "seed": SEEDS,
            "num_resamples": COUNTS,
            "level": SHARES,
        },
        False,
    ),
    memorization.duplicates: ({"images": IMAGES, "num_pairs": COUNTS}, False),
    memorization.neighbour_ratio: (
        {"images": IMAGES, "validation": IMAGES, "samples": IMAGES},
        False,
    ),
    naming.threshold: (
        {"reference": LONG_DISTANCES, "distances": DISTANCES, "level": SHARES},
        False,
    ),
    neighbours.nearest: (
        {
            "queries": FEATURES,
            "references": FEATURES,
            "metric": METRIC,
            "k": COUNTS,
            "leave_one_out": st.booleans(),
            "max_bytes": COUNTS,
        },
        False,
    ),
    neighbours.among: (
        {
            "queries": FEATURES,
            "references": FEATURES,
            "candidates": st.lists(
                hn.arrays(np.int64, st.sampled_from([(2, 2), (3, 1)]), elements=st.integers(-2, 4)),
                max_size=3,
            ),
            "metric": METRIC,
            "k": COUNTS,
        },
        False,
    ),
    approximate.nearest: (
        {
            "queries": FEATURES,
            "references": FEATURES,
            "metric": METRIC,
            "k": COUNTS,
            "leave_one_out": st.booleans(),
            "min_recall": SHARES,
            "seed": SEEDS,
            "max_bytes": COUNTS | st.just(2**20),
        },
        False,
    ),
    neighbours.within: (
        {"queries": FEATURES, "references": FEATURES, "radii": DISTANCES, "max_bytes": COUNTS},
        False,
    ),
    power.scatter: ({"counts": TABLES, "min_class_samples": COUNTS}, False),
    power.power: (
        {
            "difference": SHARES,
            "known": SCATTERS,
            "trainings": COUNTS,
            "references": COUNTS,
            "samples": NUMBERS,
            "alpha": SHARES,
        },
        False,
    ),
    power.trainings_needed: (
        {
            "difference": SHARES,
            "known": SCATTERS,
            "samples": NUMBERS,
            "wanted": SHARES,
            "alpha": SHARES,
        },
        False,
    ),
    rgf.proportion_z: (
        {
            "count": SCALARS,
            "nobs": SCALARS,
            "reference": SHARES | P_VALUES,
            "variance": st.sampled_from(["sample", "reference", "other"]),
        },
        True,
    ),
    rgf.two_sample_z: (
        {"count": SCALARS, "nobs": SCALARS, "reference_count": SCALARS, "reference_nobs": SCALARS},
        True,
    ),
    rgf.chi_square: (
        {
            "counts": BY_VALUE,
            "reference_counts": BY_VALUE,
            "test": st.sampled_from(["two_sample", "sample", "reference", "other"]),
        },
        True,
    ),
    rgf.p_value: ({"z": NUMBERS | P_VALUES}, True),
    rgf.chi_square_p_value: ({"statistic": NUMBERS | P_VALUES, "degrees": SCALARS}, True),
    rgf.verdict: (
        {"z": NUMBERS | P_VALUES, "rare": st.booleans() | LABELS, "alpha": SHARES},
        False,
    ),
    rgf.wilson_interval: ({"count": SCALARS, "nobs": SCALARS, "confidence": SHARES}, False),
    rgf.gap: ({"counts": BY_VALUE, "reference_counts": BY_VALUE}, True),
    rgf_table.count: (
        {"classes": LABELS, "factor": LABELS, "num_classes": COUNTS, "num_values": COUNTS},
        False,
    ),
    rgf_table.build: (
        {
            "counts": TABLES,
            "reference_counts": TABLES,
            "class_names": st.lists(st.text(), min_size=2, max_size=2) | st.lists(st.text()),
            "rare_class": COUNTS | st.none(),
            "test": st.sampled_from(["trainings", "two_sample", "sample", "reference", "other"]),
            "alpha": SHARES,
            "min_class_samples": COUNTS,
        },
        True,
    ),
    rgf_table.compare: ({"rows": tables(), "min_class_samples": COUNTS, "seed": SEEDS}, True),
    rgf_table.mean_gap: ({"rows": tables()}, False),
    rgf_table.class_coverage: (
        {"rows": tables() | st.just([]), "min_class_samples": COUNTS},
        False,
    ),
    rgf_table.gap_interval: (
        {"rows": tables(), "seed": SEEDS, "num_draws": COUNTS, "min_class_samples": COUNTS},
        False,
    ),
    trainings.compare_trainings: (
        {
            "counts": TABLES,
            "reference": TABLES,
            "rare_class": COUNTS | st.none(),
            "alpha": SHARES,
            "min_class_samples": COUNTS,
            "seed": SEEDS,
        },
        True,
    ),
    trainings.mean_share: ({"counts": TABLES, "min_class_samples": COUNTS, "alpha": SHARES}, True),
    trainings.t_interval: ({"values": P_VALUES | DISTANCES, "alpha": SHARES}, True),
    trainings.over_trainings: (
        {"measured": st.lists(st.dictionaries(st.sampled_from("ab"), st.floats(0, 1)), max_size=3)},
        True,
    ),
    verdicts.decide: (
        {"p": P_VALUES | NUMBERS, "z": P_VALUES | NUMBERS, "rare": st.booleans(), "alpha": SHARES},
        False,
    ),
    verdicts.holm: ({"p": P_VALUES | DISTANCES}, True),
}
# Of drawings and files: tests of their own. Rows that only :func:`rgf_table.build` makes.
ELSEWHERE = {
    *(copies.histogram, copies.kernel_density, data_copying.cells),  # of any number of sets: below
    *(approximate.search, approximate.find_faiss, neighbours.check_search),  # parts of nearest
    *(copying.copies_csv, frechet.read_moments, rgf_table.by_name, rgf_table.from_records),
    *(
        rgf_table.first_training,
        rgf_table.mostly_too_few,
        rgf_table.name_of_all,
        rgf_table.num_trainings,
        rgf_table.to_csv,
        rgf_table.to_records,
    ),
}


def test_every_public_function_is_asked():
    public = {
        function
        for module in MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_") and function.__module__ == module.__name__
    }
    assert public == CASES.keys() | ELSEWHERE


def numbers(result):
    """All numbers of a result."""
    if is_dataclass(result):
        result = asdict(result)
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, list | tuple):
        return [number for each in result for number in numbers(each)]
    array = np.asarray(result)
    return array.ravel().tolist() if array.dtype.kind in "fiub" else []


def ask(function, arguments, may_be_nan):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy's are of NaN and overflow
        warnings.filterwarnings("ignore", "Fréchet distance of")
        warnings.filterwarnings("ignore", "Number of distinct clusters")
        try:
            result = function(**arguments)
        except RgfError as error:
            assert "\n" not in str(error)  # noqa: PT017
            return
    assert may_be_nan or not any(math.isnan(x) for x in numbers(result))


def properties(num_examples):
    return settings(
        max_examples=num_examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


each_function = pytest.mark.parametrize(
    "function", CASES, ids=lambda f: f"{f.__module__.rpartition('.')[2]}.{f.__name__}"
)


@each_function
def test_functions(function):
    strategies, may_be_nan = CASES[function]

    @properties(FEW)
    @given(st.fixed_dictionaries(strategies))
    def check(arguments):
        ask(function, arguments, may_be_nan)

    check()


@pytest.mark.slow
@each_function
def test_functions_often(function):
    strategies, may_be_nan = CASES[function]

    @properties(MANY)
    @given(st.fixed_dictionaries(strategies))
    def check(arguments):
        ask(function, arguments, may_be_nan)

    check()


@properties(FEW)
@given(st.lists(DISTANCES, max_size=3), COUNTS)
def test_densities(sets, num):
    ask(lambda: copies.histogram(*sets, num_bins=num), {}, False)
    ask(lambda: copies.kernel_density(*sets, num_points=num), {}, False)


@properties(FEW)
@given(st.lists(FEATURES, min_size=1, max_size=3), COUNTS, SEEDS, COUNTS)
def test_cells(sets, num_cells, seed, num_components):
    options = {"num_cells": num_cells, "seed": seed, "num_components": num_components}
    ask(lambda: data_copying.cells(*sets, **options), {}, False)


def test_numbers_that_are_too_large_are_named():
    with pytest.raises(RgfError, match=r"x must lie in \[0, 9.0072e\+15\], received 1e\+16"):
        checks.check_counts(x=1e16)


def test_counterexamples_that_were_found():
    moments = frechet.Moments(np.zeros(2), np.array([[np.nan, 0.0], [0.0, 0.0]]))
    row = {"difference": 0.5, "wanted": 0.5, "alpha": 0.5}
    empty = np.zeros((3, 3, 2))
    for call, part in (
        (lambda: frechet.distance(moments, moments), "the covariance of first must lie in"),
        (lambda: copies.mifid(0.0, "x"), "distance must be numbers"),
        (lambda: power.trainings_needed(known=power.Scatter(0.5, 1e154, 1.0), **row), "spread"),
        (lambda: power.trainings_needed(known=power.Scatter(0.5, 0.0, 1e-237), **row), "num_samp"),
        (lambda: rgf_table.build(empty, empty, ["", ""], "x"), "rare_class must be an integer"),
        (lambda: trainings.compare_trainings(empty, empty, "x"), "rare_class must be an integer"),
    ):
        with pytest.raises(RgfError, match=part):
            call()
    assert [x.item() for x in rgf.wilson_interval(0, 0, 1e-300)] == [0, 1]
    same = np.zeros((4, 2))
    assert data_copying.cells(same, num_cells=1, seed=0)[0].tolist() == [0, 0, 0, 0]


def test_duplicates_of_the_training_set_count_once():
    train = np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    near, far = np.array([[0.01, 1.0]]), np.array([[3.0, 3.0]])
    assert copies.authenticity(train, near) == copies.authenticity(train[1:3], near) == 0
    assert copies.authenticity(train, far) == 1
    assert copies.authenticity(train * [[1], [2], [1], [3], [5]], near, "cosine") == 0
    with pytest.raises(RgfError, match="train holds one sample again and again"):
        copies.authenticity(train[:2], near)
