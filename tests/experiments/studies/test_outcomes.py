"""Whatever a user's own evaluate function returns: a result or one line, within the budget."""

import dataclasses
import decimal
import fractions
import itertools
import json
import math

import numpy as np
import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_study import BASELINE, RANDOM

from rgf_keras import strict_json
from rgf_keras.cache import Cache
from rgf_keras.errors import RgfError
from rgf_keras.experiments import Bound, Study
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.stages import COUNTED
from rgf_keras.experiments.studies.storage import Journal, open_storage
from rgf_keras.reports import outcome, trials
from rgf_keras.tracking.tracker import MemoryTracker

NAMES = ("rgf/gap", "quality/frechet_oracle", "rgf/class_coverage")
GOOD = dict.fromkeys(NAMES, 1.0)
WORDS = ["0.5", "nan", b"1", None, 1j, np.complex64(1), [], [1.0], {}, object(), "", 10**400]
FINE = [
    *(True, np.bool(False), np.float32(0.5), np.int64(3), np.array(0.25), np.float16(2)),
    *(fractions.Fraction(1, 3), decimal.Decimal("0.1"), 7, -0.0, 1e308, -1e308, 5e-324),
]
NOT_FINITE = [math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf")]
NUMBERS = itertools.count()


def outcomes(tmp_path, results, tracker=None, **options):
    """A study of three trials that gets these results in turn, then the last again."""
    given = []

    def evaluate(config, context):
        given.append(results[min(len(given), len(results) - 1)])
        if len(given) > 60:
            pytest.fail("it never ends")
        context.run.log_metrics({"loss": math.nan}, step=len(given))
        return given[-1]

    study = dataclasses.replace(RANDOM, num_trials=3, evaluate=evaluate, **options)
    folder = tmp_path / f"study-{next(NUMBERS)}"
    folder.mkdir()
    storage, tracker = Journal(folder / "journal"), tracker or MemoryTracker()
    return run_study(study, "toy", folder, storage, tracker, Cache(folder)), given


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize("name", NAMES)
def test_a_result_that_is_not_finite_counts_and_says_so(tmp_path, name, value):
    study, given = outcomes(tmp_path, [GOOD, {**GOOD, name: value}])
    assert len(given) == 3
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3
    assert study.trials[2].user_attrs["reason"] == f"{name} is {float(value)}"
    assert study.trials[2].value == math.nextafter(1.0, math.inf)  # worse than the others' 1.0


@pytest.mark.parametrize("value", NOT_FINITE)
def test_a_baseline_that_is_not_finite_is_one_line_after_one_training(tmp_path, value):
    with pytest.raises(RgfError, match=r"the baseline has no result: rgf/gap is (nan|-?inf)$"):
        outcomes(tmp_path, [{**GOOD, "rgf/gap": value}])


@pytest.mark.parametrize("value", FINE, ids=str)
def test_numbers_of_other_kinds_are_numbers(tmp_path, value):
    study, _ = outcomes(tmp_path, [GOOD, {**GOOD, "rgf/gap": value}])
    assert study.trials[1].value == float(value)
    assert type(study.trials[1].user_attrs["metrics"]["rgf/gap"]) is float


@pytest.mark.parametrize("value", WORDS, ids=lambda value: str(value)[:20])
def test_what_is_no_number_is_named(tmp_path, value):
    with pytest.raises(
        RgfError, match=r"evaluate returns a dict whose rgf/gap is a .*; it must be"
    ):
        outcomes(tmp_path, [{**GOOD, "rgf/gap": value}])


@pytest.mark.parametrize("result", [None, 3.0, [1], "gap", {1: 2.0}, object(), [("a", 1)]])
def test_what_is_no_dictionary_of_numbers_is_named(tmp_path, result):
    with pytest.raises(RgfError, match=r"evaluate returns a .*; it must be a dict of numbers by"):
        outcomes(tmp_path, [result])


def test_other_numbers_that_are_not_finite_are_left_out_of_records_and_told(tmp_path):
    tracker = MemoryTracker()
    study, _ = outcomes(tmp_path, [{**GOOD, "mine/x": math.nan}], tracker)
    assert study.trials[0].user_attrs["metrics"] == GOOD
    run = next(run for run in tracker.runs.values() if run.name == "trial-0000")
    assert run.tags["not_finite/mine/x"] == "nan at step 0"
    assert "mine/x" not in run.metrics
    for line in next(tmp_path.glob("*/journal")).read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)


METRIC = st.sampled_from([*FINE, *NOT_FINITE, *WORDS]) | st.floats() | st.integers() | st.text()
RESULT = st.dictionaries(st.sampled_from([*NAMES, "mine/x", ""]), METRIC) | METRIC | st.none()
LIKELY = st.fixed_dictionaries(
    {name: st.floats() | st.sampled_from([*FINE, *NOT_FINITE]) for name in NAMES}
)


RUNS = st.lists(LIKELY | RESULT, min_size=1, max_size=4), st.sampled_from([0, 2]), st.booleans()


def properties(num_examples):
    shared = [HealthCheck.function_scoped_fixture]  # a folder, of which each example uses a part
    return settings(
        max_examples=num_examples, deadline=None, derandomize=True, suppress_health_check=shared
    )


@properties(40)
@given(*RUNS)
def test_three_trials_end_with_a_result_or_one_line(tmp_path, results, repeats, several):
    check_study(tmp_path, results, repeats, several)


@pytest.mark.slow
@properties(10_000)
@given(*RUNS)
def test_three_trials_often(tmp_path, results, repeats, several):
    check_study(tmp_path, results, repeats, several)


def check_study(tmp_path, results, repeats, several):
    trainings = 2 if several else 1
    try:
        study, given = outcomes(tmp_path, results, repeats=repeats, trainings=trainings)
    except RgfError:  # its one line is for those who mend it
        return
    assert sum(trial.state in COUNTED for trial in study.trials) == 3
    assert len(given) <= 3 * trainings + 2 * repeats
    summary = outcome.study_summary(study)
    json.loads(strict_json.dumps(summary), parse_constant=pytest.fail)
    outcome.study_table(summary)
    for trial in study.trials:
        outcome.trial_line(trial, study.user_attrs["minimize"], 3)


@pytest.mark.parametrize("limit", [math.nan, math.inf, -math.inf, "1.0", True, 1j])
@pytest.mark.parametrize("side", ["at_most", "at_least"])
def test_a_bound_needs_a_finite_number(side, limit):
    with pytest.raises(RgfError, match=f"{side} of the bound on x must be a finite number"):
        Bound("x", **{side: limit})


def test_a_bound_of_numpy_is_stored_as_a_number():
    assert json.dumps(dataclasses.asdict(Bound("x", at_most=np.float32(0.5))))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"worst": math.nan}, "worst must be a finite number, received nan"),
        ({"worst": math.inf}, "worst must be a finite number, received inf"),
        ({"num_trials": 2.5}, "num_trials must be an integer, received 2.5"),
        ({"num_trials": "3"}, "num_trials must be an integer"),
        ({"repeats": math.nan}, "repeats must be an integer"),
        ({"trainings": True}, "trainings must be an integer"),
    ],
)
def test_a_study_that_cannot_be_is_refused_when_it_is_made(options, message):
    with pytest.raises(RgfError, match=message):
        Study("toy", "?", BASELINE, lambda trial: BASELINE, **options)


def test_two_bounds_on_one_metric_hold_both(tmp_path):
    bounds = [Bound("mine/x (a b)", at_least=0.0), Bound("mine/x (a b)", at_most=1.0)]
    results = [{"rgf/gap": 0.5, "mine/x (a b)": x} for x in (0.5, 2.0, -1.0)]
    study, _ = outcomes(tmp_path, results, subject_to=bounds, repeats=0)
    assert [trial.constraints["mine/x (a b)"] for trial in study.trials] == [-0.5, 1.0, 1.0]
    assert trials.bounds(outcome.study_summary(study)) == {"mine/x (a b)": "≥ 0 and ≤ 1"}


def test_changed_choices_are_named_before_a_trial_is_begun(tmp_path):
    def study(*choices):
        def suggest(trial):
            weight = trial.suggest_categorical("weight", choices)
            return BASELINE.with_values({"spectral_decoupling.weight": weight})

        return dataclasses.replace(RANDOM, suggest=suggest, evaluate=lambda *_: GOOD, repeats=0)

    storage = open_storage(f"sqlite:///{tmp_path}/optuna.db")
    given = "toy", tmp_path, storage, MemoryTracker(), Cache(tmp_path)
    before = run_study(study(0.1, 0.2), *given, num_trials=3)
    with pytest.raises(
        RgfError, match=r"'weight' is one of 0.1, 0.2, but now it is one of 0.1, 0.2, 0.3; .*--name"
    ):
        run_study(study(0.1, 0.2, 0.3), *given, num_trials=4)
    assert len(before.trials) == 3


def test_choices_of_some_trials_that_changed_are_named_too(tmp_path):
    def study(*choices):
        def suggest(trial):
            kind = trial.suggest_categorical("kind", ["a", "b"])
            weight = trial.suggest_categorical("weight", choices) if kind == "a" else 0.0
            return BASELINE.with_values({"spectral_decoupling.weight": weight})

        return dataclasses.replace(
            RANDOM, suggest=suggest, evaluate=lambda *_: GOOD, repeats=0, num_trials=20
        )

    storage = open_storage(f"sqlite:///{tmp_path}/optuna.db")
    given = "toy", tmp_path, storage, MemoryTracker(), Cache(tmp_path)
    run_study(study(0.1, 0.2), *given)
    with pytest.raises(RgfError, match=r"other choices than .*; give the new study another --name"):
        run_study(dataclasses.replace(study(0.3), num_trials=40), *given)


def test_what_is_suggested_must_be_a_configuration(tmp_path):
    with pytest.raises(RgfError, match=r"suggests a bad configuration: a NoneType; it must be"):
        outcomes(tmp_path, [GOOD], suggest=lambda trial: None)


def test_a_mean_that_overflows_is_no_result(tmp_path):
    with pytest.raises(RgfError, match="the baseline has no result: rgf/gap is inf"):
        outcomes(tmp_path, [{**GOOD, "rgf/gap": 1.7e308}], trainings=2)


@pytest.mark.parametrize("value", [9.3e307, 1e200])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("repeats", [2, 3])
def test_huge_results_are_compared(tmp_path, value, sign, repeats):
    """The baseline's is the largest; what scatters by the largest number there is has an end."""
    results = [{**GOOD, "rgf/gap": value / number - (sign < 0) * value} for number in range(1, 60)]
    study, _ = outcomes(tmp_path, results, repeats=repeats)
    summary = outcome.study_summary(study)
    assert math.isfinite(summary["differences"]["rgf/gap"]["high"])
    assert math.isfinite(summary["trials"][summary["best"]]["repeats"]["objective"]["low"])


def test_what_one_training_does_not_measure_is_no_mean(tmp_path):
    first = {**GOOD, "guest/x": 1.0, "guest/x_low": 0.5, "guest/x_high": 1.5, "guest/y": 1.0}
    second = {**first, "guest/x": math.inf, "guest/y": 3.0}
    study, _ = outcomes(tmp_path, [first, second], trainings=2)
    metrics = study.trials[0].user_attrs["metrics"]
    assert metrics["guest/y"] == 2.0
    assert not [name for name in metrics if name.startswith("guest/x")]


def test_limits_of_bounds_in_both_directions():
    trial = optuna.trial.create_trial(
        values=[0.0],
        user_attrs={
            "metrics": {"most": 5.0, "least": 0.5, "between": 1.0},
            **{"baseline": False, "reason": "", "mlflow_run_id": "1"},
        },
        constraints={"most": 5.0 - 6.0, "least": 0.2 - 0.5, "between": -1.0},
    )
    bounds = ["most ≤ 6", "least ≥ 1 × baseline", "between ≥ 0", "between ≤ 2"]
    limits = trials.trial_record(trial, None, bounds)["limits"]
    assert limits == {"most": 6.0, "least": pytest.approx(0.2)}
