"""Pruning: what looks bad while it trains is ended, and recorded as such."""

from dataclasses import replace

import optuna
import pytest
from toy_study import BASELINE, RANDOM, assessment

from rgf_keras.cache import Cache
from rgf_keras.experiments.studies.ranking import best, finished
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.reports import outcome
from rgf_keras.tracking.tracker import MemoryTracker

EPOCHS = BASELINE.training.epochs  # evaluated four times


class Threshold(optuna.pruners.BasePruner):
    """Prunes whatever is reported above 0.6."""

    def prune(self, study, trial):
        return trial.intermediate_values[trial.last_step] > 0.6


def training(config, context):
    """Quality is bad in the beginning, for everybody; then it depends on λ."""
    run = context.run
    result = assessment(config)
    for quarter in range(1, 5):
        distance = result.metrics["quality/frechet_oracle"] * (5 - quarter)
        metrics = {**result.metrics, "quality/frechet_oracle": distance, "loss": 1.0}
        step = EPOCHS * quarter // 4
        run.log_metrics({**metrics, "epoch": step}, step=step)
    run.log_metrics(result.metrics, step=EPOCHS)
    return result


def run(tmp_path, pruner, tracker=None, **kwargs):
    return run_study(
        replace(RANDOM, pruner=pruner),
        "toy",
        tmp_path,
        open_storage(f"journal:///{tmp_path}/optuna.journal"),
        tracker or MemoryTracker(),
        Cache(tmp_path / "cache"),
        **{"num_trials": 8, "evaluate": training, **kwargs},
    )


@pytest.fixture(scope="module")
def tracker():
    return MemoryTracker()


@pytest.fixture(scope="module")
def record(tmp_path_factory, tracker):
    return run(tmp_path_factory.mktemp("pruning"), Threshold, tracker)


def test_trials_that_miss_a_bound_at_the_baselines_epoch_are_pruned(record):
    for trial in record.trials[1:]:
        pruned = trial.state == optuna.trial.TrialState.PRUNED
        assert pruned == (trial.params["weight"] > 0.5)
        assert len(trial.intermediate_values) == (1 if pruned else 4)


def test_the_baseline_is_not_pruned_and_pruned_trials_count(record):
    assert finished(record)[0].number == 0
    assert len(record.trials) == 8


def test_pruned_trials_are_recorded_as_such(record, tracker, tmp_path):
    pruned = record.get_trials(states=[optuna.trial.TrialState.PRUNED])
    assert pruned
    runs = {each.name: each for each in tracker.runs.values()}
    for trial in pruned:
        # 4 · (10 + 2λ) against a limit of 1.1 · 4 · 10 is for the pruner; the bound stays 11
        assert trial.constraints["quality/frechet_oracle"] > 0
        assert trial.user_attrs["reason"] == f"pruned at epoch {EPOCHS // 4}"
        run = runs[f"trial-{trial.number:04d}"]
        assert (run.status, run.tags["pruned"]) == ("KILLED", "True")
        assert outcome.trial_line(trial, "rgf/gap", 8).endswith(f": pruned at epoch {EPOCHS // 4}")
    summary = outcome.study_summary(record)
    assert all((trial["value"] is None) == trial["pruned"] for trial in summary["trials"])
    assert sum(trial["pruned"] for trial in summary["trials"]) == len(pruned)
    assert best(record).params["weight"] <= 0.5
    outcome.study_table(summary)
    outcome.study_figure(tmp_path / "study.png", summary)


def test_a_resumed_trial_reports_what_it_repeats_once(tmp_path):
    killed = []

    def assess(config, context):
        work = context.folder
        result = training(config, context)
        if config.spectral_decoupling.weight and not killed:
            killed.append(work.name)
            raise KeyboardInterrupt
        return result

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, optuna.pruners.NopPruner, evaluate=assess)
    record = run(tmp_path, optuna.pruners.NopPruner, evaluate=assess)
    assert [len(trial.intermediate_values) for trial in record.trials] == [4] * 8


def test_hyperband_prunes_and_continues(tmp_path):
    def hyperband():
        return optuna.pruners.HyperbandPruner(EPOCHS // 4, EPOCHS, reduction_factor=2)

    run(tmp_path, hyperband, num_trials=5)
    record = run(tmp_path, hyperband, num_trials=16)
    states = [trial.state for trial in record.trials]
    assert states.count(optuna.trial.TrialState.PRUNED) > 3
    assert states[0] == optuna.trial.TrialState.COMPLETE
