"""One name in one workspace is one study, however many commands are given, and where."""

import os
from dataclasses import replace

import optuna
import pytest
from kills import killed
from toy_study import RANDOM, assessment

from rgf_keras.cache import Cache
from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies.ranking import finished
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import (
    default_url,
    find_studies,
    journal_url,
    leases,
    open_storage,
    sqlite_url,
)
from rgf_keras.tracking.tracker import MemoryTracker


def run(workspace, url, num_trials=2, study=RANDOM, evaluate=None):
    return run_study(
        study,
        "toy",
        workspace / "work",
        open_storage(url),
        MemoryTracker(),
        Cache(workspace / "cache"),
        num_trials=num_trials,
        evaluate=evaluate or (lambda config, context: assessment(config)),
    )


def test_a_second_storage_is_refused(tmp_path):
    run(tmp_path, sqlite_url(tmp_path))
    with pytest.raises(RgfError, match=r"work/toy belongs to the study of this name in sqlite:.*"):
        run(tmp_path, journal_url(tmp_path))
    assert not find_studies([journal_url(tmp_path)])
    assert len(run(tmp_path, sqlite_url(tmp_path), 3).trials) == 3


def test_workers_do_not_take_over_a_study_that_has_hardly_begun(tmp_path):
    def evaluate(config, context):
        with pytest.raises(RgfError, match="is being run by another process"):
            default_url(tmp_path, "toy", parallel=True)
        return assessment(config)

    run(tmp_path, default_url(tmp_path, "toy", parallel=False), 1, evaluate=evaluate)
    assert default_url(tmp_path, "toy", parallel=True) == journal_url(tmp_path)
    assert len(run(tmp_path, journal_url(tmp_path)).trials) == 2


def test_who_came_late_does_not_begin_what_has_moved(tmp_path):
    run(tmp_path, sqlite_url(tmp_path))
    late = default_url(tmp_path, "toy", parallel=False)
    default_url(tmp_path, "toy", parallel=True)
    with pytest.raises(RgfError, match=r"was moved to journal:.*; the same command continues it"):
        run(tmp_path, late, 4)
    assert default_url(tmp_path, "toy", parallel=False) == journal_url(tmp_path)


def test_nothing_begun_is_moved_too(tmp_path):
    storage = open_storage(sqlite_url(tmp_path))
    optuna.create_study(study_name="toy", storage=storage)
    assert default_url(tmp_path, "toy", parallel=False) == sqlite_url(tmp_path)
    with leases(storage, "toy"), pytest.raises(RgfError, match="by another process"):
        default_url(tmp_path, "toy", parallel=True)
    assert default_url(tmp_path, "toy", parallel=True) == journal_url(tmp_path)
    assert default_url(tmp_path, "toy", parallel=False) == journal_url(tmp_path)


def test_trials_of_two_backends_do_not_mix(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    run(tmp_path, sqlite_url(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(RgfError, match=r"started with jax, not torch; give --backend jax, or.*--n"):
        run(tmp_path, sqlite_url(tmp_path), 3)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert len(run(tmp_path, sqlite_url(tmp_path), 3).trials) == 3


def fails(*weights):
    """Evaluates, but not what the budget's trials of these numbers suggest."""
    attempts = []

    def evaluate(config, context):
        attempts.append(context.folder.name)
        if context.folder.name[-1] in weights:
            raise ValueError("no such layer")
        return assessment(config)

    return evaluate, attempts


def test_a_trial_that_always_raises_is_closed_with_its_reason_and_the_study_goes_on(tmp_path):
    evaluate, attempts = fails("2")
    record = run(tmp_path, journal_url(tmp_path), 4, evaluate=evaluate)
    assert attempts.count("trial-0002") == 3
    assert [trial.number for trial in finished(record)] == [0, 1, 2, 3]
    reason = "given up after 3 attempts: ValueError: no such layer"
    assert record.trials[2].user_attrs["reason"] == reason


def test_a_study_whose_trials_all_fail_ends(tmp_path):
    evaluate, attempts = fails(*"123456789")
    with pytest.raises(ValueError, match="no such layer"):
        run(tmp_path, journal_url(tmp_path), 9, evaluate=evaluate)
    assert len(attempts) == 1 + 9


def test_what_somebody_is_to_mend_ends_the_command_and_blocks_no_study(tmp_path):
    def refuse(config, context):
        if context.folder.name.endswith("1"):
            raise RgfError("the disk is full")
        return assessment(config)

    for _ in range(3):
        with pytest.raises(RgfError, match="the disk is full"):
            run(tmp_path, journal_url(tmp_path), 3, evaluate=refuse)
    record = run(tmp_path, journal_url(tmp_path), 3, evaluate=refuse)
    assert "attempts: RgfError: the disk is full" in record.trials[1].user_attrs["reason"]
    assert len(record.trials) == 3


@pytest.mark.parametrize("comes_further", [False, True])
def test_a_trial_that_kills_its_process_is_given_up_unless_it_comes_further(
    tmp_path, comes_further
):
    def evaluate(config, context):
        if context.folder.name.endswith("1"):
            attempt = len([*tmp_path.glob("attempt-*")])
            (tmp_path / f"attempt-{attempt}").touch()
            if comes_further:
                (context.folder / f"step-{attempt:09d}.npz").touch()
            if attempt < 5:
                os._exit(9)
        return assessment(config)

    for _ in range(5 if comes_further else 3):
        killed(lambda: run(tmp_path, journal_url(tmp_path), 3, evaluate=evaluate))
    record = run(tmp_path, journal_url(tmp_path), 3, evaluate=evaluate)
    assert len(record.trials) == len(finished(record)) == 3
    reason = record.trials[1].user_attrs["reason"]
    assert reason == (
        "" if comes_further else "given up after 3 attempts: its process died, for lack of memory "
        "perhaps"
    )  # fmt: skip


def test_an_interrupt_is_no_attempt(tmp_path):
    def interrupt(config, context):
        if context.folder.name.endswith("1"):
            raise KeyboardInterrupt
        return assessment(config)

    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, journal_url(tmp_path), evaluate=interrupt)
    record = run(tmp_path, journal_url(tmp_path))
    assert record.trials[1].user_attrs["reason"] == ""


def test_a_narrowed_study_closes_what_lies_outside(tmp_path):
    def narrowed(trial):
        weight = trial.suggest_float("weight", 0.0, 1e-9)
        return RANDOM.baseline.with_values({"spectral_decoupling.weight": weight})

    def interrupt(config, context):
        if context.folder.name.endswith("1"):
            raise KeyboardInterrupt
        return assessment(config)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, journal_url(tmp_path), evaluate=interrupt)
    record = run(tmp_path, journal_url(tmp_path), 3, replace(RANDOM, suggest=narrowed))
    assert "may only be 0 to 1e-09" in record.trials[1].user_attrs["reason"]
    assert record.trials[2].user_attrs["reason"] == ""
