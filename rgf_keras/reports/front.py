"""What a study of several objectives says: which trials no other one beats in all of them.

Nothing is called a finding: which trials are on a front was chosen from the same numbers.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rgf_keras.experiments.studies import ranking
from rgf_keras.experiments.studies.ranking import ENDED, TRAININGS
from rgf_keras.metrics.differences import Mean
from rgf_keras.reports import values
from rgf_keras.reports.answers import parameters
from rgf_keras.reports.terminal import Table
from rgf_keras.reports.trials import Summary, Trial, bounds, trial_name, trial_record, verdict

if TYPE_CHECKING:
    import optuna
    from matplotlib.axes import Axes
    from optuna.trial import FrozenTrial


ONCE = (
    "Each trial was trained once: other seeds may order them differently. Study(trainings=3) gives "
    "intervals over trainings."
)
CHOSEN = "The trainings that chose the front are those of its intervals, which flatter it."


def summarize(optuna_study: "optuna.Study") -> Summary:
    """Everything a reader or a program wants to know of the study, JSON-able.

    Raises:
        RgfError: no trial has finished.
    """
    members = [trial.number for trial in ranking.front(optuna_study)]
    names = optuna_study.user_attrs["minimize"]
    ended = optuna_study.get_trials(states=ENDED)
    subject_to = optuna_study.user_attrs["bounds"]
    trials = [_record(trial, names, subject_to) for trial in ended]
    several = any(len(trial.user_attrs.get(TRAININGS, [])) > 1 for trial in ended)
    return {
        "study": optuna_study.study_name,
        "question": optuna_study.user_attrs["question"],
        "minimize": names,
        "subject_to": subject_to,
        "quality": names[1],
        "trials": trials,
        "best": None,
        "front": members,
        "answer": _answer(names, members, trials),
        "finding": False,
        "differences": {},
        "caution": CHOSEN if several else ONCE,
    }


def _record(trial: "FrozenTrial", names: list[str], subject_to: list[str]) -> Trial:
    """A trial, whose objectives have intervals over trainings where it has several."""
    trainings = trial.user_attrs.get(TRAININGS, [])
    record = trial_record(trial, None, subject_to)
    means: dict[str, Mean] = {}
    if len(trainings) > 1 and not record["reason"]:
        means = {name: Mean.of([numbers[name] for numbers in trainings]) for name in names}
    metrics = dict(record["metrics"])
    for name, mean in means.items():
        metrics |= {name: mean.value, f"{name}_low": mean.low, f"{name}_high": mean.high}
    over_trainings = {name: asdict(mean) for name, mean in means.items()}
    return {**record, "metrics": metrics, "over_trainings": over_trainings}


def _answer(names: list[str], members: list[int], trials: list[Trial]) -> str:
    by_number = {trial["trial"]: trial for trial in trials}
    front = [by_number[number] for number in members]
    if not front:
        return "No trial keeps the bounds."
    kept = sum(trial["feasible"] and not trial["reason"] for trial in trials)
    what = " and ".join(map(values.label, names))
    if len(front) == 1:
        (only,) = front
        own = ", ".join(f"{values.label(x)} {values.interval(only['metrics'], x)}" for x in names)
        return f"One of {kept} trials is best in {what}: {_title(only)}, {own}."
    ranges = []
    for name in names:
        ends = sorted((trial["metrics"] for trial in front), key=lambda metrics: metrics[name])
        low, high = (values.value(metrics, name) for metrics in (ends[0], ends[-1]))
        ranges.append(f"{values.label(name)} from {low} to {high}")
    listed = ", ".join(map(trial_name, front))
    within = " within the bounds" if front[0]["limits"] else ""
    return (
        f"{len(front)} of {kept} trials{within} are on the front of {what}: {listed}; "
        f"{', '.join(ranges)}."
    )


def _title(trial: Trial) -> str:
    name = trial_name(trial)
    return name if trial["baseline"] else f"{name} ({parameters(trial['parameters'])})"


def ordered(summary: Summary) -> list[Trial]:
    """Trials of the front, by the first objective; then others within the bounds; then others."""

    def rank(trial: Trial) -> tuple[Any, ...]:
        measured = [trial["metrics"].get(name, float("inf")) for name in summary["minimize"]]
        is_other = trial["trial"] not in summary["front"]
        return is_other, trial["pruned"], not trial["feasible"], bool(trial["reason"]), measured

    return sorted(summary["trials"], key=rank)


def table(summary: Summary) -> Table:
    """Trials, those of the front first."""
    view = Table(
        title=f"{summary['study']}: {summary['question']}",
        caption=f"{summary['answer']} {summary['caution']}",
    )
    names = list(dict.fromkeys((*summary["minimize"], *bounds(summary))))
    for column in ("trial", "parameters", *map(values.label, names), "front", "feasible"):
        view.add_column(column, justify="left" if column == "parameters" else "right")
    for trial in ordered(summary):
        is_member = trial["trial"] in summary["front"]
        view.add_row(
            str(trial["trial"]),
            "baseline" if trial["baseline"] else parameters(trial["parameters"]),
            *(values.interval(trial["metrics"], name) for name in names),
            "yes" if is_member else "",
            verdict(trial),
            style="bold" if is_member else None,
        )
    return view


def plot(axis: "Axes", summary: Summary) -> None:
    """Plot the first objective against the second, with intervals, and the front if it has two."""
    from rgf_keras.figures import charts

    first, second, *others = summary["minimize"]
    points = []
    for trial in summary["trials"]:
        if {first, second} <= trial["metrics"].keys() and not trial["reason"]:
            x, y = (values.with_bounds(trial["metrics"], name) for name in (second, first))
            name, is_member = trial_name(trial), trial["trial"] in summary["front"]
            name = name.removeprefix("trial ")
            points.append(charts.Point(name, x, y, trial["feasible"], trial["baseline"], is_member))
    x_label, y_label = (f"{values.label(name)} (lower is better)" for name in (second, first))
    charts.plot_pareto(axis, points, x_label, y_label, better="")
    front = sorted((point.x[0], point.y[0]) for point in points if point.best)
    if front and not others:
        axis.step(*zip(*front, strict=True), where="post", color="grey", linewidth=0.8, zorder=1)
