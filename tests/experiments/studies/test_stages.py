"""Claims: what one process is at, no other gets; what it leaves, another does."""

from dataclasses import replace

import optuna
import pytest
from toy_study import RANDOM, assessment

from rgf_keras.experiments.studies.stages import Search
from rgf_keras.experiments.studies.storage import Journal
from rgf_keras.experiments.studies.trial import Outcome
from rgf_keras.runtime.leases import FileLeases
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
