"""Studies: budget, constraints, failures, records, and what a SIGKILL leaves behind."""

import dataclasses
import json
import math
import os
import pickle
import re
import signal
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import mlflow
import numpy as np
import optuna
import pytest
from toy_study import BASELINE, STUDY, assessment, suggest

import rgf_keras
from rgf_keras.cache import Cache
from rgf_keras.errors import Diverged, RgfError
from rgf_keras.experiments import Bound, ScoreConfig, Study
from rgf_keras.experiments.studies.ranking import best, feasible, finished
from rgf_keras.experiments.studies.run import StudySpec, run_study
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.experiments.studies.study import load_study, plan
from rgf_keras.reports import outcome
from rgf_keras.runtime.progress import Progress
from rgf_keras.tracking.tracker import MemoryTracker

CHILD = Path(__file__).with_name("study_child.py")
STUDIES = Path(__file__).parents[3] / "studies"
PACKAGE = Path(rgf_keras.__file__).parent


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


@pytest.mark.parametrize(
    "sampler",
    [
        lambda seed: optuna.samplers.GridSampler({"weight": [0.1, 0.2]}, seed=0),
        lambda seed: optuna.samplers.BruteForceSampler(seed=seed),
    ],
    ids=["grid", "brute force"],
)
def test_a_finite_space_is_gone_through_once(tmp_path, sampler):
    def choose(trial):
        weight = trial.suggest_categorical("weight", [0.1, 0.2])
        return BASELINE.with_values({"spectral_decoupling.weight": weight})

    study = Study("toy", "?", BASELINE, choose, num_trials=10, sampler=sampler)
    weights = [trial.params.get("weight") for trial in finished(run(tmp_path, study))]
    assert weights[0] is None
    assert sorted(weights[1:]) == [0.1, 0.2]


def test_choices_that_a_record_changes_are_refused_before_anything_runs(tmp_path):
    for choices in ([(8,), (16, 8)], [math.nan, 1.0], [{1}, 2]):

        def choose(trial, choices=choices):
            trial.suggest_categorical("units", choices)
            return BASELINE

        study = Study("toy", "?", BASELINE, choose)
        with pytest.raises(RgfError, match=r"parameter 'units' has the choice .* records do not"):
            study.check()

    def choose_lists(trial):
        trial.suggest_categorical("units", [[8], [9]])
        return BASELINE

    sampler = lambda seed: optuna.samplers.BruteForceSampler()  # noqa: E731
    with pytest.raises(RgfError, match=r"parameter 'units' has the choice \[8\]"):
        Study("toy", "?", BASELINE, choose_lists, sampler=sampler).check()


def test_lists_are_choices_without_a_word(tmp_path):
    def choose(trial):
        return BASELINE.with_values({"model.units": trial.suggest_categorical("units", [[8], [9]])})

    study = Study("toy", "?", BASELINE, choose, num_trials=3)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Choices")
        first = run(tmp_path, study)
        again = run(tmp_path, dataclasses.replace(study, num_trials=4))
    assert finished(again)[1].params["units"] in ([8], [9])
    assert (len(finished(first)), len(finished(again))) == (4, 4)  # one record


UNMEASURED = [
    ("quality/frechet_orcale", "did you mean 'quality/frechet_oracle'"),
    ("memorization/quantile", "it measures rgf/gap"),
]


@pytest.mark.parametrize(("metric", "remedy"), UNMEASURED)
def test_what_an_assessment_does_not_measure_is_refused_before_anything_runs(
    tmp_path, metric, remedy
):
    tracker = MemoryTracker()
    for study, place in (
        (Study("toy", "?", BASELINE, suggest, minimize=metric), "minimize"),
        (Study("toy", "?", BASELINE, suggest, subject_to=[Bound(metric, 1.0)]), f"bound {metric}"),
    ):
        storage = open_storage(f"sqlite:///{tmp_path}/optuna.db")
        with pytest.raises(RgfError, match=f"{place}.*does not measure '{metric}'.*{remedy}"):
            run_study(study, "toy", tmp_path, storage, tracker, Cache(tmp_path))
    assert not tracker.runs


def test_bounds_follow_the_embedding_and_guests_metrics(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("def sharpness(evidence): return 1.0")
    changes = {
        "evaluation.embedding": "mobilenet_v2",
        "evaluation.metrics": ["mine.py:sharpness", "quality/fid", "quality/recall"],
        "rejection.threshold": 0.1,
    }
    study = Study("toy", "?", BASELINE.with_values(changes), suggest)
    with pytest.raises(RgfError, match=r"'quality/frechet_oracle'; did you mean.*_mobilenet_v2'"):
        study.check()
    names = (
        *("quality/frechet_mobilenet_v2", "rgf/gap_high", "rgf/z_3", "copying/c_t_low"),
        *("guest/sharpness", "privacy/epsilon", "generator/acceptance"),
        *("quality/fid_train", "quality/recall_mobilenet_v2"),
    )
    dataclasses.replace(study, subject_to=[Bound(name, 1.0) for name in names]).check()


def test_what_cannot_be_assessed_needs_an_evaluate():
    study = Study("toy", "?", ScoreConfig(), suggest)
    with pytest.raises(RgfError, match="a ScoreConfig cannot be assessed; give the study its own"):
        study.check()


def test_a_suggestion_that_fails_is_refused_before_the_baseline(tmp_path):
    def fail(trial):
        raise KeyError("weights")

    evaluated = []
    with pytest.raises(RgfError, match=r"'toy' suggests a bad configuration: KeyError: 'weights'"):
        run(tmp_path, Study("toy", "?", BASELINE, fail), lambda *given: evaluated.append(given))
    assert not evaluated


def test_a_later_suggestion_that_fails_does_not_block_the_study(tmp_path):
    suggested = []

    def fail_at_third(trial):
        suggested.append(trial)
        if len(suggested) == 3:  # the first one is tried and not run
            raise RgfError("no more")
        return suggest(trial)

    with pytest.raises(RgfError, match="no more"):
        run(tmp_path, Study("toy", "?", BASELINE, fail_at_third))
    states = [trial.state.name for trial in run(tmp_path).trials]
    assert states.count("FAIL") == 1
    assert states.count("COMPLETE") == 6


def test_an_evaluate_function_may_return_a_dictionary_and_log_nothing(tmp_path):
    def evaluate(config, context):
        context.run.log_metrics({"loss": 1.0}, step=3)
        return {**assessment(config).metrics, "loss": np.float32(1.0), "mine/sharpness": 0.5}

    study = dataclasses.replace(
        STUDY, evaluate=evaluate, minimize="mine/sharpness", subject_to=[Bound("rgf/gap", 0.4)]
    )
    tracker = MemoryTracker()
    storage = open_storage(f"sqlite:///{tmp_path}/optuna.db")
    record = run_study(study, "toy", tmp_path, storage, tracker, Cache(tmp_path), num_trials=3)
    assert record.trials[1].value == 0.5
    trial = next(each for each in tracker.runs.values() if each.name == "trial-0001")
    assert trial.metrics["mine/sharpness"] == [(0, 0.5)]
    assert trial.metrics["loss"] == [(3, 1.0)]  # as it was logged
    assert trial.params["model.family"] == "gan"
    outcome.study_table(outcome.study_summary(record))


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (3.0, "evaluate returns a float; it must be a dict of numbers"),
        ({"rgf/gap": "low"}, "evaluate returns a dict whose rgf/gap is a str"),
        ({"quality": 1.0}, "minimize: 'rgf/gap' is not measured; measured are quality"),
        ({"rgf/gap": 1.0}, "the bound quality/frechet_oracle ≤ 1.1 × baseline"),
    ],
)
def test_what_an_evaluate_function_must_return_is_named(tmp_path, result, message):
    with pytest.raises(RgfError, match=message):
        run(tmp_path, evaluate=lambda config, context: result)


def test_a_result_that_is_not_finite_is_none(tmp_path):
    def evaluate(config, context):
        metrics = assessment(config).metrics
        return metrics | ({"rgf/gap": math.nan} if config.spectral_decoupling.weight else {})

    record = run(tmp_path, evaluate=evaluate, num_trials=3)
    assert [trial.user_attrs["reason"] for trial in record.trials] == ["", *["rgf/gap is nan"] * 2]
    assert best(record).number == 0


def test_the_form_of_version_0_1_still_works(tmp_path):
    seen = []

    def judge(config, run, folder, cache, track):
        track("thinking", "steps")(1, 2)
        run.log_metrics({"loss": 1.0})
        seen.append((folder.name, cache.folder))
        return assessment(config)

    with pytest.warns(DeprecationWarning, match="is now evaluate"):
        study = Study("toy", "?", BASELINE, suggest, num_trials=2, repeats=0, judge=judge)
    storage = open_storage(f"sqlite:///{tmp_path}/optuna.db")
    run_study(study, "toy", tmp_path, storage, MemoryTracker(), Cache(tmp_path))
    assert seen == [("trial-0000", tmp_path), ("trial-0001", tmp_path)]


def test_the_scores_judge_of_version_0_1_still_works(tmp_path, monkeypatch):
    with pytest.warns(DeprecationWarning, match="judge is now evaluate"):
        from rgf_keras.experiments.scores.score import judge
    monkeypatch.setattr(
        "rgf_keras.experiments.scores.score.evaluate", lambda config, context: (config, context)
    )
    told = []
    run = MemoryTracker().start("score", {})
    config, context = judge("config", run, tmp_path, Cache(tmp_path), lambda *task: told.append)
    context.progress.task("fits", "steps")("told")
    assert (config, context.run, context.folder, told) == ("config", run, tmp_path, ["told"])


def test_a_study_file_imports_from_its_folder_in_every_process(tmp_path):
    (tmp_path / "beside_the_study.py").write_text("from toy_study import STUDY")
    file = tmp_path / "mine.py"
    file.write_text("from beside_the_study import STUDY as study")
    assert load_study(file).name == "toy"
    spec = StudySpec(partial(load_study, file), "", MemoryTracker, "toy", tmp_path, Cache(tmp_path))
    (tmp_path / "spec").write_bytes(pickle.dumps(spec))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).load().name)"
    assert in_a_process(code, tmp_path / "spec") == "toy"


def in_a_process(code, *arguments):
    """What a program prints that can import what this one can."""
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | path)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (None, "does not exist"),
        ("from rgf_keras.experiments import DataConfig\nDataConfig(rarety=1)", "mean 'rarity'"),
    ],
)
def test_a_bad_study_file_is_told_without_importing_keras(tmp_path, file, message):
    if file:
        (tmp_path / "study.py").write_text(file)
    code = (
        "import sys\nfrom rgf_keras.cli import app\nfrom rgf_keras.errors import RgfError\n"
        "try: app(['study', 'run', sys.argv[1]])\n"
        "except RgfError as error: print(error, {'keras', 'tensorflow', 'jax'} & {*sys.modules})"
    )
    told = in_a_process(code, tmp_path / "study.py")
    assert message in told
    assert told.endswith("set()")


def test_a_study_is_shown_without_importing_keras_and_nothing_global_changes(tmp_path):
    run(tmp_path, num_trials=2)
    code = (
        "import logging, sys, optuna\n"
        "state = lambda: (optuna.logging.get_verbosity(), logging.root.level)\n"
        "before = state()\n"
        "from rgf_keras.cli import app\n"
        "app(['study', 'show', 'toy', '--workspace', sys.argv[1]], standalone_mode=False)\n"
        "print(state() == before, {'keras', 'tensorflow', 'jax', 'mlflow'} & {*sys.modules})"
    )
    shown = in_a_process(code, tmp_path)
    assert "baseline" in shown
    assert shown.endswith("True set()")


def test_running_a_study_restores_optunas_verbosity(tmp_path):
    before = optuna.logging.get_verbosity(), warnings.filters[:]
    run(tmp_path, num_trials=2)
    plan(STUDY)
    assert (optuna.logging.get_verbosity(), warnings.filters[:]) == before


@pytest.mark.parametrize("file", sorted(STUDIES.glob("*.py")), ids=lambda file: file.stem)
def test_the_studies_of_this_repository_can_be_run(file):
    assert load_study(file).check()


def test_optunas_private_names_are_in_one_module():
    adapter = PACKAGE / "experiments" / "studies" / "optuna_adapter.py"
    private = re.compile(r"\._(trial_id|storage|study_id)\b|optuna\.Trial\(|from optuna\S*\._")
    files = {file for file in PACKAGE.rglob("*.py") if private.search(file.read_text())}
    assert files == {adapter}


def test_a_study_that_was_begun_before_trainings_were_compared_goes_on_as_it_was():
    def epochs(trial):
        return BASELINE.with_values({"training.epochs": trial.suggest_int("epochs", 1, 3)})

    study = Study("old", "?", BASELINE, epochs)
    before = Study("old", "?", BASELINE.of_one_training(), epochs)
    assert "num_references" not in BASELINE.of_one_training().identity()["evaluation"]
    begun = study.as_begun(before.key)
    assert begun.key == before.key != study.key
    for config in (begun.baseline, begun.suggest(optuna.trial.FixedTrial({"epochs": 2}))):
        assert (config.evaluation.test, config.evaluation.references) == ("two_sample", 1)
    assert begun.suggest(optuna.trial.FixedTrial({"epochs": 2})).training.epochs == 2
    assert study.as_begun(None) is study.as_begun(study.key) is study.as_begun("another") is study
    more = dataclasses.replace(
        study, baseline=BASELINE.with_values({"evaluation.num_references": 8})
    )
    assert more.as_begun(before.key) is more


class Told(Progress):
    """Remembers what it is told, by task."""

    def __init__(self):
        self.told = {}

    def task(self, description, unit="steps"):
        return lambda *count: self.told.setdefault(description, []).append(count)


@pytest.mark.parametrize(("repeats", "last"), [(0, None), (2, (4, 4))])
def test_the_end_of_the_trials_and_of_the_repeats_is_told(tmp_path, repeats, last):
    progress = Told()
    run(tmp_path, dataclasses.replace(STUDY, repeats=repeats), progress=progress)
    assert progress.told["trials"] == [(done, 6) for done in range(1, 7)]
    assert progress.told.get("repeats", [None])[-1] == last
