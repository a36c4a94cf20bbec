"""Trials of several trainings: means, resuming in the middle, and giving up early."""

from dataclasses import replace

import pytest
from toy_study import BASELINE, RANDOM, assessment

from rgf_keras.cache import Cache
from rgf_keras.errors import RgfError
from rgf_keras.experiments import Bound
from rgf_keras.experiments.studies.ranking import best, repeats
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.reports import outcome
from rgf_keras.tracking.tracker import MemoryTracker

STUDY = replace(RANDOM, trainings=3, subject_to=(), num_trials=3)
NOISE = [0.0, 0.02, -0.02]


def noisy(config, context):
    result = assessment(config)
    result.metrics["rgf/gap"] += NOISE[config.seed % 3]
    result.metrics["rgf/gap_low"] = result.metrics["rgf/gap_high"] = result.metrics["rgf/gap"]
    return result


def run(tmp_path, study=STUDY, evaluate=noisy, tracker=None, **kwargs):
    storage = open_storage(f"journal:///{tmp_path}/optuna.journal")
    where = study, "toy", tmp_path, storage, tracker or MemoryTracker(), Cache(tmp_path / "cache")
    return run_study(*where, evaluate=evaluate, **kwargs)


def test_a_trial_is_the_mean_of_its_trainings_with_their_interval(tmp_path):
    tracker = MemoryTracker()
    record = run(tmp_path, tracker=tracker)
    baseline = record.trials[0]
    assert [each["rgf/gap"] for each in baseline.user_attrs["trainings"]] == [0.5, 0.52, 0.48]
    assert baseline.value == pytest.approx(0.5)
    metrics = baseline.user_attrs["metrics"]
    # t(0.975, 2) · 0.02 / √3
    assert metrics["rgf/gap_high"] - metrics["rgf/gap"] == pytest.approx(0.04968, abs=1e-4)
    logged = tracker.runs[baseline.user_attrs["mlflow_run_id"]]
    assert logged.metrics["rgf/gap_low"][-1] == (0, metrics["rgf/gap_low"])


def test_a_trial_that_was_killed_goes_on_with_the_next_training(tmp_path):
    seen = []

    def evaluate(config, context):
        seen.append((context.folder.name, config.seed))
        if len(seen) == 6:
            raise KeyboardInterrupt
        return noisy(config, context)

    study = replace(STUDY, num_trials=2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, study, evaluate, repeats=0)
    record = run(tmp_path, study, evaluate, repeats=0)
    assert seen[3:] == [("trial-0001", 0), ("training-2", 1), ("training-3", 2), ("training-3", 2)]
    assert len(record.trials[1].user_attrs["trainings"]) == 3


def test_a_trial_that_cannot_win_is_pruned_after_fewer(tmp_path):
    seen = []

    def evaluate(config, context):
        seen.append(config.seed)
        result = noisy(config, context)
        if 0 < config.spectral_decoupling.weight < 0.9:
            result.metrics["rgf/gap"] += 1.0
        return result

    record = run(tmp_path, evaluate=evaluate, repeats=0)
    assert all(trial.params["weight"] < 0.9 for trial in record.trials[1:])
    assert seen == [0, 1, 2, 0, 0]
    reasons = [trial.user_attrs["reason"] for trial in record.trials[1:]]
    assert reasons == ["worse than trial 0 after 1 of 3 trainings"] * 2
    assert best(record).number == 0


def test_repeats_have_seeds_that_the_search_did_not_see(tmp_path):
    seen = []

    def evaluate(config, context):
        seen.append((context.folder.name, config.seed))
        return noisy(config, context)

    record = run(tmp_path, evaluate=evaluate, repeats=2)
    again = [(name, seed) for name, seed in seen if name.startswith("repeat-")]
    assert {seed for _, seed in again} == {3, 4}
    assert repeats(record)[0].objective.n == 2


def test_an_assessments_repeats_keep_data_and_oracles():
    # (the study's own evaluate would be trained with another seed of everything)
    study = replace(STUDY, trainings=1)
    config = study.retrained(BASELINE, 2)
    assert config.seed == BASELINE.seed
    assert list(config.evaluation.trainings) == [2]
    assert study.retrained(BASELINE, 0) is BASELINE
    own = replace(study, evaluate=noisy)
    assert own.retrained(BASELINE, 2).seed == BASELINE.seed + 2


@pytest.mark.parametrize("elsewhere", [True, False])
def test_less_copying_is_a_finding_if_it_is_seen_where_nothing_optimised(tmp_path, elsewhere):
    def evaluate(config, context):
        is_rejected = config.rejection.active
        noise = NOISE[config.seed % 3]
        c_t = {"pixels": -8.0 + 8 * is_rejected, "oracle": 1.0 + 5 * is_rejected * elsewhere}
        metrics = {f"copying/c_t/{name}": value + noise for name, value in c_t.items()}
        return metrics | {"copying/deficit": 8.0 - 8 * is_rejected + noise}

    def suggest(trial):
        factor = trial.suggest_float("factor", 0.5, 1)
        return BASELINE.with_values(
            {
                "rejection.threshold": "auto",
                "rejection.embedding": "pixels",
                "rejection.factor": factor,
            }
        )

    bounds = (Bound("copying/c_t/oracle", at_least=0.0),)
    study = replace(
        RANDOM, suggest=suggest, minimize="copying/deficit", subject_to=bounds, num_trials=2
    )
    summary = outcome.study_summary(run(tmp_path, study, evaluate, repeats=3))
    assert summary["finding"] is elsewhere
    start = "Finding: trial 1" if elsewhere else "No finding, for it is seen only in"
    assert summary["answer"].startswith(start)
    assert "In oracle, which its mitigation does not use, C_T differs by " in summary["answer"]
    assert summary["differences"]["copying/c_t/pixels"]["value"] == pytest.approx(8)


@pytest.mark.parametrize("name", ["trainings", "candidates"])
def test_fewer_than_one_is_refused(name):
    with pytest.raises(RgfError, match=f"{name} must be at least 1, received 0"):
        replace(STUDY, **{name: 0})
