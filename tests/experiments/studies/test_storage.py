"""Where studies are kept: which storage for whom, and what a killed writer leaves."""

import optuna
import pytest
from toy_study import RANDOM, assessment

from rgf_keras.cache import Cache
from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies.parallel import run_parallel
from rgf_keras.experiments.studies.ranking import finished, repeats
from rgf_keras.experiments.studies.run import StudySpec, run_study
from rgf_keras.experiments.studies.storage import (
    Journal,
    default_url,
    find_studies,
    journal_url,
    leases,
    open_storage,
    sqlite_url,
)
from rgf_keras.tracking.tracker import MemoryTracker


def run(folder, url, num_trials, **kwargs):
    return run_study(
        RANDOM,
        "toy",
        folder,
        open_storage(url),
        MemoryTracker(),
        Cache(folder / "cache"),
        num_trials=num_trials,
        evaluate=lambda config, *rest: assessment(config),
        **kwargs,
    )


def test_a_study_moves_to_the_journal_when_workers_come_and_stays(tmp_path):
    assert default_url(tmp_path, "toy", parallel=False) == sqlite_url(tmp_path)
    before = run(tmp_path, sqlite_url(tmp_path), 4, repeats=2)
    assert default_url(tmp_path, "toy", parallel=False) == sqlite_url(tmp_path)
    assert default_url(tmp_path, "toy", parallel=True) == journal_url(tmp_path)
    after = run(tmp_path, journal_url(tmp_path), 4, repeats=2)
    assert [t.params for t in after.trials] == [t.params for t in before.trials]
    assert [t.constraints for t in after.trials] == [t.constraints for t in before.trials]
    assert repeats(after) == repeats(before)
    run(tmp_path, journal_url(tmp_path), 6)
    assert default_url(tmp_path, "toy", parallel=False) == journal_url(tmp_path)
    found = find_studies([journal_url(tmp_path), sqlite_url(tmp_path)])
    assert list(found) == ["toy"]
    assert isinstance(found["toy"], Journal)


def test_a_move_that_was_interrupted_is_made_again(tmp_path):
    run(tmp_path, sqlite_url(tmp_path), 4)
    old, new = open_storage(sqlite_url(tmp_path)), open_storage(journal_url(tmp_path))
    trial = optuna.load_study(study_name="toy", storage=old).trials[0]
    optuna.create_study(study_name="toy", storage=new).add_trial(trial)
    assert default_url(tmp_path, "toy", parallel=True) == journal_url(tmp_path)
    assert len(run(tmp_path, journal_url(tmp_path), 4).trials) == 4


@pytest.mark.parametrize("tail", [b'{"op_code": 4, "stu', b"x" * 10_000])
def test_half_a_line_in_the_journal_is_removed(tmp_path, tail):
    url = journal_url(tmp_path)
    run(tmp_path, url, 2)
    with open(tmp_path / "optuna.journal", "ab") as journal:
        journal.write(tail)  # a writer was killed
    assert len(finished(run(tmp_path, url, 4))) == 4
    assert len(finished(optuna.load_study(study_name="toy", storage=open_storage(url)))) == 4


def test_sqlite_is_for_one_process(tmp_path):
    storage = open_storage(sqlite_url(tmp_path))
    with (
        leases(storage, "toy"),
        pytest.raises(RgfError, match="'toy' is being run by another process"),
    ):
        leases(storage, "toy")
    url = sqlite_url(tmp_path)
    spec = StudySpec(lambda: RANDOM, url, MemoryTracker, "toy", tmp_path, Cache())
    with pytest.raises(RgfError, match="SQLite storages are for one worker"):
        run_parallel(spec, None, None, None)
