"""What a study or an assessment says, as tables for the terminal, JSON and a picture."""

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import optuna
from optuna.trial import FrozenTrial
from rich.table import Table

from rgf_keras.errors import RgfError
from rgf_keras.experiments import charts
from rgf_keras.experiments.figures import save
from rgf_keras.experiments.rgf_table import Row
from rgf_keras.experiments.study import baseline_metrics, best, feasible, finished
from rgf_keras.experiments.tracking import Tracker


def assessment_table(table: list[Row]) -> Table:
    """The z-table: one line per class and one for all samples."""
    view = Table(title="share of images with the factor, by class the oracle names")
    for column in ("class", "n_u", "P_u", "n_r", "P_r", "z", "p", "verdict", "Holm"):
        view.add_column(column, justify="left" if column in ("class", "verdict") else "right")
    for row in table:
        view.add_row(
            f"{row.name} (rare)" if row.rare else row.name,
            str(row.n_u),
            f"{row.p_u:.2f} [{row.p_u_low:.2f}, {row.p_u_high:.2f}]",
            str(row.n_r),
            f"{row.p_r:.2f} [{row.p_r_low:.2f}, {row.p_r_high:.2f}]",
            f"{row.z_two_sample:.1f}",
            f"{row.p_value:.2g}",
            row.verdict,
            row.verdict_holm,
            style="bold" if row.rare else None,
        )
    return view


def study_summary(record: optuna.Study) -> dict[str, Any]:
    """Everything a reader or a program wants to know of a study, JSON-able."""
    trials = [_trial(record, trial) for trial in finished(record)]
    winner = best(record)
    return {
        "study": record.study_name,
        "question": record.user_attrs["question"],
        "minimize": record.user_attrs["minimize"],
        "subject_to": record.user_attrs["bounds"],
        "trials": trials,
        "best": winner.number,
        "answer": _answer(record, winner),
    }


def study_table(summary: dict[str, Any]) -> Table:
    """Trials, the best first; infeasible ones last."""
    view = Table(title=f"{summary['study']}: {summary['question']}", caption=summary["answer"])
    for column in ("trial", "parameters", summary["minimize"], "Fréchet", "coverage", "feasible"):
        view.add_column(column, justify="left" if column == "parameters" else "right")
    for trial in ranking(summary):
        metrics = trial["metrics"]
        view.add_row(
            str(trial["trial"]),
            "baseline" if trial["baseline"] else parameters(trial["parameters"]),
            f"{trial['value']:.3f}",
            _number(metrics.get("quality/frechet_oracle"), ".1f"),
            _number(metrics.get("rgf/class_coverage"), ".0%"),
            trial["reason"] or ", ".join(trial["broken"]) or "yes",
            style="bold" if trial["trial"] == summary["best"] else None,
        )
    return view


def ranking(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Trials, the best first; infeasible ones last."""
    return sorted(summary["trials"], key=lambda trial: (not trial["feasible"], trial["value"]))


def find_study(storage: optuna.storages.BaseStorage, name: str) -> optuna.Study:
    """A study by its name or the start of it.

    Raises:
        RgfError: the name is none's, or more than one's.
    """
    names = optuna.get_all_study_names(storage)
    found = [known for known in names if known == name] or [
        known for known in names if known.startswith(name)
    ]
    if len(found) != 1:
        raise RgfError(f"'{name}' names {len(found)} studies; known: {', '.join(names) or 'none'}")
    return optuna.load_study(study_name=found[0], storage=storage)


def study_figure(path: Path, summary: dict[str, Any]) -> Path:
    """Memorization against quality, one point per trial that has both."""
    figure, axis = plt.subplots(figsize=(6, 4))
    charts.pareto(axis, summary)
    return save(figure, path)


def record_study(
    summary: dict[str, Any], record: optuna.Study, tracker: Tracker, folder: Path
) -> None:
    """Log the picture, the summary and the best trial's numbers to the study's parent run."""
    run = tracker.start(record.study_name, {}, id=record.user_attrs["mlflow_run_id"])
    run.log_artifact(study_figure(folder / "study.png", summary))
    text = folder / "study.json"
    text.write_text(json.dumps(summary, indent=1))
    run.log_artifact(text)
    metrics = best(record).user_attrs["metrics"]
    shown = {summary["minimize"], *best(record).constraints} & metrics.keys()
    best_metrics = {f"best/{name.split('/')[-1]}": metrics[name] for name in sorted(shown)}
    run.log_metrics(best_metrics, step=len(summary["trials"]))
    run.set_tags({"best_trial": summary["best"], "answer": summary["answer"]})
    run.finish()


def _trial(record: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
    metrics = trial.user_attrs["metrics"]
    return {
        "trial": trial.number,
        "baseline": trial.user_attrs["baseline"],
        "parameters": trial.params,
        "value": trial.value,
        "feasible": feasible(trial),
        "reason": trial.user_attrs["reason"],
        "broken": [f"no: {name.split('/')[-1]}" for name, v in trial.constraints.items() if v > 0],
        # a violation is value − limit, so the limit is their difference
        "limits": {n: metrics[n] - v for n, v in trial.constraints.items() if n in metrics},
        "metrics": metrics,
        "mlflow_run_id": trial.user_attrs["mlflow_run_id"],
    }


def _answer(record: optuna.Study, winner: FrozenTrial) -> str:
    name = record.user_attrs["minimize"]
    baseline = baseline_metrics(record)[name]
    settings = parameters(winner.params)
    if not feasible(winner):
        over = {name: value for name, value in winner.constraints.items() if value > 0}
        misses = ", ".join(f"{name} by {value:.3g}" for name, value in over.items())
        return f"No trial keeps the bounds; trial {winner.number} is nearest, missing {misses}."
    if winner.user_attrs["baseline"]:
        return f"Nothing tried beats the baseline: its {name} is {baseline:.3f}."
    return (
        f"Trial {winner.number} ({settings}) memorizes least within the bounds: "
        f"{name} {winner.value:.3f}, baseline {baseline:.3f}."
    )


def parameters(values: dict[str, Any]) -> str:
    """A trial's parameters in one line."""
    return ", ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )


def _number(value: float | None, spec: str) -> str:
    return "–" if value is None else format(value, spec)
