"""What a study or an assessment says, as tables for the terminal, JSON and a picture.

Importing it imports neither Keras, MLflow, matplotlib nor SciPy: ``rgf study show`` is quick.
"""

from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Literal

from optuna.trial import TrialState

from rgf_keras import outputs, strict_json
from rgf_keras.experiments.studies.ranking import (
    ENDED,
    best,
    differences,
    feasible,
    repeats,
)
from rgf_keras.metrics.differences import Mean
from rgf_keras.reports import answers, front, values
from rgf_keras.reports.answers import parameters
from rgf_keras.reports.terminal import Table
from rgf_keras.reports.trials import (
    Summary,
    Trial,
    bounds,
    objectives,
    ranking,
    trial_name,
    trial_record,
    verdict,
)
from rgf_keras.tracking import views
from rgf_keras.tracking.mlflow_names import NOTE_TAG

if TYPE_CHECKING:
    import optuna
    from matplotlib.axes import Axes
    from optuna.trial import FrozenTrial

    from rgf_keras.metrics.rgf_table import Row
    from rgf_keras.tracking.tracker import Tracker


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
    if len(optuna_study.directions) > 1:
        return front.summarize(optuna_study)
    winner = best(optuna_study)
    again = repeats(optuna_study)
    found = {} if winner.user_attrs["baseline"] else differences(optuna_study, winner.number)
    elsewhere = answers.elsewhere(optuna_study, winner, found)
    is_finding = answers.finding(winner, again, elsewhere)
    ended = optuna_study.get_trials(states=ENDED)
    told = answers.answer(optuna_study, winner, again, is_finding)
    subject_to = optuna_study.user_attrs["bounds"]
    trials = [trial_record(trial, again.get(trial.number), subject_to) for trial in ended]
    return {
        "study": optuna_study.study_name,
        "question": optuna_study.user_attrs["question"],
        "minimize": optuna_study.user_attrs["minimize"],
        "subject_to": subject_to,
        "quality": _quality(optuna_study, winner.user_attrs["metrics"]),
        "trials": trials,
        "best": winner.number,
        "answer": " ".join([told, *answers.tell(elsewhere)]),
        "finding": is_finding,
        "differences": {name: asdict(each) for name, each in found.items()},
        "caution": answers.caution(winner, again),
    }


def study_table(summary: Summary) -> Table:
    """Trials, the best first; infeasible ones last."""
    if "front" in summary:
        return front.table(summary)
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


def study_figure(path: Path, summary: Summary) -> Path | None:
    """Save the trials' objective against their quality; None if none has a quality."""
    from rgf_keras.figures.images import save_plot

    return save_plot(path, partial(plot_trials, summary=summary)) if summary["quality"] else None


def plot_trials(axis: "Axes", summary: Summary) -> None:
    """Plot the objective against quality: a point per trial that has both, with its intervals."""
    if "front" in summary:
        front.plot(axis, summary)
        return
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
        wanted = {*objectives(summary), *bounds(summary)}
        names = {"best": "best_trial", "answer": "answer", "finding": "finding"}
        if "front" in summary:
            names = {"front": "front", "answer": "answer"}
        else:
            winner = next(each for each in summary["trials"] if each["trial"] == summary["best"])
            shown = wanted & winner["metrics"].keys()
            ends = Counter(name.split("/")[-1] for name in shown)
            short = {name: name.split("/")[-1] for name in sorted(shown)}
            metrics = {
                f"best/{end if ends[end] == 1 else name}": winner["metrics"][name]
                for name, end in short.items()
            }
            run.log_metrics(metrics, step=len(summary["trials"]))
        run.set_tags({tag: summary[name] for name, tag in names.items()})
        about = summary["question"], summary["answer"]
        run.set_tags({NOTE_TAG: views.description(*about)})
        columns = list(dict.fromkeys([*objectives(summary), *bounds(summary)]))
        searched = list({name: None for trial in optuna_study.trials for name in trial.params})
        run.tag_experiment(views.experiment_tags(*about, columns, searched))


def trial_line(trial: "FrozenTrial", minimize: str | list[str], num_trials: int) -> str:
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
    names = [minimize] if isinstance(minimize, str) else minimize
    numbers = ", ".join(f"{name} {x:.3f}" for name, x in zip(names, trial.values, strict=True))
    return f"{what}: {numbers}{verdict and f', {verdict}'}"


def _quality(optuna_study: "optuna.Study", measured: dict[str, float]) -> str | None:
    """The metric that stands for quality: a bounded one, else one that is measured."""
    attributes = optuna_study.user_attrs
    bounded = [bound["metric"] for bound in attributes["subject_to"]]
    names = [name for name in (*bounded, *values.ordered(measured)) if name.startswith("quality/")]
    names = [name for name in names or bounded if name != attributes["minimize"]]
    return next(iter(names), None)


def _objective(trial: Trial) -> str:
    if trial["repeats"]:
        mean = Mean(**trial["repeats"]["objective"])
        return f"{mean} ({mean.n} seeds)"
    return "–" if trial["value"] is None else f"{trial['value']:.3f}"
