"""The best trial by Optuna's own API is the best feasible one by ours, in every storage."""

import dataclasses
import math

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from toy_study import BASELINE, RANDOM, assessment

from rgf_keras.cache import Cache
from rgf_keras.errors import Diverged
from rgf_keras.experiments import Study
from rgf_keras.experiments.studies.ranking import best, by_result, feasible, finished
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.tracking.tracker import MemoryTracker

STORAGES = {
    "sqlite": (lambda folder: f"sqlite:///{folder}/optuna.db", str),
    "journal": (
        lambda folder: f"journal:///{folder}/optuna.journal",
        lambda url: JournalStorage(JournalFileBackend(url.removeprefix("journal:///"))),
    ),
}


@pytest.fixture(params=STORAGES)
def both(request, tmp_path):
    """Runs a study; returns it as ours, and as Optuna alone opens it."""
    url_of, open_with_optuna = STORAGES[request.param]

    def run(study, evaluate, **kwargs):
        url = url_of(tmp_path)
        ours = run_study(
            study, "toy", tmp_path / "work", open_storage(url), MemoryTracker(),
            Cache(tmp_path / "cache"), evaluate=evaluate, **kwargs,
        )  # fmt: skip
        return ours, optuna.load_study(study_name="toy", storage=open_with_optuna(url))

    return run


def some_fail(config, context):
    """Of twelve trials some diverge, have no finite gap, or the smallest gap out of bounds."""
    number = int(context.folder.name[-4:])
    if number == 3:
        raise Diverged("loss/generator", 7)
    metrics = assessment(config).metrics
    return metrics | ({"rgf/gap": math.nan} if number == 5 else {})


def test_infeasible_and_failed_trials_are_never_the_best(both):
    ours, optunas = both(RANDOM, some_fail, num_trials=12)
    smallest = min(finished(ours), key=lambda trial: trial.value)
    assert not feasible(smallest)  # else this tests nothing
    assert optunas.best_trial.number == best(ours).number != smallest.number
    assert optunas.best_value == best(ours).value
    assert optunas.best_params == best(ours).params != {}


def test_repeats_do_not_change_the_best_of_the_search(both):
    ours, optunas = both(RANDOM, some_fail, num_trials=8, repeats=2)
    searched = sorted(filter(feasible, finished(ours)), key=by_result)
    assert optunas.best_trial.number == searched[0].number


def test_the_baseline_may_be_the_best(both):
    def worse(config, context):
        weight = config.spectral_decoupling.weight
        return assessment(config).metrics | {"rgf/gap": 0.2 + weight}

    ours, optunas = both(RANDOM, worse, num_trials=4)
    assert optunas.best_trial.number == best(ours).number == 0


def test_a_trial_without_a_result_is_worth_less_than_any_result(both):
    """Also where the study's `worst` is not, and no bound tells it."""

    def large(config, context):
        if context.folder.name == "trial-0002":
            raise Diverged("loss/generator", 7)
        return {"loss": 7.0 + config.spectral_decoupling.weight}

    def suggest(trial):
        weight = trial.suggest_float("weight", 0.1, 1.0)
        return BASELINE.with_values({"spectral_decoupling.weight": weight})

    study = Study("toy", "?", BASELINE, suggest, "loss", subject_to=(), repeats=0)
    ours, optunas = both(study, large, num_trials=4)
    assert optunas.best_trial.number == best(ours).number == 0
    assert ours.trials[2].value > max(ours.trials[n].value for n in (0, 1))


def test_pruned_trials_are_never_the_best(both):
    def evaluate(config, context):
        gap = 0.5 if context.folder.name == "trial-0000" else 0.9
        start = {"rgf/gap": gap, "epoch": 1, "quality/frechet_oracle": 10.0}
        context.run.log_metrics(start, step=1)
        return assessment(config)

    pruner = lambda: optuna.pruners.ThresholdPruner(upper=0.6)  # noqa: E731
    baseline = BASELINE.with_values({"training.epochs": 3})
    study = dataclasses.replace(
        RANDOM,
        baseline=baseline,
        suggest=lambda trial: baseline.with_values(
            {"spectral_decoupling.weight": trial.suggest_float("weight", 0.0, 0.5)}
        ),
        pruner=pruner,
        subject_to=(),
    )
    ours, optunas = both(study, evaluate, num_trials=3)
    assert [trial.state.name for trial in ours.trials] == ["COMPLETE", "PRUNED", "PRUNED"]
    assert optunas.best_trial.number == best(ours).number == 0
