"""Samplers: by name or an object, seeded, resumed, beside a baseline, and what they cannot do."""

import dataclasses
import json
import re
import sys

import optuna
import pytest
from optuna.samplers import CmaEsSampler, PartialFixedSampler, RandomSampler, TPESampler
from toy_study import BASELINE, STUDY, assessment

from rgf_keras.cache import Cache
from rgf_keras.errors import RgfError
from rgf_keras.experiments import Study
from rgf_keras.experiments.studies import samplers
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.experiments.studies.study import plan
from rgf_keras.tracking.tracker import MemoryTracker


def suggest(trial):
    weight = trial.suggest_float("weight", 0.0, 1.0)
    stop = trial.suggest_int("stop_epoch", 1, 9)
    trial.suggest_categorical("kind", ["a", "b"])
    return BASELINE.with_values(
        {"spectral_decoupling.weight": weight, "spectral_decoupling.stop_epoch": stop}
    )


PLAIN = Study("toy", "?", BASELINE, suggest, num_trials=10, repeats=0)


def run(folder, study=PLAIN, name="toy", tracker=None, **kwargs):
    return run_study(
        study,
        name,
        folder / "work",
        open_storage(f"journal:///{folder}/optuna.journal"),
        tracker or MemoryTracker(),
        Cache(folder / "cache"),
        evaluate=lambda config, context: assessment(config),
        **kwargs,
    )


def parameters(record):
    return [trial.params for trial in record.trials]


@pytest.mark.parametrize("name", samplers.SAMPLERS)
def test_a_sampler_by_name_searches_and_is_resumed(name, tmp_path):
    pytest.importorskip({"gp": "torch", "cmaes": "cmaes"}.get(name, "optuna"))
    whole = run(tmp_path, name="whole", sampler=name)
    run(tmp_path, name="cut", sampler=name, num_trials=7)
    cut = run(tmp_path, name="cut", sampler=name)
    assert parameters(whole) == parameters(cut)
    assert parameters(whole)[0] == {}
    assert (
        len({trial["weight"] for trial in parameters(whole)[1:]}) >= 8
    )  # a child has its parents'
    assert whole.user_attrs["sampler"] == name


# What samplers note of parameters that they have chosen together.
TOGETHER = {"gp": "relative_params", "cmaes": "cma:generation"}


@pytest.mark.parametrize("name", TOGETHER)
def test_parameters_are_chosen_together_although_the_baseline_has_none(name, tmp_path):
    pytest.importorskip({"gp": "torch", "cmaes": "cmaes"}.get(name, "optuna"))
    *_, last = run(tmp_path, sampler=name, num_trials=8).trials
    assert any(TOGETHER[name] in key for key in last.system_attrs)


def test_parents_are_of_the_generation_before(tmp_path):
    record = run(tmp_path, sampler="nsgaii", num_trials=2 + samplers.POPULATION)
    noted = record._storage.get_study_system_attrs(record._study_id)
    (parents,) = [x for key, x in noted.items() if "parent" in key]
    assert record.trials[0]._trial_id not in parents
    assert len(parents) == samplers.POPULATION


def test_another_sampler_is_refused_and_the_same_goes_on(tmp_path):
    run(tmp_path, num_trials=2, sampler="random")
    with pytest.raises(RgfError, match=r"with the sampler random, not tpe; give --sampler random"):
        run(tmp_path, num_trials=3)
    with pytest.raises(RgfError, match="not TPESampler"):
        run(tmp_path, num_trials=3, sampler=TPESampler)
    assert len(run(tmp_path, num_trials=3, sampler="random").trials) == 3


def test_a_study_from_before_samplers_had_names_goes_on(tmp_path):
    record = run(tmp_path, num_trials=2)
    storage = open_storage(f"journal:///{tmp_path}/optuna.journal")
    old = optuna.create_study(study_name="old", storage=storage)
    for trial in record.trials:
        old.add_trial(trial)
    for key, value in record.user_attrs.items():
        if key not in ("sampler", "id"):
            old.set_user_attr(key, value)
    went_on = run(tmp_path, name="old", num_trials=3)
    assert (len(went_on.trials), went_on.user_attrs["sampler"]) == (3, "tpe")


@pytest.mark.parametrize("seed", [0, 5])
def test_an_optuna_sampler_has_the_studys_seed(seed, tmp_path):
    made = run(tmp_path, name="made", sampler=lambda seed: RandomSampler(seed=seed), seed=seed)
    given = run(tmp_path, name="given", sampler=RandomSampler(seed=77), seed=seed)
    kind = run(tmp_path, name="kind", sampler=RandomSampler, seed=seed)
    assert parameters(made) == parameters(given) == parameters(kind)
    assert len({trial["weight"] for trial in parameters(given)[1:]}) == 9


def test_samplers_inside_a_sampler_have_the_seed_too():
    inside = PartialFixedSampler({"weight": 0.5}, TPESampler(seed=1))
    first, second = samplers.make(inside, 3), samplers.make(inside, 3)
    drawn = [each._base_sampler._rng.rng.random() for each in (first, second)]
    assert drawn[0] == drawn[1] == samplers.make(TPESampler(), 3)._rng.rng.random()
    assert inside._base_sampler._rng.rng.random() != drawn[0]  # the given one is left alone


def test_what_is_no_sampler_is_refused(tmp_path):
    with pytest.raises(RgfError, match=r"unknown sampler 'tbe'; known: tpe, gp, .*mean 'tpe'"):
        dataclasses.replace(STUDY, sampler="tbe")
    with pytest.raises(RgfError, match=r"sampler must be one of tpe, .*received 3"):
        dataclasses.replace(STUDY, sampler=3)
    with pytest.raises(RgfError, match="sampler makes a int; it must make an Optuna sampler"):
        dataclasses.replace(STUDY, sampler=lambda seed: seed).check()


@pytest.mark.parametrize(
    ("sampler", "module", "extra"),
    [("cmaes", "cmaes", "cmaes"), ("gp", "torch", "torch"), (CmaEsSampler(), "cmaes", "cmaes")],
    ids=["cmaes", "gp", "an object"],
)
def test_a_missing_package_is_named_before_anything_runs(sampler, module, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    install = re.escape(f"pip install 'rgf-keras[{extra}]'")
    with pytest.raises(RgfError, match=f"needs the package {module}: {install}") as raised:
        dataclasses.replace(PLAIN, sampler=sampler).check()
    assert "\n" not in str(raised.value)


def test_what_cma_es_does_not_take_into_account_is_told(tmp_path):
    pytest.importorskip("cmaes")
    tracker = MemoryTracker()
    lines = []
    tracker.tell = lines.append
    run(tmp_path, num_trials=2, sampler="cmaes", tracker=tracker)
    assert lines == [
        "the sampler cmaes does not know of bounds: it looks for the smallest objective, within "
        "them or not",
        "the sampler cmaes draws kind at random: choices are no numbers",
    ]
    run(tmp_path, name="other", num_trials=2, tracker=tracker)
    assert len(lines) == 2


def test_the_command_names_the_sampler(tmp_path, rgf_here):
    assert plan(PLAIN)["sampler"] == "tpe"
    assert plan(dataclasses.replace(PLAIN, sampler=RandomSampler()))["sampler"] == "RandomSampler"
    planned = rgf_here(
        tmp_path, "study", "run", "quickstart", "--sampler", "nsgaii", "--dry-run", "--json"
    )
    assert json.loads(planned.stdout)["sampler"] == "nsgaii"
    assert rgf_here(tmp_path, "study", "run", "quickstart", "--sampler", "x").returncode == 2
