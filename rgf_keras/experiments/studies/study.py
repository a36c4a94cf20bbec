"""The nouns of a study: a question as an Optuna search, the bounds it keeps, how a trial ends."""

import runpy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner, NopPruner
from pydantic import ValidationError

from rgf_keras import plugins
from rgf_keras.cache import key_of
from rgf_keras.config import ExperimentConfig, explain
from rgf_keras.config.base import flatten
from rgf_keras.errors import RgfError, first_line
from rgf_keras.tracking.tracker import Context

# What a trial without a result is worth: the worst gap there is, and far outside every bound.
WORST = 1.0
FAR_OUTSIDE = 1e6

Suggest = Callable[[optuna.Trial], ExperimentConfig]


class Result(Protocol):
    """What evaluating a configuration leaves."""

    @property
    def metrics(self) -> dict[str, float]: ...


# (config, context) → metrics, as :func:`rgf_keras.experiments.assess` and
# :func:`rgf_keras.experiments.scores.score.evaluate` do.
Evaluate = Callable[[Any, Context], Result]


def _assess(config: Any, context: Context) -> Result:
    """Assess, importing Keras when the first trial runs."""
    from rgf_keras.experiments.assessment.assess import assess

    return assess(config, context)


@dataclass(frozen=True)
class Bound:
    """A constraint on a metric.

    Args:
        metric: e.g. ``"quality/frechet_oracle"``.
        at_most: upper bound; exactly one of the two bounds is given.
        at_least: lower bound.
        relative: the bound is a factor of the baseline's value.
        difference: the bound is what is added to the baseline's value, in units of the metric.
    """

    metric: str
    at_most: float | None = None
    at_least: float | None = None
    relative: bool = False
    difference: bool = False

    def __post_init__(self) -> None:
        if (self.at_most is None) == (self.at_least is None):
            raise RgfError(f"the bound on {self.metric} needs exactly one of at_most and at_least")

    def limit(self, baseline: Mapping[str, float]) -> float:
        """The bound as a number."""
        factor = baseline[self.metric] if self.relative else 1.0
        bound = factor * (self.at_least if self.at_most is None else self.at_most)  # type: ignore[operator]
        return bound + baseline[self.metric] if self.difference else bound

    def violation(self, metrics: Mapping[str, float], baseline: Mapping[str, float]) -> float:
        """Optuna's form of the constraint: feasible when ≤ 0, in units of the metric."""
        excess = metrics[self.metric] - self.limit(baseline)
        return -excess if self.at_most is None else excess

    def __str__(self) -> str:
        sign, limit = ("≥", self.at_least) if self.at_most is None else ("≤", self.at_most)
        if self.difference:
            return f"{self.metric} {sign} baseline {limit:+g}"
        return f"{self.metric} {sign} {limit:g}{' × baseline' if self.relative else ''}"


def _sampler(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=5)


@dataclass(frozen=True)
class Study:
    """A question, as a search.

    Args:
        name: of the study; letters, digits, ``-`` and ``_``.
        question: what it answers, one sentence.
        baseline: the unmitigated configuration, which is trial 0.
        suggest: trial → configuration, by Optuna's define-by-run calls.
        minimize: the objective's metric.
        subject_to: what must hold; relative bounds refer to trial 0.
        num_trials: default budget, trial 0 included.
        sampler: seed → Optuna sampler.
        pruner: makes the Optuna pruner, e.g. ``lambda: optuna.pruners.HyperbandPruner(2, 16)`` (in
            epochs). It sees the objective at every evaluation epoch (``evaluation.every``), or more
            than the worst while a bound is missed that the baseline of that epoch sets.
        repeats: fresh seeds with which the baseline and the best feasible trials are run again in
            the end, at least 2; 0 for none. The ranking is then by their means.
        evaluate: (config, context) → what has metrics; the config's kind is that of ``baseline``.
        worst: what a trial without a result is worth, beyond all that ``minimize`` can be.
    """

    name: str
    question: str
    baseline: ExperimentConfig
    suggest: Suggest
    minimize: str = "rgf/gap"
    subject_to: Sequence[Bound] = field(
        default_factory=lambda: (
            Bound("quality/frechet_oracle", at_most=1.1, relative=True),
            Bound("rgf/class_coverage", at_least=1.0, relative=True),
        )
    )
    num_trials: int = 20
    sampler: Callable[[int], optuna.samplers.BaseSampler] = _sampler
    pruner: Callable[[], BasePruner] = NopPruner
    repeats: int = 0
    evaluate: Evaluate = _assess
    worst: float = WORST
    judge: InitVar[Any] = None  # what evaluate was called before 0.2

    def __post_init__(self, judge: Any) -> None:
        if judge is not None:
            warnings.warn(
                "Study(judge=f(config, run, folder, cache, track)) is now evaluate=f(config, "
                "context); judge will go with the next release",
                DeprecationWarning,
                stacklevel=3,
            )
            object.__setattr__(self, "evaluate", _of_judge(judge))
        check_repeats(self.repeats)

    @property
    def key(self) -> str:
        """A hash of what trials of one study must share."""
        bounds = [str(bound) for bound in self.subject_to]
        return key_of({"baseline": flatten(self.baseline), "of": self.minimize, "bounds": bounds})

    def configure(self, trial: optuna.Trial, is_baseline: bool) -> ExperimentConfig:
        """What a trial is to evaluate."""
        return self.baseline if is_baseline else self.suggest(trial)


def _of_judge(judge: Callable[..., Result]) -> Evaluate:
    def evaluate(config: Any, context: Context) -> Result:
        progress = context.progress.task
        return judge(config, context.run, context.folder, context.cache, progress)

    return evaluate


def check_repeats(repeats: int) -> None:
    """Refuse a number of repeats that gives no interval.

    Raises:
        RgfError: it is neither 0 nor at least 2.
    """
    if repeats < 0 or repeats == 1:
        raise RgfError(f"repeats must be 0 or at least 2, received {repeats}")


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Args:
        metrics: its result; of a pruned trial, its last evaluation.
        reason: why it has no result, if it has none.
        pruned: the reason is the pruner.
    """

    metrics: dict[str, float]
    reason: str = ""
    pruned: bool = False

    def value(self, study: Study) -> float:
        """The objective, the worst there is without a result."""
        return study.worst if self.reason else self.metrics[study.minimize]

    def violations(
        self, bounds: Sequence[Bound], baseline: Mapping[str, float]
    ) -> dict[str, float]:
        """Every bound's violation by metric, far outside where there is no result.

        Raises:
            RgfError: a bound is on something that is not measured.
        """
        return {bound.metric: self._violation(bound, baseline) for bound in bounds}

    def _violation(self, bound: Bound, baseline: Mapping[str, float]) -> float:
        if bound.metric in self.metrics:
            return bound.violation(self.metrics, baseline)
        if self.reason:
            return FAR_OUTSIDE
        raise RgfError(
            f"there is a bound on {bound.metric}, which is not measured; measured are "
            + ", ".join(sorted(self.metrics))
        )


def load_study(file: str | Path) -> Study:
    """The ``study`` that a Python file defines.

    Raises:
        RgfError: the file is missing, is no Python, fails, or defines no study.
    """
    path = Path(file)
    plugins.add_folder(path.parent)  # what the file imports from beside itself
    try:
        names = runpy.run_path(str(path))
    except FileNotFoundError:
        raise RgfError(f"study file {path} does not exist") from None
    except SyntaxError as error:
        raise RgfError(f"{path} line {error.lineno}: {error.msg}") from error
    except ValidationError as error:
        raise RgfError(f"{path}: {explain(error)}") from error
    except Exception as error:  # whatever the user's file raises
        raise RgfError(f"{path} fails: {type(error).__name__}: {first_line(error)}") from error
    if not isinstance(names.get("study"), Study):
        raise RgfError(f"{path} defines no `study`; it needs `study = Study(...)`")
    return names["study"]


def _range(values: BaseDistribution) -> str:
    if isinstance(values, CategoricalDistribution):
        return f"one of {', '.join(map(str, values.choices))}"
    assert isinstance(values, FloatDistribution | IntDistribution)
    step = f", step {values.step}" if values.step not in (None, 1) else ""
    return f"{values.low:g} to {values.high:g}{step}{', logarithmic' if values.log else ''}"


def plan(study: Study, num_trials: int) -> dict[str, Any]:
    """What a study would do, with nothing run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        trial = optuna.create_study(sampler=study.sampler(0)).ask()
        study.suggest(trial)
    return {
        "question": study.question,
        "minimize": study.minimize,
        "subject_to": [str(bound) for bound in study.subject_to],
        "search_space": {name: _range(values) for name, values in trial.distributions.items()},
        "num_trials": num_trials,
        "repeats": study.repeats,
        "epochs_per_trial": study.baseline.training.epochs,
        "baseline": study.baseline.flat(),
    }
