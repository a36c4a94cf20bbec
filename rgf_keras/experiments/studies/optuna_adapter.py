"""What Optuna offers under private names or changes for the whole process, in one place."""

import copy
import functools
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.samplers._lazy_random_state import LazyRandomState
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, Optuna logs errors alone and does not warn of what is experimental."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", "Choices for a categorical distribution")
            warnings.filterwarnings("ignore", "Constraints have been set, but CmaEsSampler")
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def storage_of(optuna_study: optuna.Study) -> BaseStorage:
    """Where a study is kept."""
    return optuna_study._storage


def snapshot(optuna_study: optuna.Study, trial: optuna.Trial | FrozenTrial) -> FrozenTrial:
    """A trial as it is in the storage now."""
    return storage_of(optuna_study).get_trial(trial._trial_id)


def artifact_ids(trial: optuna.Trial) -> dict[str, str]:
    """What a trial has in Optuna's artifact store, by the files' names; not what was deleted."""
    notes = snapshot(trial.study, trial).system_attrs.items()
    known = [json.loads(note) for key, note in notes if key.startswith("artifacts:")]
    return {each["filename"]: each["artifact_id"] for each in known if each}


def for_dashboard(storage: BaseStorage) -> BaseStorage:
    """A storage as Optuna's dashboard reads it, which knows constraints by their numbers alone.

    Else all trials are feasible to it.
    """
    get_all_trials = storage.get_all_trials

    def with_constraints(*args: Any, **kwargs: Any) -> list[FrozenTrial]:
        trials = [copy.copy(trial) for trial in get_all_trials(*args, **kwargs)]
        for trial in trials:
            violations = [*trial.constraints.values()]
            trial._system_attrs = {**trial.system_attrs, "constraints": violations}
        return trials

    storage.get_all_trials = with_constraints  # type: ignore[method-assign]
    return storage


def is_in(value: Any, values: BaseDistribution) -> bool:
    """Whether a parameter may have a value."""
    return values._contains(values.to_internal_repr(value))


def resume(optuna_study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """A trial that is running, to go on with."""
    return optuna.Trial(optuna_study, trial._trial_id)


def reseeded(sampler: BaseSampler, seed: int) -> BaseSampler:
    """A copy of a sampler whose random numbers, and those of samplers in it, are of a seed."""
    sampler = copy.deepcopy(sampler)
    _reseed(sampler, seed)
    return sampler


def _reseed(sampler: BaseSampler, seed: int) -> None:
    for part in vars(sampler).values():
        if isinstance(part, LazyRandomState):
            part.rng.seed(seed)
        elif isinstance(part, BaseSampler):
            _reseed(part, seed)


class BesideABaseline(BaseSampler):
    """A sampler that is not shown the baseline, which has no parameters.

    Samplers that choose all parameters together take those that all trials have, which would be
    none; that of all combinations takes the baseline for a space that has changed.

    Args:
        sampler: Optuna's.
    """

    def __init__(self, sampler: BaseSampler):
        self._sampler = sampler

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Any:
        return self._sampler.infer_relative_search_space(_without_baseline(study), trial)

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Any) -> Any:
        return self._sampler.sample_relative(_without_baseline(study), trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        study = _without_baseline(study)
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self._sampler.before_trial(_without_baseline(study), trial)

    def after_trial(self, study: optuna.Study, trial: FrozenTrial, state: Any, values: Any) -> None:
        self._sampler.after_trial(_without_baseline(study), trial, state, values)


def _without_baseline(study: optuna.Study) -> optuna.Study:
    return _WithoutBaseline(study)  # type: ignore[return-value]


class _WithoutBaseline:
    """A study, or its storage, in which there is no baseline. Trials are as they are now.

    Args:
        whole: the study or storage.
    """

    def __init__(self, whole: Any):
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._whole, name)
        if name == "_storage":
            return _WithoutBaseline(value)
        if name in ("get_trials", "_get_trials", "get_all_trials"):
            return functools.partial(_other_trials, value)
        return value


def _other_trials(
    get: Callable[..., list[FrozenTrial]], *args: Any, use_cache: bool = False, **kwargs: Any
) -> list[FrozenTrial]:
    return [trial for trial in get(*args, **kwargs) if not trial.user_attrs.get("baseline")]
