"""How near samples lie to training images in one space; and few copies among many samples."""

import csv
import io

import numpy as np
import pytest
import scipy

from rgf_keras import datasets
from rgf_keras.errors import ArgumentError
from rgf_keras.metrics import copying


def plant(rng, num_copies, noise=0.1):
    """2,000 training, 1,000 test and 1,000 generated digits as pixels, some of them copies."""
    digits = [datasets.load("mnist-10k", split).images for split in ("train", "test")]
    pixels = np.concatenate(digits).reshape(-1, 784).astype(np.float32) / 255
    chosen = pixels[rng.choice(len(pixels), 4000, replace=False)]
    train, test, generated = np.split(chosen, [2000, 3000])
    copies = train[rng.choice(2000, num_copies, replace=False)]
    copies = np.clip(copies + noise * rng.normal(size=copies.shape), 0, 1)
    return train, test, np.concatenate([copies, generated[num_copies:]])


def tail_of(sets):
    return copying.measure(*sets, seed=0, space="pixels").tail


def test_the_tail_is_a_precedence_test():
    rng = np.random.default_rng(0)
    generated, test = rng.exponential(size=300), rng.exponential(size=1000)
    tail = copying.tail(generated, test)
    assert tail.radius == np.sort(test)[4]  # 0.5 % of 1,000
    assert tail.count == np.sum(generated < tail.radius)
    assert tail.excess == max(0, tail.count / 300 - 5 / 1001)
    # the number of generated distances below the 5th test distance is negative hypergeometric
    null = scipy.stats.nhypergeom(1300, 300, 5)
    assert tail.p_value == pytest.approx(null.sf(tail.count - 1))


def test_the_tail_holds_its_level():
    rng = np.random.default_rng(0)
    sizes = [(1000, 1000), (200, 2000), (1000, 100)]
    p = [copying.tail(rng.random(m), rng.random(n)).p_value for m, n in sizes for _ in range(1000)]
    called = int(np.sum(np.array(p) <= 0.05))
    assert scipy.stats.binomtest(called, len(p), 0.05, "greater").pvalue > 0.01


def test_ties_are_no_copies():
    assert copying.tail(np.zeros(50), np.zeros(50)).p_value == 1


def test_two_percent_of_near_copies_are_found_and_named():
    rng = np.random.default_rng(1)
    train, test, generated = plant(rng, num_copies=20)
    found = copying.measure(train, test, generated, seed=0, space="pixels")
    assert found.tail.p_value < 0.01
    assert found.tail.excess == pytest.approx(0.02, abs=0.01)
    assert np.mean(found.copies < 20) > 0.8  # nearly all of those named were planted
    assert np.sum(found.copies < 20) >= 12
    assert (np.diff(found.relative[found.copies]) >= 0).all()
    assert found.p_value > 0.05  # which C_T does not see


def test_the_list_of_copies():
    rng = np.random.default_rng(2)
    train, test, generated = (rng.normal(size=(n, 4)) for n in (60, 50, 40))
    generated[:2] = train[[7, 9]]
    found = copying.measure(train, test, generated, seed=0, space="=mine, too")
    rows = list(csv.DictReader(io.StringIO(copying.copies_csv([found]))))
    assert [row["generated"] for row in rows[:2]] == [str(i) for i in found.copies[:2]]
    assert {(row["generated"], row["nearest"]) for row in rows} >= {("0", "7"), ("1", "9")}
    assert {row["space"] for row in rows} == {"'=mine, too"}  # no formula for a spreadsheet


def test_hardly_any_images():
    rng = np.random.default_rng(3)
    found = copying.measure(*(rng.random((n, 4)) for n in (2, 3, 1)), seed=0, space="pixels")
    assert 0 < found.tail.p_value <= 1
    assert (found.relative <= 1).all()


def test_no_distances():
    with pytest.raises(ArgumentError, match="there are no distances to compare"):
        copying.tail(np.zeros(0), np.ones(3))


@pytest.mark.slow
def test_level_and_power_on_digits():
    rng = np.random.default_rng(4)
    null = np.array([tail_of(plant(rng, 0)).p_value for _ in range(200)])
    called = int(np.sum(null <= 0.05))
    power = np.mean([tail_of(plant(rng, 20)).p_value <= 0.05 for _ in range(50)])
    print(f"false calls {called} of 200, power {power:.2f} for 20 near copies of 1,000")
    assert scipy.stats.binomtest(called, 200, 0.05).pvalue > 0.01
    assert power >= 0.9
