"""A study as a researcher writes it: a question as an Optuna search, and the bounds it keeps."""

import json
import numbers
import runpy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import optuna
from optuna import distributions
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, NopPruner
from pydantic import ValidationError

from rgf_keras import config, plugins, strict_json
from rgf_keras.cache import key_of
from rgf_keras.config import AssessConfig, ExperimentConfig
from rgf_keras.config.base import flatten
from rgf_keras.errors import RgfError, did_you_mean, first_line
from rgf_keras.experiments.studies import samplers
from rgf_keras.experiments.studies.optuna_adapter import quiet
from rgf_keras.experiments.studies.ranking import Bound, check_finite
from rgf_keras.tracking.tracker import Context

DYNAMIC = "dynamic value space"  # what Optuna says of choices that have changed
WORST = 1.0  # what a trial without a result is worth: the worst gap there is


# (config, context) → numbers by name, or an object with such ``metrics``, as those of
# :func:`rgf_keras.experiments.assess` and :func:`rgf_keras.experiments.scores.score.evaluate`.
Evaluate = Callable[[Any, Context], Any]


def _assess(configuration: Any, context: Context) -> Any:
    """Assess, importing Keras when the first trial runs."""
    from rgf_keras.experiments.assessment.assess import assess

    return assess(configuration, context)


@dataclass(frozen=True)
class Study:
    """A question, as a search.

    Attributes:
        name: of the study; letters, digits, ``-`` and ``_``.
        question: what it answers, one sentence.
        baseline: the unmitigated configuration, which is trial 0.
        suggest: trial → configuration, by Optuna's define-by-run calls.
        minimize: the objective's metric; or several, e.g. of memorization and of quality, whose
            Pareto front is searched. Then there are no repeats and no pruner.
        subject_to: what must hold; relative bounds refer to trial 0.
        num_trials: budget, the baseline and pruned trials included.
        sampler: ``"tpe"``, ``"gp"``, ``"cmaes"``, ``"nsgaii"`` or ``"random"``; or an Optuna
            sampler, or seed → Optuna sampler. None but ``"tpe"`` is shown the baseline.
        pruner: makes the Optuna pruner, e.g. ``lambda: optuna.pruners.HyperbandPruner(2, 16)`` (in
            epochs). It sees the objective at every evaluation epoch (``evaluation.every``), or more
            than the worst while a bound is missed that the baseline of that epoch sets.
        trainings: seeds with which every trial is trained; its result is their mean. One that can
            no longer win is pruned after fewer.
        repeats: fresh seeds with which the baseline and the best feasible trials are trained again
            in the end, at least 2; 0 for none; 3 if not given. The ranking is then by their means,
            and a difference (in pairs of one seed, of three or more) is a finding only if its
            interval over these trainings excludes zero.
        candidates: how many trials are repeated beside the baseline; the more, the wider is the
            interval that the best of them needs.
        evaluate: (config, context) → numbers by name, or an object that has them as ``metrics``;
            the config's kind is that of ``baseline``. An assessment if not given.
        worst: what a trial without a result is worth, beyond all that ``minimize`` can be; if it is
            not, a trial is worth a little more than all results before it.
        file: that defines it; :func:`load_study` knows.
    """

    name: str
    question: str
    baseline: ExperimentConfig
    suggest: Callable[[optuna.Trial], ExperimentConfig]
    minimize: str | Sequence[str] = "rgf/gap"
    subject_to: Sequence[Bound] = field(
        default_factory=lambda: (
            Bound("quality/frechet_oracle", at_most=1.1, relative=True),
            Bound("rgf/class_coverage", at_least=1.0, relative=True),
        )
    )
    num_trials: int = 20
    sampler: samplers.Sampler = "tpe"
    pruner: Callable[[], BasePruner] = NopPruner
    trainings: int = 1
    repeats: int = None  # type: ignore[assignment] # what depends on the objectives is set below
    candidates: int = 1
    evaluate: Evaluate = _assess
    worst: float = WORST
    file: Path | None = field(default=None, compare=False)
    judge: InitVar[Any] = None  # what evaluate was called before 0.2

    def __post_init__(self, judge: Any) -> None:
        if judge is not None:
            warnings.warn(
                "Study(judge=f(config, run, folder, cache, track)) is now evaluate=f(config, "
                "context); judge will go with the next release",
                DeprecationWarning,
                stacklevel=3,
            )
            object.__setattr__(self, "evaluate", _from_judge(judge))
        samplers.check(self.sampler)
        if isinstance(self.minimize, list):
            object.__setattr__(self, "minimize", tuple(self.minimize))
        self._check_objectives()
        if self.repeats is None:
            object.__setattr__(self, "repeats", 0 if self.has_front else 3)
        object.__setattr__(self, "worst", check_finite("worst", self.worst))
        for name in ("num_trials", "trainings", "candidates", "repeats"):
            value = getattr(self, name)
            if not isinstance(value, numbers.Integral) or isinstance(value, bool):
                raise RgfError(f"{name} must be an integer, received {value!r}")
        if self.num_trials < 1:
            raise RgfError(f"the number of trials must be at least 1, received {self.num_trials}")
        for name in ("trainings", "candidates"):
            if getattr(self, name) < 1:
                raise RgfError(f"{name} must be at least 1, received {getattr(self, name)}")
        if self.repeats < 0 or self.repeats == 1:
            raise RgfError(f"repeats must be 0 or at least 2, received {self.repeats}")

    def _check_objectives(self) -> None:
        names = self.objectives
        if not names or len({*names}) < len(names) or not all(isinstance(x, str) for x in names):
            raise RgfError(f"minimize must name metrics, each once, received {self.minimize!r}")
        if self.has_front and self.repeats:
            raise RgfError(
                "a study of several objectives has no single best trial to repeat: repeats must be "
                f"0, received {self.repeats}; give trainings=3 to train every trial several times"
            )
        if self.has_front and not isinstance(self.pruner(), NopPruner):
            raise RgfError("a study of several objectives has no pruner; leave out pruner")

    @property
    def objectives(self) -> tuple[str, ...]:
        """The metrics that are minimized."""
        return self.minimize if isinstance(self.minimize, tuple) else (self.minimize,)  # type: ignore[return-value]

    @property
    def has_front(self) -> bool:
        """Whether there are several objectives, so that a front of trials is searched."""
        return len(self.objectives) > 1

    @property
    def required_metrics(self) -> dict[str, str]:
        """What a result must have, by what it is for."""
        several = {f"minimize {name}": name for name in self.objectives}
        own = several if self.has_front else {"minimize": self.objectives[0]}
        return own | {f"the bound {bound}": bound.metric for bound in self.subject_to}

    @property
    def minimize_record(self) -> str | list[str]:
        """The objective, or a list of several, as records have it."""
        return [*self.objectives] if self.has_front else self.objectives[0]

    @property
    def key(self) -> str:
        """A hash of what trials of one study must share."""
        bounds = [str(bound) for bound in self.subject_to]
        return key_of(
            {"baseline": flatten(self.baseline), "of": self.minimize_record, "bounds": bounds}
        )

    def as_begun(self, key: str | None) -> Self:
        """The study as it was begun if that was before assessments compared trainings.

        Its trials are then compared with one reference, as those that have ended were.

        Args:
            key: of the stored study; None if there is none.
        """
        if key in (None, self.key) or not isinstance(self.baseline, AssessConfig):
            return self
        before = replace(
            self,
            baseline=self.baseline.of_one_training(),
            suggest=lambda trial: self.suggest(trial).of_one_training(),  # type: ignore[attr-defined]
        )
        is_default = self.baseline.evaluation.compares_as_by_default
        return before if is_default and before.key == key else self

    def with_options(self, **options: Any) -> Self:
        """A copy with other values of those attributes whose option is not None."""
        return replace(self, **{name: x for name, x in options.items() if x is not None})

    def configure(self, trial: optuna.Trial, is_baseline: bool) -> ExperimentConfig:
        """What a trial is to evaluate.

        Raises:
            RgfError: ``suggest`` fails.
        """
        if is_baseline:
            return self.baseline
        bad = f"study '{self.name}' suggests a bad configuration"
        try:
            config = self.suggest(trial)
        except Exception as error:  # whatever the user's function raises
            if DYNAMIC in str(error):  # a parameter that only some trials have
                raise RgfError(
                    f"{bad}: a parameter has other choices than in earlier trials; give the new "
                    "study another --name"
                ) from error
            raise RgfError(f"{bad}: {_cause(error)}") from error
        if not isinstance(config, ExperimentConfig):
            raise RgfError(f"{bad}: a {type(config).__name__}; it must be like the baseline")
        return config

    def retrained(self, config: ExperimentConfig, number: int) -> ExperimentConfig:
        """A configuration with the seeds of another training, counted from 0.

        Data and oracles of an assessment stay; of other studies everything random is another.
        """
        if number and self.is_assessment:
            evaluation = config.evaluation  # type: ignore[attr-defined]
            first = evaluation.first_training + number * evaluation.num_trainings
            return config.with_values({"evaluation.first_training": first})
        return config.with_values({"seed": config.seed + number}) if number else config

    @property
    def is_assessment(self) -> bool:
        """Whether trials are assessments, not what a function of the user's own does."""
        return self.evaluate is _assess

    @quiet()
    def check(self) -> dict[str, BaseDistribution]:
        """Refuse what can be known to fail before anything is trained.

        Returns:
            The search space of a first suggestion, which is not run.

        Raises:
            RgfError: ``suggest`` fails; an assessment does not measure what is to be minimized or
                what a bound is on; a package that the sampler needs is missing.
        """
        if self.is_assessment:
            _check_metrics(self)
        sampler = samplers.make(self.sampler, 0)
        all_combinations = isinstance(sampler, optuna.samplers.BruteForceSampler)
        samplers.check_objectives(sampler, self.objectives)
        trial = optuna.create_study(
            sampler=sampler, directions=["minimize"] * len(self.objectives)
        ).ask()
        self.configure(trial, is_baseline=False)
        for name, values in trial.distributions.items():
            _check_choices(f"study '{self.name}': parameter '{name}'", values, all_combinations)
        return trial.distributions


def _check_choices(place: str, values: BaseDistribution, all_combinations: bool) -> None:
    """Refuse choices that a record in JSON does not give back as they were, such as tuples.

    The sampler of all combinations takes no lists either.
    """
    for choice in getattr(values, "choices", ()):
        try:
            is_kept = json.loads(strict_json.dumps(choice)) == choice
        except (TypeError, ValueError):
            is_kept = False
        if not is_kept or (all_combinations and isinstance(choice, list | dict)):
            raise RgfError(
                f"{place} has the choice {choice!r}, which records do not keep as it is; choose "
                "among texts, numbers and booleans, and look up there what is meant"
            )


def _check_metrics(study: Study) -> None:
    """Refuse an objective and bounds that an assessment does not measure."""
    from rgf_keras.metrics import catalogue

    if not isinstance(study.baseline, AssessConfig):
        raise RgfError(
            f"study '{study.name}': a {type(study.baseline).__name__} cannot be assessed; give "
            "the study its own evaluate"
        )
    evaluation = study.baseline.evaluation
    space, copying_spaces = evaluation.embedding, study.baseline.copying_spaces
    guests = tuple(catalogue.guests(evaluation.metrics))
    known = [*catalogue.keys(space, copying_spaces, guests), "privacy/epsilon"]
    # Names that only a result tells: those of classes, and of guests' embeddings.
    untold = ["{class}"]
    untold += ["{space}"] if _is_guests(space) else []
    untold += ["{copying_space}"] if any(map(_is_guests, copying_spaces)) else []
    metrics = (*catalogue.METRICS, *guests)
    starts = [m.key.partition("{")[0] for m in metrics for name in untold if name in m.key]
    for place, name in study.required_metrics.items():
        value = name.removesuffix("_low").removesuffix("_high")  # of an interval's end
        if not (value in known or name.startswith(tuple(starts)) or name.endswith("/acceptance")):
            raise RgfError(
                f"study '{study.name}': {place}: an assessment does not measure '{name}'"
                + (did_you_mean(name, known) or f"; it measures {', '.join(known)}")
            )


def _is_guests(space: str) -> bool:
    entries = metadata.entry_points(group="rgf_keras.features", name=space)
    return plugins.is_guest(space) or bool(entries)


def _from_judge(judge: Callable[..., Any]) -> Evaluate:
    def evaluate(configuration: Any, context: Context) -> Any:
        track = context.progress.task
        return judge(configuration, context.run, context.folder, context.cache, track)

    return evaluate


def load_study(file: str | Path) -> Study:
    """The ``study`` that a Python file defines.

    Raises:
        RgfError: the file is missing, is no Python, fails, or defines no study.
    """
    path = Path(file)
    plugins.add_folder(path.parent)  # what the file imports from beside itself
    if not path.is_file():
        raise RgfError(f"study file {path} does not exist")
    try:
        names = runpy.run_path(str(path))
    except SyntaxError as error:
        raise RgfError(f"{path} line {error.lineno}: {error.msg}") from error
    except Exception as error:  # whatever the user's file raises
        raise RgfError(f"{path}: {_cause(error)}") from error
    if not isinstance(names.get("study"), Study):
        raise RgfError(f"{path} defines no `study`; it needs `study = Study(...)`")
    return replace(names["study"], file=path.resolve())


def _cause(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return config.explain(error, getattr(config, error.title, None))
    kind = "" if isinstance(error, RgfError) else f"{type(error).__name__}: "
    return kind + first_line(error)


def plan(study: Study) -> dict[str, Any]:
    """What a study would do, with nothing run.

    Raises:
        RgfError: what :meth:`Study.check` refuses.
    """
    space = study.check()
    return {
        "question": study.question,
        "minimize": study.minimize_record,
        "subject_to": [str(bound) for bound in study.subject_to],
        "search_space": {name: describe(values) for name, values in space.items()},
        "sampler": samplers.name_of(study.sampler),
        "num_trials": study.num_trials,
        "trainings": study.trainings,
        "repeats": study.repeats,
        "epochs_per_trial": study.baseline.training.epochs,
        "baseline": study.baseline.flat(),
    }


def describe(values: BaseDistribution) -> str:
    """What a parameter may be, e.g. ``0 to 1``."""
    if isinstance(values, distributions.CategoricalDistribution):
        return f"one of {', '.join(map(str, values.choices))}"
    assert isinstance(values, distributions.FloatDistribution | distributions.IntDistribution)
    step = f", step {values.step}" if values.step not in (None, 1) else ""
    return f"{values.low:g} to {values.high:g}{step}{', logarithmic' if values.log else ''}"
