"""Claims: what one process is at, no other gets; what it leaves, another does."""

import errno
from dataclasses import replace
from types import SimpleNamespace

import optuna
import pytest
from toy_study import RANDOM, assessment

from rgf_keras.errors import LostLease, RgfError
from rgf_keras.experiments.studies import attempts, parallel
from rgf_keras.experiments.studies.stages import Search
from rgf_keras.experiments.studies.storage import Journal
from rgf_keras.experiments.studies.trial import Outcome
from rgf_keras.runtime.leases import FileLeases
from rgf_keras.runtime.progress import SILENT
from rgf_keras.tracking.tracker import MemoryTracker


class Worker:
    """A process's view of a study, in this process."""

    def __init__(self, folder, num_trials):
        self.optuna_study = optuna.create_study(
            study_name="toy", storage=Journal(folder / "journal"), load_if_exists=True
        )
        self.leases = FileLeases(folder / "leases")
        study = replace(RANDOM, num_trials=num_trials)
        self.search = Search(self.optuna_study, study, self.leases, 0)

    def end(self, trial):
        metrics = assessment(self.search.config(trial)).metrics
        self.search.close(trial, Outcome(metrics), MemoryTracker().start("trial", {}))


@pytest.fixture
def workers(tmp_path):
    return [Worker(tmp_path, 4) for _ in range(3)]


def test_the_baseline_is_alone(workers):
    baseline = workers[0].search.claim()
    assert workers[1].search.claimable_and_under_way() == (0, 1)
    assert workers[1].search.claim() is None
    workers[0].end(baseline)
    assert workers[1].search.claimable_and_under_way() == (3, 0)


def test_workers_never_exceed_the_budget(workers):
    workers[0].end(workers[0].search.claim())
    claimed = [worker.search.claim() for worker in workers]
    assert [trial.number for trial in claimed] == [1, 2, 3]
    assert workers[0].search.claim() is None
    assert not workers[0].search.done
    for worker, trial in zip(workers, claimed, strict=True):
        worker.end(trial)
    assert workers[0].search.done


def test_what_a_worker_left_behind_is_resumed_once(workers):
    workers[0].end(workers[0].search.claim())
    left = workers[0].search.claim()
    workers[0].leases.close()  # as when it dies
    resumed, other = workers[1].search.claim(), workers[2].search.claim()
    assert (resumed.number, other.number) == (left.number, left.number + 1)


def test_a_trial_that_ended_since_it_was_looked_up_is_not_resumed(workers, monkeypatch):
    workers[0].end(workers[0].search.claim())
    trial = workers[0].search.claim()
    optuna_study = workers[1].optuna_study
    before, real = optuna_study.get_trials(deepcopy=True), optuna_study.get_trials
    workers[0].end(trial)
    stale = iter([before])
    monkeypatch.setattr(
        optuna_study, "get_trials", lambda **options: next(stale, None) or real(**options)
    )
    assert workers[1].search.claim().number == trial.number + 1


def test_a_new_trial_without_its_lease_is_left_for_the_next_claim(workers, monkeypatch):
    workers[0].end(workers[0].search.claim())
    take = workers[1].leases.take
    monkeypatch.setattr(workers[1].leases, "take", lambda name: name == "study" and take(name))
    assert workers[1].search.claim() is None
    assert workers[2].search.claim().number == 1


def test_progress_in_another_folder_counts(tmp_path):
    trial = optuna.create_study().ask()
    own, other = tmp_path / "toy" / "trial-0000", tmp_path / "assess-0123"
    attempts.note_folder(other, own)
    other.mkdir()
    for step in range(5):
        (other / f"step-{step}.npz").touch()
        assert attempts.begin(trial, own) is None
    (other / "fit.npz").touch()
    for _ in range(attempts.MAX_ATTEMPTS):
        assert attempts.begin(trial, own) is None
    assert attempts.begin(trial, own).failed


def test_lost_leases_and_full_disks_are_nobodys_fault(tmp_path):
    full = RgfError("cannot write x")
    full.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert all(map(attempts.is_blameless, (LostLease("lost"), full, full.__cause__)))
    assert not any(map(attempts.is_blameless, (OSError(errno.EIO, "bad"), RgfError("bad"))))
    trial = optuna.create_study().ask()
    attempts.begin(trial, tmp_path)
    followed = optuna.Trial(trial.study, trial._trial_id)
    attempts.begin(followed, tmp_path)
    attempts.forgive(trial)  # another process has it since
    attempts.forgive(followed)
    assert followed.user_attrs[attempts.ATTEMPTS]["count"] == 1


def test_a_storage_that_is_lost_again_and_again_ends_the_study(monkeypatch):
    calls = iter([0, 1, 0, 0])  # how many trials end before it is lost

    def lose(spec, where, progress, on_trial):
        for _ in range(next(calls)):
            on_trial(None)
        raise LostLease("the session has ended")

    monkeypatch.setattr(parallel, "_run_workers", lose)
    monkeypatch.setattr(parallel, "SECONDS_BETWEEN_LOOKS", 0.0)
    spec = SimpleNamespace(storage=None)
    with pytest.raises(RgfError, match="lost 3 times before a trial ended, last by the session"):
        parallel.run_parallel(spec, None, SILENT, lambda trial: None)
    assert next(calls, None) is None
