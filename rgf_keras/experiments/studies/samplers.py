"""How a study chooses the parameters of its next trial: Optuna's samplers, by their names."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)

from rgf_keras.errors import ArgumentError, RgfError, how_to_install, unknown_name
from rgf_keras.experiments.studies.optuna_adapter import BesideABaseline, reseeded

# A name, an Optuna sampler, or seed → Optuna sampler.
Sampler = str | BaseSampler | Callable[[int], BaseSampler]

NUM_RANDOM = 5  # trials before a model of the results says anything
POPULATION = 8  # so that twenty trials are more than one generation

SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed, n_startup_trials=NUM_RANDOM),
    "gp": lambda seed: GPSampler(seed=seed, n_startup_trials=NUM_RANDOM),
    "cmaes": lambda seed: CmaEsSampler(seed=seed),
    "nsgaii": lambda seed: NSGAIISampler(seed=seed, population_size=POPULATION),
    "random": lambda seed: RandomSampler(seed=seed),
}
# Packages that samplers need: the module and the extra that installs it.
NEEDS: dict[type[BaseSampler], tuple[str, str]] = {
    CmaEsSampler: ("cmaes", "cmaes"),
    GPSampler: ("torch", "torch"),
}


def check(sampler: Sampler) -> None:
    """Refuse what is no sampler.

    Raises:
        ArgumentError: it is an unknown name, or neither a sampler nor makes one.
    """
    if isinstance(sampler, str) and sampler not in SAMPLERS:
        raise unknown_name("sampler", sampler, SAMPLERS, ["an Optuna sampler", "seed → sampler"])
    if not (isinstance(sampler, str | BaseSampler) or callable(sampler)):
        raise ArgumentError(
            f"sampler must be one of {', '.join(SAMPLERS)}, an Optuna sampler, or a function "
            f"seed → sampler, received {sampler!r}"
        )


def make(sampler: Sampler, seed: int) -> BaseSampler:
    """Make Optuna's sampler.

    Args:
        sampler: as a study has it. An Optuna sampler is copied, and its own seed replaced: trials
            that several processes begin would be the same else.
        seed: of its random numbers.

    Raises:
        RgfError: a package that it needs is missing; a function makes something else.
    """
    if isinstance(sampler, str):
        made = SAMPLERS[sampler](seed)
    elif isinstance(sampler, BaseSampler):
        made = reseeded(sampler, seed)
    else:  # a sampler's class takes its seed by name alone
        made = sampler(seed=seed) if isinstance(sampler, type) else sampler(seed)
    if not isinstance(made, BaseSampler):
        raise RgfError(f"sampler makes a {type(made).__name__}; it must make an Optuna sampler")
    for kind, (module, extra) in NEEDS.items():
        if isinstance(made, kind) and importlib.util.find_spec(module) is None:
            raise RgfError(
                f"the sampler {name_of(sampler)} needs the package {module}: "
                f"{how_to_install(extra)}, or choose another sampler"
            )
    return made


def make_for_search(sampler: Sampler, seed: int) -> BaseSampler:
    """Make Optuna's sampler for trials after a baseline; see :func:`make`.

    Only ``"tpe"`` is shown the baseline, beside which it chooses parameters one by one.
    """
    made = make(sampler, seed)
    return made if sampler == "tpe" else BesideABaseline(made)


def check_objectives(sampler: BaseSampler, objectives: Sequence[str]) -> None:
    """Refuse several objectives where a sampler takes one.

    Raises:
        RgfError: it does.
    """
    if len(objectives) > 1 and isinstance(sampler, CmaEsSampler):
        raise RgfError("the sampler cmaes has one objective; choose tpe, gp or nsgaii for several")


def name_of(sampler: Sampler) -> str:
    """What a sampler is called: its name here, or that of its class."""
    if isinstance(sampler, str):
        return sampler
    kind = sampler if isinstance(sampler, BaseSampler | type) else sampler(0)
    return kind.__name__ if isinstance(kind, type) else type(kind).__name__


def check_goes_on(study: str, known: str | None, name: str) -> None:
    """Refuse another sampler than that which a study was begun with.

    Args:
        study: its name.
        known: what that sampler is called; None if it is unknown, or the study new.
        name: what the present one is called.

    Raises:
        RgfError: it is another one.
    """
    if known not in (None, name):
        remedy = f"give --sampler {known}" if known in SAMPLERS else "go on with that one"
        raise RgfError(
            f"study '{study}' was started with the sampler {known}, not {name}; {remedy}, or give "
            "the new one another --name"
        )


def cautions(
    sampler: Sampler, space: Mapping[str, BaseDistribution], bounds: Sequence[object]
) -> list[str]:
    """What a sampler does not take into account, a line each."""
    if not isinstance(make(sampler, 0), CmaEsSampler):
        return []
    name, told = name_of(sampler), []
    if bounds:
        told.append(
            f"the sampler {name} does not know of bounds: it looks for the smallest objective, "
            "within them or not"
        )
    if texts := [key for key, x in space.items() if isinstance(x, CategoricalDistribution)]:
        told.append(
            f"the sampler {name} draws {', '.join(texts)} at random: choices are no numbers"
        )
    return told
