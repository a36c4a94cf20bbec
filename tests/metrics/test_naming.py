"""Naming copies: the level is kept without copies, and the more there are the more are named."""

import numpy as np
import pytest

from rgf_keras.metrics import naming

NUM, LEVEL = 500, 0.1


def distances(rng, num):
    """Of fresh samples, with a tail that is a power law."""
    return rng.random(num) ** 0.25


def test_fresh_samples_are_hardly_ever_named():
    rng = np.random.default_rng(0)
    num_alarms = 0
    for _ in range(400):
        reference, fresh = distances(rng, 4000), distances(rng, NUM)
        num_alarms += (fresh < naming.threshold(reference, fresh, LEVEL)).any()
    # 40 expected; that the exponent is an estimate makes it some more or less
    assert 20 <= num_alarms <= 64


def test_few_of_those_named_are_fresh():
    rng = np.random.default_rng(1)
    reference, shares, found = distances(rng, 4000), [], []
    for _ in range(200):
        fresh, copies = distances(rng, NUM - 50), 0.25 * distances(rng, 50)
        limit = naming.threshold(reference, np.concatenate([fresh, copies]), LEVEL)
        named, right = (fresh < limit).sum(), (copies < limit).sum()
        shares.append(named / max(named + right, 1))
        found.append(right / 50)
    alone = naming.threshold(reference, np.ones(NUM), LEVEL)
    assert np.mean(shares) < LEVEL
    assert np.mean(found) > np.mean(0.25 * distances(rng, 5000) < alone) + 0.2


def test_with_more_copies_farther_ones_are_named():
    rng = np.random.default_rng(2)
    reference, fresh = distances(rng, 4000), 0.5 + distances(rng, NUM)
    limits = []
    for num in (0, 1, 10, 100):
        samples = np.concatenate([np.full(num, 0.01), fresh[num:]])
        limits.append(naming.threshold(reference, samples, LEVEL))
    assert limits[0] == pytest.approx(limits[1])
    assert limits[1] < limits[2] < limits[3] <= np.quantile(reference, naming.TAIL_SHARE + 0.01)
