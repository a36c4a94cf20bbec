"""The table of metrics: names, what is measured when, and guests' metrics."""

import math
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from rgf_keras.errors import ArgumentError, RgfError
from rgf_keras.metrics import copying, data_copying, frechet, rgf_table
from rgf_keras.metrics.catalogue import (
    METRICS,
    Evidence,
    Metric,
    find,
    guests,
    keys,
    label,
    measure,
)
from rgf_keras.metrics.data_copying import SETS
from rgf_keras.metrics.frechet import Estimate

OF_CLASSES = ("rgf/z_", "rgf/p_r_", "rgf/p_u_")
BOUNDS = ("_low", "high")  # how their names end
ELSEWHERE = {"privacy/epsilon", "quality/held_out_log_prob", "quality/held_out_elbo"} | {
    f"memorization/{name}" for name in ("quantile", "min", "median", "max")
}


@pytest.fixture(scope="module")
def evidence():
    """120 images of two classes and their features."""
    rng = np.random.default_rng(0)
    numbers = {"train": 150, "held_out": 90, "generated": 120, "test": 80}
    sets = {"pixels": {name: rng.normal(size=(n, 3)) for name, n in numbers.items()}}
    sets["oracle"] = {**sets["pixels"], "generated": 3 + rng.normal(size=(120, 3))}
    table = rgf_table.build(
        np.array([[50, 10], [20, 40], [70, 50]]), np.full((3, 2), 60), ("cat", "dog"), 1
    )
    return Evidence(
        images=rng.integers(0, 256, (120, 4, 4, 1), np.uint8),
        table=table,
        embedding="pixels",
        embed=lambda space, name: sets[space][name],
        copying_spaces=["pixels", "oracle"],
        confidence=rng.uniform(size=120),
        accuracies={"class": 0.9},
        num_resamples=5,
        seed=3,
    )


# ------------------------------------------------------------------------------------ the table


def test_keys_and_labels_are_unique():
    for names in ([metric.key for metric in METRICS], [metric.label for metric in METRICS]):
        assert [name for name, count in Counter(names).items() if count > 1] == []


def test_directions_are_given_where_a_report_compares():
    assert all(metric.better for metric in METRICS if metric.shown)
    assert {metric.unit for metric in METRICS} == {"", "%", "nats"}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("rgf/gap", "memorization gap"),
        ("quality/frechet_oracle", "Fréchet distance"),
        ("quality/frechet_mine", "Fréchet distance"),
        ("memorization/quantile", "quantile of M"),
        ("rgf/z_dog", "rgf/z_dog"),  # one of many is called by its name
        ("rgf/p_r_all", "rgf/p_r_all"),
        ("rgf/num_memorized", "cases memorized"),
        ("guest/sharpness", "guest/sharpness"),
    ],
)
def test_labels(key, expected):
    assert label(key) == expected


def test_find():
    for metric in METRICS:
        names = {"space": "oracle", "class": "7", "copying_space": "pixels"}
        key = metric.key.format(**names)
        assert find(key) is metric
        assert metric.matches(key)
    assert find("rgf/z_a class/of mine") is find("rgf/z_{class}")
    assert find("rgf/gaps") is find("") is find("guest/sharpness") is None


def test_keys_are_what_a_bound_may_name(evidence):
    mine = Metric("mine/{space}", "mine", lambda e: 1)
    later = Metric("mine/later", "measured elsewhere")
    names = keys("pixels", ["pixels", "oracle"], [mine, later])
    assert len(set(names)) == len(names)
    assert names[-1] == "mine/pixels"
    assert not set(names) & (ELSEWHERE | {"mine/later"})
    labels = {name: np.zeros(len(evidence.embed("pixels", name)), int) for name in SETS}
    everything = replace(evidence, accuracies={"class": 0.9, "factor": 1}, labels=labels)
    values = measure(everything, [*METRICS, mine])
    assert set(names) == {
        name for name in values if not name.startswith(OF_CLASSES) and name[-4:] not in BOUNDS
    }


# ------------------------------------------------------------------------------------ measuring


def test_what_is_measured(evidence):
    values = measure(evidence)
    assert all(type(value) is float for value in values.values())
    assert values["rgf/gap"] == rgf_table.mean_gap(evidence.table)
    low, high = rgf_table.gap_interval(evidence.table, 3)
    assert (values["rgf/gap_low"], values["rgf/gap_high"]) == (low, high)
    sets = evidence.held_out, evidence.features
    expected = frechet.bootstrap(*sets, 3, 5)
    names = ("", "_low", "_high")
    assert [values[f"quality/frechet_pixels{name}"] for name in names] == [
        *(expected.value, expected.low, expected.high)
    ]
    assert values["quality/oracle_confidence"] == evidence.confidence.mean()
    assert values["quality/oracle_confidence"] == evidence.confidence.mean()
    assert values["rgf/class_coverage"] == 1
    assert values["rgf/num_memorized"] == sum(r.verdict == "memorized" for r in evidence.table) > 0
    assert values["rgf/p_r_dog"] == pytest.approx(40 / 60)
    assert values["oracle/class_accuracy"] == 0.9


def test_copying_is_measured_in_every_space_and_the_worst_counts(evidence):
    values = measure(evidence)
    for space in ("pixels", "oracle"):
        sets = (evidence.embed(space, name) for name in ("train", "test", "generated"))
        expected = copying.measure(*sets, 3, space)
        estimate = [values[f"copying/c_t/{space}{end}"] for end in ("", "_low", "_high")]
        assert estimate == [expected.c_t.value, expected.c_t.low, expected.c_t.high]
        assert values[f"copying/c_t_p/{space}"] == expected.p_value
        assert values[f"copying/tail_p/{space}"] == expected.tail.p_value
        assert values[f"copying/num_copies/{space}"] == len(expected.copies)
        assert values[f"copying/authenticity/{space}"] == expected.authenticity
    assert evidence.copying.space == "pixels"  # samples in the oracle's are far from all
    assert values["copying/c_t"] == values["copying/c_t/pixels"] < values["copying/c_t/oracle"]
    assert values["copying/deficit"] == max(0, -values["copying/c_t"])
    each = [values["copying/tail_p/pixels"], values["copying/tail_p/oracle"]]
    assert values["copying/tail_p"] == min(1, 2 * min(each))


def test_c_t_is_the_mean_of_the_classes_where_they_are_known(evidence):
    numbers = {"train": 150, "test": 80, "generated": 120}
    labels = {name: np.arange(n) % 2 for name, n in numbers.items()}
    known = replace(evidence, labels=labels)
    sets = [evidence.embed("pixels", name) for name in numbers]
    expected = data_copying.c_t_per_class(*sets, *labels.values(), seed=3).c_t
    assert measure(known)["copying/c_t_mean/pixels"] == expected
    few = replace(evidence, labels=labels | {"test": np.arange(80) // 61})  # 19 of one class
    assert "copying/c_t_mean/pixels" not in measure(few)
    assert "copying/c_t_mean/pixels" not in measure(evidence)


def test_while_training_only_what_is_cheap(evidence):
    values = measure(evidence, while_training=True)
    assert values.keys() == {
        *("rgf/gap", "rgf/class_coverage"),
        *("quality/frechet_pixels", "quality/oracle_confidence"),
    }
    everything = measure(evidence)
    assert values == {name: everything[name] for name in values}


def test_what_is_not_there_is_left_out(evidence):
    without = replace(evidence, confidence=None, accuracies=None)
    names = {"quality/oracle_confidence", "oracle/class_accuracy"}
    assert measure(evidence).keys() - measure(without).keys() == names
    assert "oracle/factor_accuracy" not in measure(evidence)


def test_copying_is_measured_once(evidence, monkeypatch):
    calls = []
    original = copying.measure
    monkeypatch.setattr(copying, "measure", lambda *args: calls.append(args) or original(*args))
    measure(replace(evidence))
    assert [call[4] for call in calls] == ["pixels", "oracle"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2, {"mine": 2.0}),
        (np.float32(0.5), {"mine": 0.5}),
        (math.inf, {"mine": math.inf}),
        (Estimate(1, 0, 2), {"mine": 1.0, "mine_low": 0.0, "mine_high": 2.0}),
        (None, {}),
    ],
)
def test_values_of_one_number(evidence, value, expected):
    assert measure(evidence, [Metric("mine", "mine", lambda e: value)]) == expected


def test_values_by_class(evidence):
    metric = Metric("mine/{space}_{class}", "mine", lambda e: {"a": 1, "b {class}": 2})
    assert measure(evidence, [metric]) == {"mine/pixels_a": 1.0, "mine/pixels_b {class}": 2.0}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            math.nan,
            r"the metric mine_pixels is not a number \(NaN\); a metric that has no value is",
        ),
        (Estimate(1, math.nan, 2), r"the metric mine_pixels_low is not a number"),
        ({"a": math.nan}, "the metric mine_pixels is not a number"),
        ("much", "the metric mine_pixels is a str; it must be a number, an Estimate, numbers by"),
        (np.zeros(3), "the metric mine_pixels is a ndarray; it must be a number"),
        ({"a": []}, "the metric mine_pixels is a list"),
    ],
)
def test_what_is_no_number_is_refused_by_name(evidence, value, message):
    with pytest.raises(RgfError, match=message):
        measure(evidence, [Metric("mine_{space}", "mine", lambda e: value)])


# --------------------------------------------------------------------------------------- guests

GUESTS = """
from rgf_keras.metrics.catalogue import Metric

def sharpness(evidence):
    return float(evidence.images.std())

def failing(evidence):
    return evidence.nothing

class Blur:
    def __call__(self, evidence):
        return 0

blur = Blur()
full = Metric("mine/{space}_blur", "blur", sharpness, better="higher", while_training=True)
gap = Metric("rgf/gap", "another gap", sharpness)
number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_metrics.py").write_text(GUESTS)
    return "my_metrics.py"


def test_a_function_is_a_metric(module, evidence):
    (metric,) = guests([f"{module}:sharpness"])
    assert (metric.key, metric.label, metric.shown) == ("guest/sharpness", "sharpness", True)
    values = measure(evidence, [*METRICS, metric])
    assert values["guest/sharpness"] == evidence.images.std()
    assert "guest/sharpness" not in measure(evidence, [metric], while_training=True)
    assert keys("oracle", guests=[metric])[-1] == "guest/sharpness"


def test_an_object_that_can_be_called_is_one_too(module):
    assert [metric.key for metric in guests([f"{module}:blur"])] == ["guest/Blur"]


def test_a_metric_of_ones_own(module, evidence):
    (metric,) = guests([f"{module}:full"])
    assert measure(evidence, [metric], while_training=True).keys() == {"mine/pixels_blur"}


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (["number"], "evaluation.metrics: '.*:number' is a int; it must be a Metric or a function"),
        (["sharp"], "has no 'sharp'; did you mean 'sharpness'"),
        (["gap"], "'.*:gap' is called rgf/gap as another metric is; rename it or leave it out"),
        (["sharpness", "sharpness"], "'.*:sharpness' is called guest/sharpness as another metric"),
    ],
)
def test_what_is_no_metric_is_told_in_one_line(module, attributes, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        list(guests(f"{module}:{attribute}" for attribute in attributes))
    assert "\n" not in str(caught.value)


def test_a_guest_that_fails_is_named(module, evidence):
    metrics = list(guests([f"{module}:failing"]))
    with pytest.raises(RgfError, match=r"'my_metrics.py:failing' fails: AttributeError: .*nothing"):
        measure(evidence, metrics)


def test_an_unknown_metric():
    message = r"unknown metric 'sharpness'; known: quality/fid, .*, module:attr, file"
    with pytest.raises(ArgumentError, match=message):
        list(guests(["sharpness"]))


# ------------------------------------------------------------------------------------ on request


def in_every_space(evidence):
    """The features of one space stand for those of others."""
    return replace(evidence, embed=lambda space, name: evidence.embed("pixels", name))


def test_ours_are_measured_where_asked_for(evidence):
    evidence = in_every_space(evidence)
    asked = list(guests(["quality/fid_test", "quality/clean_fid", "quality/density"]))
    assert [metric.key for metric in asked] == [
        *("quality/fid_test", "quality/clean_fid_train", "quality/clean_fid_test"),
        *("quality/clean_fid_statistics", "quality/density_{space}"),
    ]
    values = measure(evidence, asked)
    expected = frechet.frechet_distance(evidence.held_out, evidence.features)
    assert values["quality/fid_test"] == pytest.approx(expected, rel=1e-9)
    assert "quality/density_pixels" in values
    assert "quality/clean_fid_statistics" not in values, "there are none"
    assert measure(evidence, asked, while_training=True) == {}
    twice = [metric.key for metric in guests(["quality/kid_test", "quality/kid"])]
    assert twice == ["quality/kid_test", "quality/kid_train"]
    assert label("quality/fid_train") == "FID to training images"
    with pytest.raises(ArgumentError, match=r"unknown metric 'quality/fit'.* mean 'quality/fid'"):
        list(guests(["quality/fit"]))


def test_fid_to_given_statistics(evidence):
    evidence = in_every_space(evidence)
    given = replace(evidence, statistics=frechet.moments(evidence.held_out))
    values = measure(given, guests(["quality/fid"]))
    assert values["quality/fid_statistics"] == pytest.approx(values["quality/fid_test"], rel=1e-9)
