"""What a study or an assessment says, as tables for the terminal, JSON and a picture."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.table import Table

from rgf_keras.experiments.studies.ranking import (
    ENDED,
    Mean,
    RepeatSummary,
    baseline_metrics,
    baseline_trial,
    best,
    feasible,
    repeats,
)
from rgf_keras.figures import charts
from rgf_keras.figures.images import save
from rgf_keras.metrics.rgf_table import Row
from rgf_keras.tracking.tracker import Tracker


def assessment_table(table: list[Row]) -> Table:
    """The z-table: one line per class and one for all samples, 80 columns wide."""
    view = Table(
        title="% of images with the factor, by the class that the oracle names",
        caption="u: balanced model; r: the model under test; * another verdict by Holm's p",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for column in ("class", "n_u", "P_u", "n_r", "P_r", "z", "p", "verdict"):
        view.add_column(
            column, justify="left" if column in ("class", "verdict") else "right", no_wrap=True
        )
    for row in table:
        changed = row.verdict_holm != row.verdict
        view.add_row(
            f"{row.name} (rare)" if row.rare else row.name,
            str(row.n_u),
            _share(row.p_u, row.p_u_low, row.p_u_high),
            str(row.n_r),
            _share(row.p_r, row.p_r_low, row.p_r_high),
            "–" if math.isnan(row.z_two_sample) else f"{row.z_two_sample:.1f}",
            _p_value(row.p_value),
            f"{row.verdict}*" if changed else row.verdict,
            style="bold" if row.rare else None,
        )
    return view


def study_summary(record: optuna.Study) -> dict[str, Any]:
    """Everything a reader or a program wants to know of a study, JSON-able."""
    winner = best(record)
    again = repeats(record)
    trials = [_trial(trial, again.get(trial.number)) for trial in record.get_trials(states=ENDED)]
    return {
        "study": record.study_name,
        "question": record.user_attrs["question"],
        "minimize": record.user_attrs["minimize"],
        "subject_to": record.user_attrs["bounds"],
        "quality": next(
            (bound["metric"] for bound in record.user_attrs["subject_to"]), charts.FRECHET
        ),
        "trials": trials,
        "best": winner.number,
        "answer": _answer(record, winner, again),
        "caution": _caution(record, winner, again),
    }


def study_table(summary: dict[str, Any]) -> Table:
    """Trials, the best first; infeasible ones last."""
    view = Table(
        title=f"{summary['study']}: {summary['question']}",
        caption=f"{summary['answer']} {summary['caution']}".strip(),
    )
    quality = summary["quality"]
    name = "Fréchet" if quality == charts.FRECHET else quality
    covered = any("rgf/class_coverage" in trial["metrics"] for trial in summary["trials"])
    coverage = ("coverage",) if covered else ()
    for column in ("trial", "parameters", summary["minimize"], name, *coverage, "feasible"):
        view.add_column(column, justify="left" if column == "parameters" else "right")
    for trial in ranking(summary):
        metrics = trial["metrics"]
        view.add_row(
            str(trial["trial"]),
            "baseline" if trial["baseline"] else parameters(trial["parameters"]),
            _objective(trial),
            _number(metrics.get(quality), ".1f"),
            *([_number(metrics.get("rgf/class_coverage"), ".0%")] if covered else []),
            trial["reason"] or ", ".join(trial["broken"]) or "yes",
            style="bold" if trial["trial"] == summary["best"] else None,
        )
    return view


def ranking(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Trials, the best first; infeasible ones last."""
    return sorted(summary["trials"], key=_rank)


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


def trial_line(trial: FrozenTrial, minimize: str, num_trials: int) -> str:
    """What a trial or a repeat that has ended says, in one line."""
    reason = trial.user_attrs["reason"]
    if "of" in trial.user_attrs:
        what = f"trial {trial.user_attrs['of']} again, seed + {trial.user_attrs['seed']}"
        return f"{what}: {reason or f'{minimize} {trial.value:.3f}'}"
    kind = "baseline" if trial.user_attrs["baseline"] else parameters(trial.params)
    what = f"trial {trial.number} of {num_trials} ({kind})"
    if trial.state == TrialState.PRUNED:
        return f"{what}: {reason}"
    verdict = reason or ("within the bounds" if feasible(trial) else "outside the bounds")
    return f"{what}: {minimize} {trial.value:.3f}, {verdict}"


def _trial(trial: FrozenTrial, again: RepeatSummary | None) -> dict[str, Any]:
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
        "broken": [f"no: {name.split('/')[-1]}" for name, v in violations.items() if v > 0],
        # a violation is value − limit, so the limit is their difference
        "limits": {n: metrics[n] - v for n, v in trial.constraints.items() if n in metrics},
        "metrics": metrics,
        "repeats": asdict(again) if again else None,
        "mlflow_run_id": trial.user_attrs["mlflow_run_id"],
    }


def _rank(trial: dict[str, Any]) -> tuple[Any, ...]:
    """Repeated trials before those that were not, pruned ones last."""
    again = trial["repeats"]
    value = again["objective"]["value"] if again else trial["value"]
    missing = value is None
    return trial["pruned"], not trial["feasible"], again is None, missing, value


def _objective(trial: dict[str, Any]) -> str:
    if trial["repeats"]:
        mean = Mean(**trial["repeats"]["objective"])
        return f"{mean} ({mean.n} seeds)"
    return _number(trial["value"], ".3f")


def _answer(record: optuna.Study, winner: FrozenTrial, again: dict[int, RepeatSummary]) -> str:
    name = record.user_attrs["minimize"]
    settings = parameters(winner.params)
    repeated = again.get(winner.number)
    violations = repeated.violations if repeated else winner.constraints
    over = {name: value for name, value in violations.items() if value > 0}
    if over:
        misses = ", ".join(f"{name} by {value:.3g}" for name, value in over.items())
        return f"No trial keeps the bounds; trial {winner.number} is nearest, missing {misses}."
    own = str(repeated.objective) if repeated else f"{winner.value:.3f}"
    if winner.user_attrs["baseline"]:
        alone = len(record.get_trials(states=ENDED)) == 1
        start = "Only the baseline has run" if alone else "Nothing tried beats the baseline"
        return f"{start}: its {name} is {own}."
    start = f"Trial {winner.number} ({settings}) memorizes least within the bounds: {name} {own}"
    if repeated is None:
        return f"{start}, baseline {baseline_metrics(record)[name]:.3f}."
    return f"{start}, {_against(repeated, again[baseline_trial(record).number])}."


def _caution(record: optuna.Study, winner: FrozenTrial, again: dict[int, RepeatSummary]) -> str:
    """What to know before believing that one trial is better than the baseline."""
    reason = winner.user_attrs["reason"]
    if winner.user_attrs["baseline"] or winner.number in again or reason:
        return ""
    name = record.user_attrs["minimize"]
    return overlap(baseline_metrics(record), winner.user_attrs["metrics"], name)


def overlap(first: Mapping[str, float], second: Mapping[str, float], name: str) -> str:
    """What the intervals of a metric say of two models' difference; empty without intervals."""
    bounds = [
        metrics.get(f"{name}_{end}") for metrics in (first, second) for end in ("low", "high")
    ]
    if None in bounds:
        return ""
    kind = "The intervals are of the samples drawn; two trainings can differ by more."
    if bounds[0] <= bounds[3] and bounds[2] <= bounds[1]:  # type: ignore[operator]
        return (
            f"The 95 % intervals overlap: repeat both with other seeds before believing it. {kind}"
        )
    return kind


def _against(repeated: RepeatSummary, baseline: RepeatSummary) -> str:
    """A repeated trial's objective beside the baseline's."""
    difference = repeated.difference
    if difference is None:
        return f"baseline {baseline.objective}"
    chance = ", which may be chance" if difference.low <= 0 <= difference.high else ""
    return f"baseline {baseline.objective}, difference {difference}{chance}"


def parameters(values: dict[str, Any]) -> str:
    """A trial's parameters in one line."""
    return ", ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )


def _p_value(p: float) -> str:
    if math.isnan(p):
        return "–"
    return "< 1e-4" if p < 1e-4 else f"{p:.2g}"


def _share(share: float, low: float, high: float) -> str:
    """A share with its interval, in percent."""
    if math.isnan(share):
        return "–"
    return f"{share:.0%} [{low:.0%}, {high:.0%}]".replace("%", "")


def _number(value: float | None, spec: str) -> str:
    return "–" if value is None else format(value, spec)
