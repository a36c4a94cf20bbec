"""What Optuna offers under private names or changes for the whole process, in one place."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
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
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def storage_of(optuna_study: optuna.Study) -> BaseStorage:
    """Where a study is kept."""
    return optuna_study._storage


def snapshot(optuna_study: optuna.Study, trial: optuna.Trial | FrozenTrial) -> FrozenTrial:
    """A trial as it is in the storage now."""
    return storage_of(optuna_study).get_trial(trial._trial_id)


def resume(optuna_study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """A trial that is running, to go on with."""
    return optuna.Trial(optuna_study, trial._trial_id)
