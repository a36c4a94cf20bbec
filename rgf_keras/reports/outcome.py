"""What a study or an assessment says, as tables for the terminal, JSON and a picture.

Importing it imports neither Keras, MLflow, matplotlib nor SciPy: ``rgf study show`` is quick.
"""

import re
from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

from optuna.trial import TrialState

from rgf_keras import outputs, strict_json
from rgf_keras.experiments.studies.differences import Difference, Mean
from rgf_keras.experiments.studies.ranking import (
    ENDED,
    SPACES,
    RepeatSummary,
    baseline_metrics,
    baseline_trial,
    best,
    differences,
    feasible,
    repeats,
)
from rgf_keras.reports import values
from rgf_keras.reports.terminal import Table
from rgf_keras.tracking import views
from rgf_keras.tracking.mlflow_names import NOTE_TAG

if TYPE_CHECKING:
    import optuna
    from matplotlib.axes import Axes
    from optuna.trial import FrozenTrial

    from rgf_keras.metrics.rgf_table import Row
    from rgf_keras.tracking.tracker import Tracker

C_T = "copying/c_t/"  # how its names in spaces begin
Summary = dict[str, Any]
Trial = dict[str, Any]


def assessment_table(table: "list[Row]") -> Table:
    """The z-table: one line per class and one for all samples, 80 columns wide."""
    if table[-1].trainings_r:
        return _table_of_trainings(table)
    view = Table(
        title="% of images with the factor, by the class that the oracle names",
        caption="u: balanced model; r: the model under test; * another verdict by Holm's p\n"
        "a test of samples, which calls half the rows of equal models different",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for column in ("class", "n_u", "P_u", "n_r", "P_r", "z", "p", "verdict"):
        justify: Literal["left", "right"] = "left" if column in ("class", "verdict") else "right"
        view.add_column(column, justify=justify, no_wrap=True)
    for row in table:
        changed = "*" if row.verdict_holm != row.verdict else ""
        view.add_row(
            f"{row.name} (rare)" if row.rare else row.name,
            str(row.n_u),
            values.share(row.p_u, row.p_u_low, row.p_u_high),
            str(row.n_r),
            values.share(row.p_r, row.p_r_low, row.p_r_high),
            values.number(row.z_two_sample, ".1f"),
            values.p_value(row.p_value),
            f"{row.verdict}{changed}",
            style="bold" if row.rare else None,
        )
    return view


def _table_of_trainings(table: "list[Row]") -> Table:
    from rgf_keras.metrics.rgf_table import num_trainings

    tested, known = num_trainings(table)
    view = Table(
        title=f"% of images with the factor, by class; trainings: {tested} against {known}",
        caption="u: balanced models; r: model under test; * another verdict by Holm's p"
        + ("\nset evaluation.num_references to 3 or more for verdicts" if known < 3 else ""),
        box=None,
        padding=(0, 1, 0, 0),
    )
    for column in ("class", "P_u", "P_r", "P_r − P_u", "p", "verdict"):
        justify: Literal["left", "right"] = "left" if column in ("class", "verdict") else "right"
        view.add_column(column, justify=justify, no_wrap=True)
    for row in table:
        changed = "*" if row.verdict_holm != row.verdict else ""
        view.add_row(
            f"{row.name} (rare)" if row.rare else row.name,
            values.share(row.p_u, row.p_u_low, row.p_u_high),
            values.share(row.p_r, row.p_r_low, row.p_r_high),
            values.share(row.difference, row.difference_low, row.difference_high).replace("-", "−"),
            values.p_value(row.p_value),
            f"{row.verdict}{changed}",
            style="bold" if row.rare else None,
        )
    return view


def study_summary(optuna_study: "optuna.Study") -> Summary:
    """Everything a reader or a program wants to know of a study, JSON-able.

    Raises:
        RgfError: no trial has finished.
    """
    winner = best(optuna_study)
    again = repeats(optuna_study)
    found = {} if winner.user_attrs["baseline"] else differences(optuna_study, winner.number)
    elsewhere = _elsewhere(optuna_study, winner, found)
    is_finding = _finding(winner, again, elsewhere)
    ended = optuna_study.get_trials(states=ENDED)
    trials = [_trial(trial, again.get(trial.number)) for trial in ended]
    return {
        "study": optuna_study.study_name,
        "question": optuna_study.user_attrs["question"],
        "minimize": optuna_study.user_attrs["minimize"],
        "subject_to": optuna_study.user_attrs["bounds"],
        "quality": _quality(optuna_study, winner.user_attrs["metrics"]),
        "trials": trials,
        "best": winner.number,
        "answer": " ".join([_answer(optuna_study, winner, again, is_finding), *_tell(elsewhere)]),
        "finding": is_finding,
        "differences": {name: asdict(each) for name, each in found.items()},
        "caution": _caution(winner, again),
    }


def study_table(summary: Summary) -> Table:
    """Trials, the best first; infeasible ones last."""
    view = Table(
        title=f"{summary['study']}: {summary['question']}",
        caption=f"{summary['answer']} {summary['caution']}".strip(),
    )
    objective = summary["minimize"]
    names = dict.fromkeys((objective, *bounds(summary), summary["quality"] or objective))
    labels = ["\n".join(wrap(values.label(name), 12)) for name in names]
    for column in ("trial", "parameters", *labels, "feasible"):
        view.add_column(column, justify="left" if column == "parameters" else "right")
    for trial in ranking(summary):
        view.add_row(
            str(trial["trial"]),
            "baseline" if trial["baseline"] else parameters(trial["parameters"]),
            _objective(trial),
            *(values.value(trial["metrics"], name) for name in list(names)[1:]),
            verdict(trial),
            style="bold" if trial["trial"] == summary["best"] else None,
        )
    return view


def trial_name(trial: Trial) -> str:
    """What a trial is called in tables."""
    return "baseline" if trial["baseline"] else f"trial {trial['trial']}"


def verdict(trial: Trial) -> str:
    """Why a trial has no result, or which bounds it breaks, or yes."""
    return trial["reason"] or ", ".join(trial["broken"]) or "yes"


def bounds(summary: Summary) -> dict[str, str]:
    """What metrics are bounded by, e.g. ``≤ 1.1 × baseline``."""
    limits: dict[str, str] = {}
    for bound in summary["subject_to"]:
        name, sign, limit = re.fullmatch("(.*) ([≤≥]) (.*)", bound, re.DOTALL).groups()  # type: ignore[union-attr]
        limits[name] = " and ".join(filter(None, (limits.get(name), f"{sign} {limit}")))
    return limits


def ranking(summary: Summary) -> list[Trial]:
    """Trials, the best first; infeasible ones last."""
    return sorted(summary["trials"], key=_rank)


def study_figure(path: Path, summary: Summary) -> Path | None:
    """Save the trials' objective against their quality; None if none has a quality."""
    from rgf_keras.figures.images import save_plot

    return save_plot(path, partial(plot_trials, summary=summary)) if summary["quality"] else None


def plot_trials(axis: "Axes", summary: Summary) -> None:
    """Plot the objective against quality: a point per trial that has both, with its intervals."""
    from rgf_keras.figures import charts

    objective, quality = summary["minimize"], summary["quality"]
    trials = [t for t in summary["trials"] if quality in t["metrics"] and t["value"] is not None]
    points = []
    for trial in trials:
        name, is_best = trial_name(trial), trial["trial"] == summary["best"]
        name = f"best: {name}" if is_best else name.removeprefix("trial ")
        x = values.with_bounds(trial["metrics"], quality)
        y = values.with_bounds({**trial["metrics"], objective: trial["value"]}, objective)
        points.append(charts.Point(name, x, y, trial["feasible"], trial["baseline"], is_best))
    sign = bounds(summary).get(quality, "")[:1]
    better = {"≤": "lower", "≥": "higher"}.get(sign, values.better(quality))
    x_label = f"{values.label(quality)}{better and f' ({better} is better)'}"
    memorized = " (lower memorizes less)" if values.is_memorization(objective) else ""
    y_label = f"{values.label(objective)}{memorized}"
    bound = next((t["limits"][quality] for t in trials if quality in t["limits"]), None)
    charts.plot_pareto(axis, points, x_label, y_label, bound, better)


def record_study(
    summary: Summary, optuna_study: "optuna.Study", tracker: "Tracker", folder: Path
) -> None:
    """Log the picture, the summary and the best trial's numbers to the study's parent run."""
    id = optuna_study.user_attrs["mlflow_run_id"]
    with tracker.run(optuna_study.study_name, {}, id=id) as run:
        if picture := study_figure(folder / "study.png", summary):
            run.log_artifact(picture)
        text = strict_json.dumps(summary, indent=1)
        run.log_artifact(outputs.write_text(folder / "study.json", text))
        winner = next(each for each in summary["trials"] if each["trial"] == summary["best"])
        shown = {summary["minimize"], *winner["limits"]} & winner["metrics"].keys()
        ends = Counter(name.split("/")[-1] for name in shown)
        short = {name: name.split("/")[-1] for name in sorted(shown)}
        metrics = {
            f"best/{end if ends[end] == 1 else name}": winner["metrics"][name]
            for name, end in short.items()
        }
        run.log_metrics(metrics, step=len(summary["trials"]))
        names = {"best": "best_trial", "answer": "answer", "finding": "finding"}
        run.set_tags({tag: summary[name] for name, tag in names.items()})
        about = summary["question"], summary["answer"]
        run.set_tags({NOTE_TAG: views.description(*about)})
        columns = list(dict.fromkeys([summary["minimize"], *winner["limits"]]))
        searched = list({name: None for trial in optuna_study.trials for name in trial.params})
        run.tag_experiment(views.experiment_tags(*about, columns, searched))


def trial_line(trial: "FrozenTrial", minimize: str, num_trials: int) -> str:
    """How a trial or a repeat has ended, in one line."""
    reason = trial.user_attrs["reason"]
    if "of" in trial.user_attrs:
        what = f"trial {trial.user_attrs['of']} again, fresh training {trial.user_attrs['seed']}"
        return f"{what}: {reason or f'{minimize} {trial.value:.3f}'}"
    kind = "baseline" if trial.user_attrs["baseline"] else parameters(trial.params)
    what = f"trial {trial.number} of {num_trials} ({kind})"
    if trial.state == TrialState.PRUNED:
        return f"{what}: {reason}"
    bounds = "within the bounds" if feasible(trial) else "outside the bounds"
    verdict = reason or (bounds if trial.constraints else "")
    return f"{what}: {minimize} {trial.value:.3f}{verdict and f', {verdict}'}"


def _quality(optuna_study: "optuna.Study", measured: dict[str, float]) -> str | None:
    """The metric that stands for quality: a bounded one, else one that is measured."""
    attributes = optuna_study.user_attrs
    bounded = [bound["metric"] for bound in attributes["subject_to"]]
    names = [name for name in (*bounded, *values.ordered(measured)) if name.startswith("quality/")]
    names = [name for name in names or bounded if name != attributes["minimize"]]
    return next(iter(names), None)


def _trial(trial: "FrozenTrial", again: RepeatSummary | None) -> Trial:
    metrics = trial.user_attrs["metrics"]
    violations = again.violations if again else trial.constraints
    pruned = trial.state == TrialState.PRUNED
    return {
        "trial": trial.number,
        "baseline": trial.user_attrs["baseline"],
        "parameters": trial.params,
        # what was reported of a pruned trial is for the pruner, and no result
        "value": None if pruned else trial.value,
        "pruned": pruned,
        "feasible": again.feasible if again else feasible(trial),
        "reason": trial.user_attrs["reason"],
        "broken": [f"no: {values.label(name)}" for name, v in violations.items() if v > 0],
        # a violation is value − limit, so the limit is their difference
        "limits": {n: metrics[n] - v for n, v in trial.constraints.items() if n in metrics},
        "metrics": metrics,
        "repeats": asdict(again) if again else None,
        "mlflow_run_id": trial.user_attrs["mlflow_run_id"],
    }


def _rank(trial: Trial) -> tuple[Any, ...]:
    """Repeated trials before those that were not, pruned ones last."""
    again = trial["repeats"]
    value = again["objective"]["value"] if again else trial["value"]
    missing = value is None
    return trial["pruned"], not trial["feasible"], again is None, missing, value


def _objective(trial: Trial) -> str:
    if trial["repeats"]:
        mean = Mean(**trial["repeats"]["objective"])
        return f"{mean} ({mean.n} seeds)"
    return "–" if trial["value"] is None else f"{trial['value']:.3f}"


def _tell(elsewhere: dict[str, Difference] | None) -> list[str]:
    return [
        f"In {space}, which its mitigation does not use, C_T differs by {difference}"
        f"{'' if difference.is_found else ', which may be chance'}."
        for space, difference in (elsewhere or {}).items()
    ]


def _answer(
    optuna_study: "optuna.Study",
    winner: "FrozenTrial",
    again: dict[int, RepeatSummary],
    is_finding: bool,
) -> str:
    name = optuna_study.user_attrs["minimize"]
    label = values.label(name)
    repeated = again.get(winner.number)
    violations = repeated.violations if repeated else winner.constraints
    over = {name: value for name, value in violations.items() if value > 0}
    if over:
        misses = ", ".join(f"{values.label(name)} by {value:.3g}" for name, value in over.items())
        return f"No trial keeps the bounds; trial {winner.number} is nearest, missing {misses}."
    own = str(repeated.objective) if repeated else f"{winner.value:.3f}"
    if winner.user_attrs["baseline"]:
        alone = len(optuna_study.get_trials(states=ENDED)) == 1
        start = "Only the baseline has run" if alone else "Nothing tried beats the baseline"
        return f"{start}: its {label} is {own}."
    bounds = " within the bounds" if winner.constraints else ""
    least = f"memorizes least{bounds}: {label}"
    least = least if values.is_memorization(name) else f"has the lowest {label}{bounds}:"
    trial = f"rial {winner.number} ({parameters(winner.params)}) {least} {own}"
    if repeated is None:
        return f"T{trial}, baseline {baseline_metrics(optuna_study)[name]:.3f}."
    difference = repeated.difference
    if difference is None:
        return f"No difference found: t{trial}, but a fresh training of the baseline has no result."
    seeds = f"over {repeated.objective.n} fresh trainings each"
    other = f"baseline {again[baseline_trial(optuna_study).number].objective}, difference"
    if is_finding:
        return f"Finding: t{trial}, {other} {difference} {seeds}."
    if difference.is_found and difference.value > 0:
        return f"T{trial}, more than the baseline, which does not: {other} {difference} {seeds}."
    if difference.is_found:
        start = "No finding, for it is seen only in the space that the mitigation uses"
        return f"{start}: t{trial}, {other} {difference} {seeds}."
    advice = f"about {difference.needed} trainings of each would tell one of this size"
    return f"No difference found: t{trial}, {other} {difference} {seeds}; {advice}."


def _caution(winner: "FrozenTrial", again: dict[int, RepeatSummary]) -> str:
    """What to know before believing that one trial is better than the baseline."""
    reason = winner.user_attrs["reason"]
    if winner.user_attrs["baseline"] or winner.number in again or reason:
        return ""
    return (
        "Not confirmed: other seeds may turn this round. Run the study with --repeats 3 or more to "
        "train the best and the baseline again."
    )


def _finding(
    winner: "FrozenTrial", again: dict[int, RepeatSummary], elsewhere: dict[str, Difference] | None
) -> bool:
    """Whether the best trial is better than the baseline by more than trainings scatter.

    Less copying must be seen in a space that its mitigations do not use, too.
    """
    repeated = again.get(winner.number)
    difference = repeated.difference if repeated and repeated.feasible else None
    if difference is None or not difference.is_found or difference.value > 0:
        return False
    return elsewhere is None or any(each.is_found and each.value > 0 for each in elsewhere.values())


def _elsewhere(
    optuna_study: "optuna.Study", winner: "FrozenTrial", found: dict[str, Difference]
) -> dict[str, Difference] | None:
    """By space that the best trial's mitigations do not use: how much larger its C_T is there.

    None if that is not asked about: copying is not minimized, or no mitigation uses a space.
    """
    used = winner.user_attrs.get(SPACES)  # unknown of trials before 0.2
    if used == [] or not optuna_study.user_attrs["minimize"].startswith("copying/"):
        return None
    if used is None:
        return {}
    bounds = {f"{name}_{end}" for name in found for end in ("low", "high")}
    names = sorted(name for name in found.keys() - bounds if name.startswith(C_T))
    spaces = {name.removeprefix(C_T): found[name] for name in names}
    return {space: each for space, each in spaces.items() if space not in used}


def parameters(values: dict[str, Any]) -> str:
    """A trial's parameters in one line."""
    return ", ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )
