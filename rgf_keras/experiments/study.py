"""An Optuna study: search the mitigation that memorizes least while quality holds."""

import fcntl
import runpy
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import optuna
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState
from pydantic import ValidationError

from rgf_keras.cache import Cache, key_of
from rgf_keras.errors import Diverged, RgfError
from rgf_keras.experiments.assess import assess
from rgf_keras.experiments.config import ExperimentConfig, explain
from rgf_keras.experiments.progress import Track, silent
from rgf_keras.experiments.tracking import Run, Tracker, environment_tags, first_line

# What a trial without a result is worth: the worst gap there is, and far outside every bound.
WORST = 1.0
FAR_OUTSIDE = 1e6

Suggest = Callable[[optuna.Trial], ExperimentConfig]


class Judged(Protocol):
    """What judging a configuration leaves."""

    @property
    def metrics(self) -> dict[str, float]: ...


# (config, run, folder, cache, track) → metrics, as :func:`rgf_keras.experiments.assess` and
# :func:`rgf_keras.experiments.score.judge` do.
Judge = Callable[[Any, Run, Path, Cache, Track], Judged]


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

    def limit(self, baseline: dict[str, float]) -> float:
        """The bound as a number."""
        factor = baseline[self.metric] if self.relative else 1.0
        bound = factor * (self.at_least if self.at_most is None else self.at_most)  # type: ignore[operator]
        return bound + baseline[self.metric] if self.difference else bound

    def violation(self, metrics: dict[str, float], baseline: dict[str, float]) -> float:
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
        judge: what becomes of a configuration; its kind is that of ``baseline``.
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
    judge: Judge = assess
    worst: float = WORST

    @property
    def key(self) -> str:
        """A hash of what trials of one study must share."""
        bounds = [str(bound) for bound in self.subject_to]
        return key_of({"baseline": self.baseline.flat(), "of": self.minimize, "bounds": bounds})


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: with metrics, or with the reason for having none."""

    metrics: dict[str, float]
    reason: str = ""


def load_study(file: str | Path) -> Study:
    """The ``study`` that a Python file defines.

    Raises:
        RgfError: the file is missing, is no Python, fails, or defines no study.
    """
    path = Path(file)
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
        "search_space": {name: repr(values) for name, values in trial.distributions.items()},
        "num_trials": num_trials,
        "epochs_per_trial": study.baseline.training.epochs,
        "baseline": study.baseline.flat(),
    }


def open_storage(url: str) -> optuna.storages.BaseStorage:
    """Optuna's storage behind an URL.

    Raises:
        RgfError: it cannot be reached or written.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        storage = optuna.storages.RDBStorage(url)
        storage.get_all_studies()
        return storage
    except Exception as error:  # every database driver raises exceptions of its own
        raise RgfError(
            f"cannot open the Optuna storage {_without_password(url)} ({first_line(error)}); "
            "check the address and that it can be written"
        ) from error


def run_study(
    study: Study,
    name: str,
    workspace: Path,
    storage: optuna.storages.BaseStorage,
    tracker: Tracker,
    cache: Cache,
    num_trials: int | None = None,
    seed: int = 0,
    track: Track = silent,
    on_trial: Callable[[FrozenTrial], None] = lambda trial: None,
    assess: Judge | None = None,
) -> optuna.Study:
    """Run a study, or what is left of it.

    A study of this name in the storage is continued: finished trials count towards the budget, and
    a trial that a killed process left behind is resumed from its checkpoint under its own number.

    Args:
        study: what to search.
        name: of the study in the storage and of its parent run.
        workspace: folder for checkpoints and files of running trials.
        storage: Optuna's record.
        tracker: MLflow's record: one parent run, one child per trial.
        cache: what trials share.
        num_trials: budget, trial 0 included; the study's own if None.
        seed: of the sampler. (The models' seed is part of the configuration.)
        track: given a description, returns where progress is reported.
        on_trial: called with every trial that ends.
        assess: how a configuration is judged; as the study says if None.

    Raises:
        RgfError: the study was started with another configuration or is being run by another
            process; the baseline has no result; anything an assessment refuses.
    """
    num_trials = study.num_trials if num_trials is None else num_trials
    if num_trials < 1:
        raise RgfError(f"the number of trials must be at least 1, received {num_trials}")
    work = workspace / name
    with _lock(work, name), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        record = optuna.create_study(
            study_name=name, storage=storage, load_if_exists=True, direction="minimize"
        )
        _check_same(record, study, name)
        parent = tracker.start(name, {"study": name}, id=record.user_attrs.get("mlflow_run_id"))
        record.set_user_attr("mlflow_run_id", parent.id)
        parent.set_tags({**environment_tags(), "question": study.question})
        parent.log_params({"minimize": study.minimize, "seed": seed})
        # Samplers of finite spaces stop a study that they have been through.
        exhausted: list[bool] = []
        record.stop = lambda: exhausted.append(True)  # type: ignore[method-assign]
        while not exhausted and (trial := _next(record, study, num_trials, seed)) is not None:
            folder = work / f"trial-{trial.number:04d}"
            run = _start_run(tracker, trial, parent)
            try:
                config = _suggest(study, trial)
                outcome = _judge(assess or study.judge, config, run, folder, cache, track)
            except Exception:
                run.finish("FAILED")
                raise
            _close(record, study, trial, outcome, run)
            shutil.rmtree(folder, ignore_errors=True)
            on_trial(record.trials[trial.number])
        parent.finish()
    return record


def feasible(trial: FrozenTrial) -> bool:
    """Whether a finished trial keeps all bounds."""
    return all(violation <= 0 for violation in trial.constraints.values())


def finished(record: optuna.Study) -> list[FrozenTrial]:
    """Trials that have a result, in order."""
    return [trial for trial in record.trials if trial.state == TrialState.COMPLETE]


def best(record: optuna.Study) -> FrozenTrial:
    """The feasible trial with the smallest objective; if there is none, the nearest to feasible.

    Raises:
        RgfError: no trial has finished.
    """
    trials = finished(record)
    if not trials:
        raise RgfError(f"study '{record.study_name}' has no finished trial yet; run it")
    kept = [trial for trial in trials if feasible(trial)]
    if kept:
        return min(kept, key=lambda trial: trial.value)  # type: ignore[arg-type, return-value]
    return min(trials, key=lambda trial: sum(max(v, 0) for v in trial.constraints.values()))


def _next(record: optuna.Study, study: Study, num_trials: int, seed: int) -> optuna.Trial | None:
    """The trial to work on: one that was left behind, else a new one while the budget lasts."""
    trials = record.get_trials(deepcopy=False)
    left = [trial for trial in trials if trial.state == TrialState.RUNNING]
    number = left[0].number if left else len(trials)
    done = finished(record)
    # A sampler of its own for every trial: what it suggests depends on the trials before it, not
    # on whether the process that asked was restarted in between. The baseline suggests nothing,
    # and a sampler of a finite space must not count it.
    record.sampler = study.sampler(seed + 1000 * number) if done else RandomSampler(seed)
    if left:
        return optuna.Trial(record, left[0]._trial_id)
    return record.ask() if len(done) < num_trials else None


def _suggest(study: Study, trial: optuna.Trial) -> ExperimentConfig:
    if "baseline" not in trial.user_attrs:
        done = finished(trial.study)
        trial.set_user_attr("baseline", not any(t.user_attrs["baseline"] for t in done))
    if trial.user_attrs["baseline"]:
        return study.baseline
    try:
        return study.suggest(trial)
    except (ValidationError, RgfError, TypeError, ValueError) as error:
        message = explain(error) if isinstance(error, ValidationError) else first_line(error)
        trial.study.tell(trial, state=TrialState.FAIL)
        raise RgfError(f"study '{study.name}' suggests a bad configuration: {message}") from error


def _start_run(tracker: Tracker, trial: optuna.Trial, parent: Run) -> Run:
    run = tracker.start(
        f"trial-{trial.number:04d}",
        {**environment_tags(), "trial": trial.number},
        parent=parent.id,
        id=trial.user_attrs.get("mlflow_run_id"),
    )
    trial.set_user_attr("mlflow_run_id", run.id)
    return run


def _judge(
    judge: Judge,
    config: ExperimentConfig,
    run: Run,
    folder: Path,
    cache: Cache,
    track: Track,
) -> Outcome:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return Outcome(judge(config, run, folder, cache, track).metrics)
    except Diverged as error:
        return Outcome({}, str(error))


def _close(
    record: optuna.Study, study: Study, trial: optuna.Trial, outcome: Outcome, run: Run
) -> None:
    """End a trial in both records."""
    is_baseline = trial.user_attrs["baseline"]
    if is_baseline and outcome.reason:
        record.tell(trial, state=TrialState.FAIL)
        run.finish("FAILED")
        raise RgfError(f"the baseline has no result: {outcome.reason}")
    baseline = outcome.metrics if is_baseline else baseline_metrics(record)
    for bound in study.subject_to:
        violation = FAR_OUTSIDE if outcome.reason else bound.violation(outcome.metrics, baseline)
        trial.set_constraint(bound.metric, violation)
    trial.set_user_attr("metrics", outcome.metrics)
    trial.set_user_attr("reason", outcome.reason)
    value = study.worst if outcome.reason else outcome.metrics[study.minimize]
    closed = record.tell(trial, value)
    run.set_tags({"feasible": feasible(closed), "baseline": is_baseline, "reason": outcome.reason})
    run.finish()


def baseline_metrics(record: optuna.Study) -> dict[str, float]:
    """The metrics of trial 0, which relative bounds refer to."""
    return next(t.user_attrs["metrics"] for t in finished(record) if t.user_attrs["baseline"])


def _check_same(record: optuna.Study, study: Study, name: str) -> None:
    key = record.user_attrs.get("key")
    if key not in (None, study.key):
        raise RgfError(
            f"study '{name}' was started with another baseline, objective or bounds; "
            "give the new one another --name"
        )
    record.set_user_attr("key", study.key)
    record.set_user_attr("question", study.question)
    record.set_user_attr("minimize", study.minimize)
    record.set_user_attr("bounds", [str(bound) for bound in study.subject_to])
    record.set_user_attr("quality", study.subject_to[0].metric if study.subject_to else "")


@contextmanager
def _lock(work: Path, name: str) -> Iterator[None]:
    """One process per study: a trial that is still running here must have been left behind."""
    try:
        work.mkdir(parents=True, exist_ok=True)
        file = open(work / "lock", "w")  # noqa: SIM115 (held while the study runs)
    except OSError as error:
        raise RgfError(
            f"cannot write {work}: {error.strerror}; choose another --workspace"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RgfError(
                f"study '{name}' is being run by another process; wait for it or end it"
            ) from None
        yield


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url

    try:
        return make_url(url).render_as_string(hide_password=True)
    except Exception:  # not an URL at all
        return url
