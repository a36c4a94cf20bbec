"""What reports say, of a study and of a run; :mod:`.render` writes them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import optuna

from rgf_keras.experiments.studies.ranking import finished
from rgf_keras.figures import charts
from rgf_keras.figures.charts import Picture, data_url
from rgf_keras.metrics.rgf_table import mostly_too_few
from rgf_keras.reports import outcome
from rgf_keras.reports.paper_tables import PaperTable, number, paper_tables, significant
from rgf_keras.tracking.records import Recorded, Records

MAX_COLUMNS = 8
NAMES = {
    "rgf/gap": "memorization gap",
    "quality/frechet_oracle": "Fréchet distance",
    "rgf/class_coverage": "classes covered",
    "copying/c_t": "C_T (below 0: copies)",
    "copying/deficit": "copying deficit",
}
PERCENT = (
    *("rgf/class_coverage", "oracle/class_accuracy", "oracle/factor_accuracy"),
    *("quality/oracle_confidence", "copying/authenticity"),
)
ENVIRONMENT = ("backend", "platform", "git_commit", "data_sha256")


@dataclass(frozen=True)
class Measured:
    """A metric of several models: its name, a text for each, and a remark."""

    name: str
    values: list[str]
    remark: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell of a table that can be sorted: what is shown, and by what it is sorted."""

    text: str
    key: float | str


@dataclass(frozen=True)
class Page:
    """What a report says; parts that there is nothing for are left out.

    Args:
        title: of the window.
        kind: above the question, e.g. "Study quickstart".
        question: one sentence.
        answer: one sentence.
        caution: what to know before believing the answer.
        models: what the columns of ``measured`` are.
        measured: the numbers of the first screen.
        pareto: memorization against quality.
        importance: share of each parameter.
        trials: headings, and cells of each trial.
        tables: the paper's.
        differing: parameters that differ, a text for each model.
        curves: Figure 3.
        grids: titled pictures of samples.
        copies: titled pictures of nearest pairs.
        command: what to type to get the same.
        config: of the best or only model, YAML.
        environment: versions and such.
    """

    title: str
    kind: str
    question: str
    answer: str
    caution: str = ""
    models: list[str] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)
    pareto: Picture | None = None
    importance: dict[str, float] = field(default_factory=dict)
    trials: tuple[list[str], list[list[Cell]]] | None = None
    tables: list[PaperTable] = field(default_factory=list)
    differing: list[Measured] = field(default_factory=list)
    curves: Picture | None = None
    grids: list[tuple[str, str]] = field(default_factory=list)
    copies: list[tuple[str, str]] = field(default_factory=list)
    command: str = ""
    config: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def study_page(record: optuna.Study, records: Records) -> Page:
    """The report of a study.

    Raises:
        RgfError: no trial has finished, or a run is not in MLflow.
    """
    summary = _with_means(outcome.study_summary(record))
    ranked = summary["trials"]
    baseline = next(trial for trial in ranked if trial["baseline"])
    winner = next(trial for trial in ranked if trial["trial"] == summary["best"])
    with_result = [trial for trial in (baseline, *ranked) if not trial["reason"]]
    columns = list({trial["trial"]: trial for trial in with_result}.values())[:MAX_COLUMNS]
    runs = {t["trial"]: records.run(t["mlflow_run_id"], _label(t)) for t in columns}
    shown = {t["trial"]: runs[t["trial"]] for t in (baseline, winner)}
    tables = paper_tables([run for run in runs.values() if run.is_assessment])
    if tables and len(runs) < len(ranked):
        tables[0] = _noted(tables[0], f"Of {len(ranked)} trials the baseline and the best.")
    parent = records.run(record.user_attrs["mlflow_run_id"], record.study_name)
    return Page(
        title=f"{record.study_name}: {summary['question']}",
        kind=f"Study {record.study_name}",
        question=summary["question"],
        answer=summary["answer"],
        caution=summary["caution"],
        models=[run.label for run in shown.values()],
        measured=_study_metrics(summary, [baseline, winner][: len(shown)]),
        pareto=charts.themed(partial(charts.pareto, summary=summary)),
        importance=importance(record),
        trials=_trials(summary, ranked),
        tables=tables,
        command=parent.tags.get("command", ""),
        **evidence(list(shown.values())),
    )


def run_page(run: Recorded) -> Page:
    """The report of one assessment.

    Raises:
        RgfError: the run holds no assessment.
    """
    return Page(
        title=f"{run.label}: does the model memorize?",
        kind=f"Run {run.label}",
        question=f"Does the model memorize {run.params.get('data.factor', 'the factor')}?",
        answer=_verdict(run),
        models=[run.label],
        measured=[measured(name, [run.metrics]) for name in NAMES if name in run.metrics],
        tables=paper_tables([run]),
        command=run.tags.get("command", ""),
        **evidence([run]),
    )


def _verdict(run: Recorded) -> str:
    """Whether a model memorizes, by how the rows of its z-table are judged."""
    verdicts = Counter(row.verdict for row in run.table)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    start = "Yes" if verdicts["memorized"] else "No"
    if mostly_too_few(run.table):
        start = "Cannot tell"
    return f"{start}: of {len(run.table)} cases {counts}; gap {interval(run.metrics, 'rgf/gap')}."


def interval(metrics: Mapping[str, float], name: str) -> str:
    """A metric with its interval if it has one."""
    if name not in metrics:
        return "–"
    if name in PERCENT:
        return number(metrics[name], ".0%")
    value = significant(metrics[name])
    if f"{name}_low" not in metrics:
        return value
    bounds = (significant(metrics[f"{name}_{end}"]) for end in ("low", "high"))
    return f"{value} [{', '.join(bounds)}]"


def importance(record: optuna.Study) -> dict[str, float]:
    """Share of the objective's variance that each parameter explains (fANOVA), largest first.

    The baseline has no parameters and is left out; empty with fewer than four other trials.
    """
    trials = [trial for trial in finished(record) if trial.params]
    if len(trials) < 4:
        return {}
    searched = optuna.create_study()
    searched.add_trials(trials)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(searched, evaluator=evaluator)


def _with_means(summary: dict[str, Any]) -> dict[str, Any]:
    """The summary, best trials first, with repeats' means for the objective where there are any."""
    name = summary["minimize"]
    trials = []
    for trial in outcome.ranking(summary):
        if again := trial["repeats"]:
            mean = again["objective"]
            ends = {f"{name}_low": mean["low"], f"{name}_high": mean["high"]}
            metrics = {**trial["metrics"], name: mean["value"], **ends}
            trial = {**trial, "value": mean["value"], "metrics": metrics}
        trials.append(trial)
    return {**summary, "trials": trials}


def _label(trial: Mapping[str, Any]) -> str:
    return "baseline" if trial["baseline"] else f"trial {trial['trial']}"


def _noted(table: PaperTable, note: str) -> PaperTable:
    return PaperTable(table.key, table.title, table.columns, table.rows, f"{table.note} {note}")


def measured(name: str, models: Sequence[Mapping[str, float]], remark: str = "") -> Measured:
    """A metric of several models, with its intervals."""
    return Measured(NAMES.get(name, name), [interval(metrics, name) for metrics in models], remark)


def _study_metrics(summary: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> Any:
    """The objective, what is bounded, and copying."""
    bounds = dict(bound.split(" ", 1) for bound in summary["subject_to"])
    names = dict.fromkeys([summary["minimize"], *bounds, "copying/c_t"])
    return [
        measured(
            name,
            [trial["metrics"] for trial in trials],
            _how(trials)
            if name == summary["minimize"]
            else f"bound {bounds[name]}"
            if name in bounds
            else "",
        )
        for name in names
    ]


def _how(trials: Sequence[Mapping[str, Any]]) -> str:
    again = trials[-1]["repeats"]
    return f"mean of {again['objective']['n']} seeds" if again else "searched for its minimum"


def _trials(
    summary: Mapping[str, Any], ranked: Sequence[Mapping[str, Any]]
) -> tuple[list[str], list[list[Cell]]]:
    objective = summary["minimize"]
    bounded = [bound.split(" ", 1)[0] for bound in summary["subject_to"]]
    metrics = list(dict.fromkeys([objective, *bounded, "copying/c_t"]))
    parameters = list(dict.fromkeys(name for trial in ranked for name in trial["parameters"]))
    rows = []
    for trial in ranked:
        cells = [Cell(_label(trial), trial["trial"])]
        cells += [_parameter(trial["parameters"].get(name)) for name in parameters]
        for name in metrics:
            cells.append(Cell(interval(trial["metrics"], name), trial["metrics"].get(name, "")))
        verdict = trial["reason"] or ", ".join(trial["broken"]) or "yes"
        rows.append([*cells, Cell(verdict, verdict)])
    names = [NAMES.get(name, name) for name in metrics]
    return ["trial", *parameters, *names, "within bounds"], rows


def _parameter(value: Any) -> Cell:
    if isinstance(value, float):
        return Cell(number(value, ".3g"), value)
    return Cell("–" if value is None else str(value), "" if value is None else value)


def evidence(runs: Sequence[Recorded]) -> dict[str, Any]:
    """What a page shows of the runs it looks at closely: pictures, configuration, environment."""
    last = runs[-1]
    curves = {
        **{"balanced": runs[0].curves.get("balanced", [])},
        **{run.label: run.curves.get("skewed", []) for run in runs},
    }
    drawn = {
        name: epochs for name, epochs in curves.items() if epochs and "real_loss/f0" in epochs[0]
    }
    versions = {key: value for key, value in last.tags.items() if key.startswith("version/")}
    known = {key: last.tags[key] for key in ENVIRONMENT if key in last.tags}
    balanced = (
        [("balanced", data_url(png, "image/png"))]
        if (png := runs[0].file("samples-balanced.png"))
        else []
    )
    return {
        "grids": [*balanced, *_pictures(runs, "samples-skewed.png")],
        "copies": _pictures(runs, "copies.png"),
        "curves": charts.themed(partial(charts.real_loss, curves=drawn)) if drawn else None,
        "config": (last.file("config.yaml") or b"").decode(),
        "environment": known | versions,
    }


def _pictures(runs: Sequence[Recorded], name: str) -> list[tuple[str, str]]:
    found = {run.label: run.file(name) for run in runs}
    return [(label, data_url(png, "image/png")) for label, png in found.items() if png]
