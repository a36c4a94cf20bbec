"""What reports say, of a study and of a run; :mod:`.render` writes them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import optuna
import scipy

from rgf_keras.experiments.studies.ranking import TRAININGS, finished, spread
from rgf_keras.figures import charts
from rgf_keras.figures.charts import Picture, data_url
from rgf_keras.metrics.differences import Difference, Spread
from rgf_keras.metrics.rgf import TOO_FEW_TRAININGS
from rgf_keras.metrics.rgf_table import mostly_too_few
from rgf_keras.reports import front, outcome, values
from rgf_keras.reports.paper_tables import PaperTable, paper_tables
from rgf_keras.reports.trials import (
    Summary,
    Trial,
    bounds,
    objectives,
    ranking,
    trial_name,
    verdict,
)
from rgf_keras.reports.values import MetricRow
from rgf_keras.tracking.records import Records, RunRecord

MAX_COLUMNS = 8
MAX_PICTURED = 24  # trials whose samples can be looked at
MAX_TRIALS = 500  # in the table of trials
ENVIRONMENT = (
    *("backend", "platform", "source/rgf_keras", "commit/current_folder"),
    *("git_commit", "data_sha256"),  # git_commit: the folder's, before 0.2
)
# Pictures of an assessment that have a place of their own on the page.
SHOWN_ABOVE = {
    *("samples.png", "samples-balanced.png", "samples-skewed.png"),
    *("copies.png", "real_loss.png"),
}
SAMPLES = "samples-skewed.png"
TitledPictures = list[tuple[str, str]]


@dataclass(frozen=True)
class Cell:
    """A cell of a table that can be sorted: what is shown, and by what it is sorted."""

    text: str
    key: float | str


@dataclass(frozen=True)
class Page:
    """What a report says; parts that there is nothing for are left out.

    Attributes:
        kind: above the question, e.g. "Study quickstart".
        question, answer: one sentence each.
        caution: what to know before believing the answer.
        models, metrics: the columns and rows of the first screen.
        pareto: the objective against quality, or of several objectives the first two.
        pareto_line: what its grey line is.
        importance: share of each parameter.
        trials: headings, and cells of each trial.
        tables: the paper's.
        differing: parameters that differ, a text for each model.
        curves: Figure 3.
        grids, copies, pictures: titled pictures of samples, of nearest pairs, of other kinds.
        folded: titles of samples that are shown on demand.
        compared_with: the title of the samples beside which those on demand are shown.
        left_out: which trials the table does not have.
        charts: titled charts.
        command: what to type to get the same.
        config: of the best or only model, YAML.
        environment: versions and such.
    """

    kind: str
    question: str
    answer: str
    caution: str = ""
    models: list[str] = field(default_factory=list)
    metrics: list[MetricRow] = field(default_factory=list)
    pareto: Picture | None = None
    pareto_line: str = "no trial beats the grey stairs in both."
    importance: dict[str, float] = field(default_factory=dict)
    trials: tuple[list[str], list[list[Cell]]] | None = None
    tables: list[PaperTable] = field(default_factory=list)
    differing: list[MetricRow] = field(default_factory=list)
    curves: Picture | None = None
    grids: TitledPictures = field(default_factory=list)
    copies: TitledPictures = field(default_factory=list)
    pictures: TitledPictures = field(default_factory=list)
    folded: frozenset[str] = frozenset()
    compared_with: str = ""
    left_out: str = ""
    charts: list[tuple[str, Picture]] = field(default_factory=list)
    command: str = ""
    config: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def study_page(optuna_study: optuna.Study, records: Records) -> Page:
    """The report of a study.

    Raises:
        RgfError: no trial has finished, or a run is not in MLflow.
    """
    if len(optuna_study.directions) > 1:
        return _page_of_front(optuna_study, records)
    summary = _with_means(outcome.study_summary(optuna_study))
    ranked = summary["trials"]
    baseline = next(trial for trial in ranked if trial["baseline"])
    winner = next(trial for trial in ranked if trial["trial"] == summary["best"])
    with_result = [trial for trial in (baseline, *ranked) if not trial["reason"]]
    pictured = list({trial["trial"]: trial for trial in with_result}.values())[:MAX_PICTURED]
    runs = {
        t["trial"]: records.run(t["mlflow_run_id"], trial_name(t), (t["metrics"], t["parameters"]))
        for t in pictured
    }
    shown = {trial["trial"]: trial for trial in (baseline, winner)}
    tables = paper_tables([*runs.values()][:MAX_COLUMNS])
    if tables and min(len(runs), MAX_COLUMNS) < len(ranked):
        note = f"{tables[0].note} Of {len(ranked)} trials the baseline and the best."
        tables[0] = replace(tables[0], note=note)
    parent = records.run(optuna_study.user_attrs["mlflow_run_id"], summary["study"])
    shown_samples = evidence([runs[number] for number in shown])
    on_demand = _pictures([run for n, run in runs.items() if n not in shown], SAMPLES)
    shown_samples["grids"] += on_demand
    return Page(
        kind=f"Study {summary['study']}",
        question=summary["question"],
        answer=summary["answer"],
        caution=summary["caution"],
        models=[trial_name(trial) for trial in shown.values()],
        metrics=_study_metrics(summary, list(shown.values())),
        pareto=_pareto(summary),
        importance=importance(optuna_study),
        trials=trials_table(summary),
        tables=tables,
        folded=frozenset(title for title, _ in on_demand),
        compared_with=trial_name(baseline),
        left_out=f"The best {MAX_TRIALS} of {len(ranked)}." if len(ranked) > MAX_TRIALS else "",
        command=parent.tags.get("command", ""),
        **shown_samples,
    )


def _page_of_front(optuna_study: optuna.Study, records: Records) -> Page:
    """The report: the baseline and the front's trials side by side, and the front.

    Raises:
        RgfError: no trial has finished, or a run is not in MLflow.
    """
    summary = front.summarize(optuna_study)
    summary["trials"] = front.ordered(summary)
    baseline = next(trial for trial in summary["trials"] if trial["baseline"])
    members = [trial for trial in summary["trials"] if trial["trial"] in summary["front"]]
    shown = list({trial["trial"]: trial for trial in (baseline, *members)}.values())
    shown = shown[:MAX_COLUMNS]
    runs = [
        records.run(t["mlflow_run_id"], trial_name(t), (t["metrics"], t["parameters"]))
        for t in shown
    ]
    remarks = {name: f"bound {bound}" for name, bound in bounds(summary).items()}
    remarks |= dict.fromkeys(summary["minimize"], "an objective")
    parent = records.run(optuna_study.user_attrs["mlflow_run_id"], summary["study"])
    is_plane = len(summary["minimize"]) == 2
    return Page(
        kind=f"Study {summary['study']}",
        question=summary["question"],
        answer=summary["answer"],
        caution=summary["caution"],
        models=[trial_name(trial) for trial in shown],
        metrics=[
            values.row(name, [trial["metrics"] for trial in shown], remarks.get(name, ""))
            for name in shown_metrics(summary)
        ],
        pareto=charts.themed(
            partial(front.plot, summary=summary),
            values.about_intervals(summary["minimize"][0]),
            "all trials by the first two objectives",
        ),
        pareto_line="the grey stairs are the front." if is_plane else "two of the objectives.",
        trials=trials_table(summary),
        tables=paper_tables(runs),
        command=parent.tags.get("command", ""),
        **evidence(runs),
    )


def run_page(run: RunRecord) -> Page:
    """The report of one run: an assessment, a score, or the metrics of a guest's own function.

    Raises:
        RgfError: the run holds no metrics.
    """
    names = values.ordered(run.metrics, first_screen=True)
    question, answer = _question(run, names)
    return Page(
        f"Run {run.label}",
        question,
        answer,
        models=[run.label],
        metrics=[values.row(name, [run.metrics]) for name in names],
        tables=paper_tables([run]),
        command=run.tags.get("command", ""),
        **evidence([run]),
    )


def _question(run: RunRecord, names: Sequence[str]) -> tuple[str, str]:
    """What the report of a run is about, and the answer."""
    if run.table:
        factor = run.params.get("data.factor", "the factor")
        return f"Does the model memorize {factor}?", _verdict(run)
    if "memorization/quantile" in run.metrics and "answer" in run.tags:
        return "How much does the model memorize of single images?", run.tags["answer"]
    if "copying/c_t" in run.metrics:
        return "Does the model copy training images?", _copying(run.metrics)
    first = run.minimize if run.minimize in run.metrics else next(iter(names), None)
    answer = f"{values.label(first)}: {values.interval(run.metrics, first)}." if first else ""
    return "What came of it?", answer


def _verdict(run: RunRecord) -> str:
    """Whether a model memorizes, by the verdicts of its z-table."""
    verdicts = Counter(row.verdict for row in run.table)
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    start = "Yes" if verdicts["memorized"] else "No"
    undecided = mostly_too_few(run.table) or verdicts[TOO_FEW_TRAININGS] > 0
    start = "Cannot tell" if undecided else start
    gap = values.interval(run.metrics, "rgf/gap")
    return f"{start}: of {len(run.table)} cases {counts}; gap {gap}."


def _copying(metrics: Mapping[str, float]) -> str:
    """Whether a model copies, by the interval of its C_T, or a few of its samples do."""
    start = "No sign of it"
    ends = values.ends(metrics, "copying/c_t")
    if ends and ends[1] < 0:
        start = "Yes: its samples lie nearer to training images than held-out images do"
    elif metrics.get("copying/tail_p", 1) < 0.05:
        start = "A few: more of its samples lie very near to training images than by chance"
    return f"{start}; C_T {values.interval(metrics, 'copying/c_t')}, below 0 is copying."


def importance(optuna_study: optuna.Study) -> dict[str, float]:
    """Share of the objective's variance that each parameter explains (fANOVA), largest first.

    The baseline has no parameters and is left out. Empty with fewer than four other trials, or
    where they differ no more than trainings of one of them do (F test), as far as that is known.
    """
    trials = [trial for trial in finished(optuna_study) if trial.params]
    if len(trials) < 4 or not _differ(trials, spread(optuna_study)):
        return {}
    searched = optuna.create_study()
    searched.add_trials(trials)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(searched, evaluator=evaluator)


def _differ(trials: Sequence[optuna.trial.FrozenTrial], spread: Spread | None) -> bool:
    """Whether trials' results scatter by more than trainings do."""
    if spread is None:
        return False
    num_trainings = len(trials[0].user_attrs.get(TRAININGS, [0]))
    chance = spread.std**2 / num_trainings
    ratio = (
        float(np.var([trial.values[0] for trial in trials], ddof=1)) / chance if chance else np.inf
    )
    return bool(scipy.stats.f.sf(ratio, len(trials) - 1, spread.degrees) < 0.05)


def _with_means(summary: Summary) -> Summary:
    """The summary, best trials first, with repeats' means for the objective where there are any."""
    name = summary["minimize"]
    trials = []
    for trial in ranking(summary):
        if again := trial["repeats"]:
            mean = again["objective"]
            ends = {f"{name}_low": mean["low"], f"{name}_high": mean["high"]}
            metrics = {**trial["metrics"], name: mean["value"], **ends}
            trial = {**trial, "value": mean["value"], "metrics": metrics}
        trials.append(trial)
    return {**summary, "trials": trials}


def shown_metrics(summary: Summary) -> list[str]:
    """The objectives, what is bounded, and what else belongs to the first screen."""
    measured = {name: None for trial in summary["trials"] for name in trial["metrics"]}
    first_screen = values.ordered(measured, first_screen=True)
    return list(dict.fromkeys((*objectives(summary), *bounds(summary), *first_screen)))


def _study_metrics(summary: Summary, trials: Sequence[Trial]) -> list[MetricRow]:
    remarks = {name: f"bound {bound}" for name, bound in bounds(summary).items()}
    again = trials[-1]["repeats"]
    how = f"mean of {again['objective']['n']} seeds" if again else "searched for its minimum"
    remarks[summary["minimize"]] = how
    for name, each in summary["differences"].items():
        told = f"difference over fresh trainings {Difference(**each)}"
        remarks[name] = f"{remarks[name]}; {told}" if name in remarks else told
    return [
        values.row(name, [trial["metrics"] for trial in trials], remarks.get(name, ""))
        for name in shown_metrics(summary)
    ]


def _pareto(summary: Summary) -> Picture | None:
    """The objective against quality, if trials have one."""
    if not any(summary["quality"] in trial["metrics"] for trial in summary["trials"]):
        return None
    plot = partial(outcome.plot_trials, summary=summary)
    text = f"{values.label(summary['minimize'])} of each trial against its "
    text += f"{values.label(summary['quality'])}; the table of trials has the numbers"
    return charts.themed(plot, values.about_intervals(summary["minimize"]), text)


def trials_table(summary: Summary) -> tuple[list[str], list[list[Cell]]]:
    """Headings, and cells of each trial, in the summary's order."""
    metrics, trials = shown_metrics(summary), summary["trials"]
    parameters = list(dict.fromkeys(name for trial in trials for name in trial["parameters"]))
    rows = []
    for trial in trials[:MAX_TRIALS]:
        own = trial["metrics"]
        cells = [Cell(trial_name(trial), trial["trial"])]
        cells += [_parameter(trial["parameters"].get(name)) for name in parameters]
        cells += [Cell(values.interval(own, name), own.get(name, "")) for name in metrics]
        rows.append([*cells, Cell(verdict(trial), verdict(trial))])
    return ["trial", *parameters, *map(values.label, metrics), "within bounds"], rows


def _parameter(value: Any) -> Cell:
    if isinstance(value, float):
        return Cell(values.number(value, ".3g"), value)
    return Cell("–" if value is None else str(value), "" if value is None else value)


def evidence(runs: Sequence[RunRecord]) -> dict[str, Any]:
    """What a page shows of the runs it looks at closely: pictures, configuration, environment."""
    last = runs[-1]
    curves = {
        "balanced": runs[0].curves.get("balanced", []),
        **{run.label: run.curves.get("skewed", []) for run in runs},
    }
    with_loss = {
        name: epochs for name, epochs in curves.items() if epochs and "real_loss/f0" in epochs[0]
    }
    balanced = [("balanced", url) for _, url in _pictures(runs[:1], "samples-balanced.png")]
    versions = {key: value for key, value in last.tags.items() if key.startswith("version/")}
    return {
        "grids": [*balanced, *_pictures(runs, SAMPLES)],
        "copies": _pictures(runs, "copies.png"),
        "pictures": [
            (f"{label}: {name.removesuffix('.png').replace('_', ' ')}", url)
            for run in runs
            for name in sorted(run.files)
            if name.endswith(".png") and not ("rgf_table.json" in run.files and name in SHOWN_ABOVE)
            for label, url in _pictures([run], name)
        ],
        "curves": with_loss and _loss_curves(with_loss),
        "config": (last.file("config.yaml") or b"").decode(),
        "environment": {key: last.tags[key] for key in ENVIRONMENT if key in last.tags} | versions,
    }


def _loss_curves(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> Picture:
    last = (
        f"{name} {epochs[-1]['real_loss/f1']:.2f} with the factor and "
        f"{epochs[-1]['real_loss/f0']:.2f} without"
        for name, epochs in curves.items()
    )
    text = f"discriminator loss by epoch; in the end {'; '.join(last)}"
    return charts.themed(partial(charts.plot_real_loss, curves=curves), text=text)


def _pictures(runs: Sequence[RunRecord], name: str) -> TitledPictures:
    files = ((run.label, run.file(name)) for run in runs)
    return [(label, data_url(png, "image/png")) for label, png in files if png]
