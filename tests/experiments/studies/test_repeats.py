"""Repeats: the best trials with fresh seeds, ranked by their means."""

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from toy_study import RANDOM, assessment

from rgf_keras.cache import Cache
from rgf_keras.errors import Diverged, RgfError
from rgf_keras.experiments.studies.ranking import (
    best,
    feasible,
    finished,
    repeats,
)
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.metrics.differences import Difference, Mean
from rgf_keras.reports import outcome
from rgf_keras.tracking.tracker import MemoryTracker


def noisy(config, context):
    """The best first result is luck: with other seeds it is worse than the baseline."""
    result = assessment(config)
    if config.seed and config.spectral_decoupling.weight > 0.3:
        result.metrics["rgf/gap"] += 0.2
    result.metrics["rgf/gap"] += 0.001 * config.seed**2
    result.metrics[f"rgf/z_{config.seed}"] = 1.0  # of a class that not all runs have enough of
    return result


def run(tmp_path, evaluate=noisy, tracker=None, **kwargs):
    return run_study(
        replace(RANDOM, candidates=3),
        "toy",
        tmp_path,
        open_storage(f"journal:///{tmp_path}/optuna.journal"),
        tracker or MemoryTracker(),
        Cache(tmp_path / "cache"),
        **{"num_trials": 10, "repeats": 3, "evaluate": evaluate, **kwargs},
    )


def test_mean_and_interval_are_students():
    # t(0.975, 2) = 4.3027, s = 1, 4.3027 / √3 = 2.4841
    mean = Mean.of([1.0, 2.0, 3.0])
    assert (mean.value, mean.low, mean.high) == pytest.approx((2.0, -0.48414, 4.48414), abs=1e-5)
    interval = stats.ttest_1samp([1.0, 2.0, 3.0], 0).confidence_interval()
    assert (mean.low, mean.high) == pytest.approx(tuple(interval))


def test_of_equal_results_the_one_far_within_the_bounds_is_best(tmp_path):
    def equal(config, context):
        result = assessment(config)
        result.metrics["rgf/gap"] = 0.1 if config.spectral_decoupling.weight else 0.5
        return result

    record = run(tmp_path, equal, repeats=0)
    tried = [trial for trial in finished(record) if not trial.user_attrs["baseline"]]
    assert len({trial.value for trial in tried}) == 1
    assert best(record) == min(tried, key=lambda trial: sum(trial.constraints.values()))


def test_luck_does_not_win(tmp_path):
    record = run(tmp_path)
    kept = [trial for trial in finished(record) if feasible(trial)]
    lucky = min(kept, key=lambda trial: trial.value)
    assert lucky.params["weight"] > 0.3
    assert best(record).number != lucky.number
    again = repeats(record)
    assert len(again) == 4  # three candidates and the baseline
    weight = best(record).params["weight"]
    # gaps of seeds 1, 2, 3 are 0.5 − λ/4 + 0.001, 0.004, 0.009
    objective = again[best(record).number].objective
    assert objective.value == pytest.approx(0.5 - weight / 4 + 0.014 / 3)
    difference = again[best(record).number].difference
    assert difference.value == pytest.approx(-weight / 4)
    values = [0.5 - weight / 4 + x for x in (0.001, 0.004, 0.009)]
    others = [0.501, 0.504, 0.509]
    test = stats.ttest_ind(values, others, equal_var=False)
    expected = test.confidence_interval(1 - 0.05 / 3)  # the best of three candidates
    assert (difference.low, difference.high) == pytest.approx(tuple(expected))
    assert again[0].difference is None


def test_the_report_says_so(tmp_path):
    summary = outcome.study_summary(run(tmp_path))
    assert summary["best"] == summary["trials"][summary["best"]]["trial"]
    assert summary["answer"].startswith("Finding: trial ")
    assert re.search(r"difference -.* over 3 fresh trainings each", summary["answer"])
    assert summary["finding"] is True
    assert summary["caution"] == ""
    table = outcome.study_table(summary)
    assert "(3 seeds)" in next(iter(table.columns[2].cells))


def test_repeats_are_counted_once_and_resumed(tmp_path):
    seen = []

    def assess(config, context):
        work = context.folder
        seen.append(work.name)
        if len(seen) == 14:
            raise KeyboardInterrupt
        return noisy(config, context)

    tracker = MemoryTracker()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, assess, tracker)
    run(tmp_path, assess, tracker)
    assert seen[13] == seen[14] == "repeat-0003"
    assert len(seen) == 10 + 4 * 3 + 1
    run(tmp_path, assess, tracker)
    assert len(seen) == 10 + 4 * 3 + 1
    runs = [each for each in tracker.runs.values() if "repeat_of" in each.tags]
    assert len(runs) == 12
    assert {each.status for each in runs} == {"FINISHED"}


def test_more_repeats_later_add_to_those_there(tmp_path):
    run(tmp_path, repeats=0)
    assert repeats(run(tmp_path, repeats=2))[0].objective.n == 2
    assert repeats(run(tmp_path, repeats=4))[0].objective.n == 4


def test_a_candidate_that_diverges_is_out(tmp_path):
    def assess(config, *rest):
        if config.seed == 2 and config.spectral_decoupling.weight:
            raise Diverged("loss/generator", 7)
        return assessment(config)

    record = run(tmp_path, assess)
    assert best(record).number == 0
    assert "Nothing tried beats the baseline" in outcome.study_summary(record)["answer"]


def test_a_baseline_that_diverges_with_other_seeds_leaves_nothing_feasible(tmp_path):
    def assess(config, *rest):
        if config.seed and not config.spectral_decoupling.weight:
            raise Diverged("loss/generator", 7)
        return assessment(config)

    record = run(tmp_path, assess)
    assert "No trial keeps the bounds" in outcome.study_summary(record)["answer"]


@pytest.mark.parametrize("number", [1, -2])
def test_too_few_repeats_are_refused(tmp_path, number):
    with pytest.raises(RgfError, match=f"at least 2, received {number}"):
        run(tmp_path, repeats=number)
    with pytest.raises(RgfError, match=f"at least 2, received {number}"):
        replace(RANDOM, repeats=number)


def test_no_difference_is_called_a_finding_when_trainings_scatter_more(tmp_path):
    def assess(config, *rest):
        result = assessment(config)
        result.metrics["rgf/gap"] += 0.3 * (-1) ** config.seed * (config.seed > 0)
        return result

    summary = outcome.study_summary(run(tmp_path, assess, repeats=4))
    assert summary["answer"].startswith("No difference found: trial ")
    assert re.search(r"; about \d+ trainings of each would tell", summary["answer"])
    assert summary["finding"] is False


def test_without_repeats_nothing_is_confirmed(tmp_path):
    summary = outcome.study_summary(run(tmp_path, repeats=0))
    assert summary["finding"] is False
    assert summary["caution"].startswith("Not confirmed")


@pytest.mark.parametrize("n", [2, 5])
def test_differences_are_students_or_welchs(n):
    rng = np.random.default_rng(0)
    values, others = rng.normal(size=n), rng.normal(1, 3, size=4)
    difference = Difference.between(values, others)
    expected = stats.ttest_ind(values, others, equal_var=n < 3).confidence_interval()
    assert (difference.low, difference.high) == pytest.approx(tuple(expected))
    assert difference.is_found == (difference.low > 0 or difference.high < 0)


def test_trainings_of_the_same_seeds_are_compared_in_pairs():
    # C_T in a classifier's features with four seeds, without and with rejection in pixels
    values = dict(zip(range(1, 5), [1.5, -5.4, 3.3, 5.5], strict=True))
    others = dict(zip(range(1, 5), [-5.9, -16.9, -4.3, -4.4], strict=True))
    difference = Difference.of_seeds(values, others)
    expected = stats.ttest_rel([*values.values()], [*others.values()]).confidence_interval()
    assert (difference.low, difference.high) == pytest.approx(tuple(expected))
    assert difference.is_found
    assert not Difference.between([*values.values()], [*others.values()]).is_found
    other_seeds = Difference.of_seeds(values, {seed + 1: x for seed, x in others.items()})
    assert other_seeds == Difference.between([*values.values()], [*others.values()])


def test_pairs_hold_their_level():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(2000):
        seeds = rng.normal(size=4) * rng.choice([0, 3])
        values, others = (dict(enumerate(seeds + rng.normal(size=4))) for _ in range(2))
        found.append(Difference.of_seeds(values, others).is_found)
    assert np.mean(found) == pytest.approx(0.05, abs=0.015)


def test_as_many_trainings_as_are_advised_find_a_difference():
    rng = np.random.default_rng(0)
    needed = Difference.between([0.0, 1.0, 2.0], [1.0, 2.0, 3.0]).needed  # one standard deviation
    draws = (rng.normal(0, 1, needed) for _ in range(2000))
    found = [Difference.between(x, rng.normal(1, 1, needed)).is_found for x in draws]
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)


def test_what_does_not_scatter_says_nothing_of_chance():
    difference = Difference.between([10.0, 10.0], [11.0, 11.0])
    assert not difference.is_found
    assert Difference.between([0.1 + 0.2, 0.3], [1.0, 1.0]).is_found is False
    assert Difference.between([0.0, 0.0], [0.0, 0.0]).needed > 1000


def test_a_number_that_is_not_finite_leaves_the_report_whole(tmp_path):
    def assess(config, *rest):
        result = assessment(config)
        result.metrics["rgf/gap"] += 0.001 * config.seed**2
        return result.metrics | {"mine/diagnostic": float("nan"), "mine/other": float("inf")}

    summary = outcome.study_summary(run(tmp_path, assess))
    assert summary["finding"] is True
    assert "rgf/gap" in summary["differences"]
    assert not {"mine/diagnostic", "mine/other"} & summary["differences"].keys()
