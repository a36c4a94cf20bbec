"""Studies: budget, constraints, failures, records, and what a SIGKILL leaves behind."""

import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path

import mlflow
import optuna
import pytest
from toy_study import BASELINE, STUDY, assessment, suggest

from rgf_keras.cache import Cache
from rgf_keras.errors import Diverged, RgfError
from rgf_keras.experiments import Bound, Study
from rgf_keras.experiments.studies.ranking import best, feasible, finished
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.experiments.studies.study import load_study
from rgf_keras.reports import outcome
from rgf_keras.tracking.tracker import MemoryTracker

CHILD = Path(__file__).with_name("study_child.py")


def run(tmp_path, study=STUDY, evaluate=None, tracker=None, **kwargs):
    return run_study(
        study,
        kwargs.pop("name", "toy"),
        tmp_path / "work",
        open_storage(f"sqlite:///{tmp_path}/optuna.db"),
        tracker or MemoryTracker(),
        Cache(tmp_path / "cache"),
        evaluate=evaluate or (lambda config, *rest: assessment(config)),
        **kwargs,
    )


def test_trial_0_is_the_baseline_and_the_budget_includes_it(tmp_path):
    record = run(tmp_path)
    assert len(record.trials) == len(finished(record)) == 6
    assert record.trials[0].params == {}
    assert record.trials[0].value == 0.5


def test_constraints_are_relative_to_the_baseline(tmp_path):
    for trial in run(tmp_path, num_trials=8).trials[1:]:
        # 10 + 2λ ≤ 11
        violation = trial.constraints["quality/frechet_oracle"]
        assert violation == pytest.approx(2 * trial.params["weight"] - 1)
        assert feasible(trial) == (trial.params["weight"] <= 0.5)


def test_a_bound_may_be_a_difference_from_the_baseline():
    bound = Bound("quality/held_out_log_prob", at_least=-2.0, difference=True)
    baseline = {"quality/held_out_log_prob": -90.0}
    assert bound.violation({"quality/held_out_log_prob": -93.0}, baseline) == 1.0
    assert str(bound) == "quality/held_out_log_prob ≥ baseline -2"


def test_a_study_says_how_it_is_judged(tmp_path):
    study = dataclasses.replace(STUDY, evaluate=lambda config, *rest: assessment(config))
    record = run_study(
        study, "toy", tmp_path, open_storage(f"sqlite:///{tmp_path}/optuna.db"), MemoryTracker(),
        Cache(tmp_path), num_trials=2,
    )  # fmt: skip
    assert record.trials[0].value == 0.5


def test_best_is_the_best_feasible_trial(tmp_path):
    record = run(tmp_path, num_trials=12)
    weights = [t.params["weight"] for t in finished(record)[1:] if t.params["weight"] <= 0.5]
    assert best(record).params["weight"] == max(weights)
    assert f"Trial {best(record).number}" in outcome.study_summary(record)["answer"]


def test_the_nearest_is_named_when_nothing_is_feasible(tmp_path):
    bound = Bound("rgf/class_coverage", at_least=2.0)
    record = run(tmp_path, Study("toy", "?", BASELINE, suggest, subject_to=[bound]), num_trials=3)
    answer = outcome.study_summary(record)["answer"]
    assert f"No trial keeps the bounds; trial {best(record).number} is nearest" in answer


def test_a_diverged_trial_is_an_infeasible_result_with_a_reason(tmp_path):
    def assess(config, *rest):
        if config.spectral_decoupling.weight:
            raise Diverged("loss/generator", 7)
        return assessment(config)

    record = run(tmp_path, evaluate=assess, num_trials=3)
    assert [feasible(trial) for trial in finished(record)] == [True, False, False]
    assert "step 7" in record.trials[1].user_attrs["reason"]
    summary = outcome.study_summary(record)
    assert "Nothing tried beats the baseline" in summary["answer"]
    outcome.study_table(summary)
    outcome.study_figure(tmp_path / "study.png", summary)


def test_a_diverged_baseline_is_an_error(tmp_path):
    def assess(config, *rest):
        raise Diverged("loss/generator", 7)

    with pytest.raises(RgfError, match="the baseline has no result"):
        run(tmp_path, evaluate=assess)


def test_the_same_command_continues_with_the_remaining_budget(tmp_path):
    run(tmp_path, num_trials=2)
    assert len(run(tmp_path, num_trials=5).trials) == 5
    assert len(run(tmp_path, num_trials=5).trials) == 5


def test_stopping_between_trials_does_not_change_the_suggestions(tmp_path):
    whole = run(tmp_path, name="whole")
    run(tmp_path, name="cut", num_trials=3)
    cut = run(tmp_path, name="cut")
    assert [t.params for t in whole.trials] == [t.params for t in cut.trials]


def test_an_interrupted_trial_goes_on_under_its_number(tmp_path):
    calls = []

    def assess(config, *rest):
        calls.append(config.spectral_decoupling.weight)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return assessment(config)

    tracker = MemoryTracker()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, evaluate=assess, tracker=tracker)
    record = run(tmp_path, evaluate=assess, tracker=tracker)
    assert calls[2] == calls[3]
    assert len(record.trials) == 6
    assert len(tracker.runs) == 1 + 6


def test_another_configuration_is_not_mixed_in(tmp_path):
    run(tmp_path, num_trials=1)
    other = Study("toy", "?", BASELINE.with_values({"training.epochs": 3}), suggest)
    with pytest.raises(RgfError, match="another baseline"):
        run(tmp_path, other)


def test_a_bad_suggestion_is_named_and_does_not_block_the_study(tmp_path):
    def bad(trial):
        return BASELINE.with_values({"spectral_decoupling.weight": -1.0})

    with pytest.raises(RgfError, match=r"spectral_decoupling\.weight.*received -1\.0"):
        run(tmp_path, Study("toy", "?", BASELINE, bad))
    assert len(finished(run(tmp_path))) == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def (", "line 1"),
        ("1 / 0", "ZeroDivisionError"),
        ("x = 1", "defines no `study`"),
        ("from rgf_keras.experiments import DataConfig\nDataConfig(rarety=1)", "rarety"),
    ],
)
def test_a_bad_study_file_is_named(tmp_path, text, message):
    file = tmp_path / "broken.py"
    file.write_text(text)
    with pytest.raises(RgfError, match=message):
        load_study(file)


def test_sigkill_in_the_middle_of_trials_loses_and_repeats_nothing(tmp_path):
    def start(kill_at):
        command = [sys.executable, str(CHILD), str(tmp_path), str(kill_at)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert start(1).returncode == -signal.SIGKILL  # in the baseline
    assert start(4).returncode == -signal.SIGKILL  # in trial 2, the baseline having been resumed
    result = start(-1)
    assert result.returncode == 0, result.stderr

    lines = [line.split() for line in (tmp_path / "assessed.log").read_text().splitlines()]
    assert [resumed for _, resumed in lines] == [
        "False", "True", "False", "False", "True", "False", "False", "False",
    ]  # fmt: skip
    assert lines[0][0] == lines[1][0] == "0.0"
    assert lines[3][0] == lines[4][0]
    record = optuna.load_study(study_name="toy", storage=f"sqlite:///{tmp_path}/optuna.db")
    assert [trial.number for trial in finished(record)] == list(range(6))
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("toy").experiment_id
    runs = client.search_runs([experiment])
    assert len(runs) == 1 + 6
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_summary_is_json(tmp_path):
    json.dumps(outcome.study_summary(run(tmp_path, num_trials=2)))


def test_a_finite_space_is_gone_through_once(tmp_path):
    study = Study(
        "toy",
        "?",
        BASELINE,
        suggest,
        num_trials=10,
        sampler=lambda seed: optuna.samplers.GridSampler({"weight": [0.1, 0.2]}, seed=0),
    )
    weights = [trial.params.get("weight") for trial in finished(run(tmp_path, study))]
    assert weights[0] is None
    assert sorted(weights[1:]) == [0.1, 0.2]
