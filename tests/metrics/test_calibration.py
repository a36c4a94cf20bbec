"""What eight equal GANs and four skewed ones say of the tests."""

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rgf_keras.errors import ArgumentError
from rgf_keras.figures import calibration as figures
from rgf_keras.metrics import power, rgf_table
from rgf_keras.metrics.calibration import Rule, calibrate
from rgf_keras.metrics.rgf import compare_trainings
from rgf_keras.reports import calibration as report

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "trainings.npz")
BALANCED, SKEWED = GOLDEN["balanced"], GOLDEN["skewed"]


@pytest.fixture(scope="module")
def calibration():
    return calibrate(BALANCED, SKEWED, [(3, 3), (1, 7)], Rule(rare_class=1))


def test_false_calls(calibration):
    by_test = {(c.test, c.trainings, c.references): c for c in calibration.false_calls}
    alone = by_test["trainings", 1, 7]
    assert (alone.called, alone.rows) == (6, 73)
    assert alone.low < 0.05 < alone.high
    for test, rate in rgf_table.FALSE_CALLS.items():
        assert by_test[test, 1, 1].rate == pytest.approx(rate, abs=0.005)


def test_what_is_planted_is_found(calibration):
    found = {(c.test, c.trainings, c.references): c.rate for c in calibration.found}
    assert found["trainings", 3, 3] > 0.8
    for gaps in calibration.gaps:
        assert max(gaps.balanced) < gaps.nothing < min(gaps.skewed)


def test_trainings_that_a_difference_takes(calibration):
    needed = [each.trainings["1"] for each in calibration.needed]
    assert needed == sorted(needed, reverse=True)
    assert needed[1] == 13


def test_power_is_what_simulations_find():
    rng = np.random.default_rng(0)
    known = power.Scatter(0.5, 0.1, 100)

    def draw(share, trainings):
        root = np.arcsin(np.sqrt(share)) + known.spread * rng.standard_normal((trainings, 5000))
        ones = rng.binomial(100, np.sin(np.clip(root, 0, np.pi / 2)) ** 2)
        return np.stack([100 - ones, ones], axis=-1)

    for trainings, references in ((1, 3), (2, 3), (1, 8), (2, 8)):
        compared = compare_trainings(draw(0.3, trainings), draw(0.5, references))
        found = (compared.p_value < 0.05).mean()
        assert found == pytest.approx(power.power(0.2, known, trainings, references), abs=0.03)


def test_tables_and_picture(calibration, tmp_path):
    console = Console(width=120, record=True)
    console.print(report.calls_table(calibration), report.needs_table(calibration))
    console.print(*report.gap_lines(calibration))
    text = console.export_text()
    for part in ("8.2% (6 of 73)", "two_sample", "13", "nothing up to 0.2"):
        assert part in text
    assert figures.plot(tmp_path / "calibration.png", calibration).stat().st_size > 10_000


def test_too_few_samples_to_say_anything():
    few = np.full((4, 3, 2), 1)
    with pytest.raises(ArgumentError, match="no class has 10 samples in two trainings"):
        power.scatter(few)
