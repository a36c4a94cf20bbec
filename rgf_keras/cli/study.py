"""`rgf study`: run and show Optuna studies."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from rgf_keras.cli.options import (
    Backend,
    Json,
    Storage,
    TrackingUri,
    Workspace,
    check_writable,
    choose_backend,
    database,
    err,
    open_tracker,
    out,
)
from rgf_keras.errors import RgfError

app = typer.Typer(no_args_is_help=True, help="Run and show Optuna studies.")


@app.command("run")
def study_run(
    file: Annotated[Path, typer.Argument(help="A Python file that defines `study`.")],
    n_trials: Annotated[int | None, typer.Option(help="Budget, the baseline included.")] = None,
    name: Annotated[str | None, typer.Option(help="NAME-BACKEND if not given.")] = None,
    seed: Annotated[int, typer.Option(help="Of the sampler.")] = 0,
    backend: Backend = None,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    workspace: Workspace = Path("mlruns"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan only.")] = False,
    as_json: Json = False,
) -> None:
    """Run a study, or what is left of it. The same command continues it."""
    chosen = choose_backend(backend)
    from rgf_keras.cache import Cache
    from rgf_keras.experiments import report, study
    from rgf_keras.experiments.progress import progress

    question = study.load_study(file)
    name = name or f"{question.name}-{chosen}"
    num_trials = question.num_trials if n_trials is None else n_trials
    if dry_run:
        _plan(question, name, num_trials, workspace, as_json)
        return
    check_writable(workspace)
    records = study.open_storage(storage or database(workspace, "optuna"))
    tracker = open_tracker(tracking_uri, workspace, name)

    def tell(trial: Any) -> None:
        kind = "baseline" if trial.user_attrs["baseline"] else report.parameters(trial.params)
        verdict = trial.user_attrs["reason"] or (
            "within the bounds" if study.feasible(trial) else "outside the bounds"
        )
        err.print(
            f"trial {trial.number} of {num_trials} ({kind}): "
            f"{question.minimize} {trial.value:.3f}, {verdict}",
            highlight=False,
        )

    err.print(f"study '{name}': {question.question}", highlight=False)
    with tracker:
        with progress(err) as track:
            record = study.run_study(
                question,
                name,
                workspace / "work",
                records,
                tracker,
                Cache(),
                num_trials=num_trials,
                seed=seed,
                track=track,
                on_trial=tell,
            )
        summary = report.study_summary(record)
        report.record_study(summary, record, tracker, workspace / "work" / name)
    _show_study(summary, as_json)
    err.print(f"records: {workspace}/ (browse them with `rgf ui --workspace {workspace}`)")


@app.command("show")
def study_show(
    name: Annotated[str, typer.Argument(help="A study's name, or the start of it.")],
    storage: Storage = None,
    workspace: Workspace = Path("mlruns"),
    as_json: Json = False,
) -> None:
    """Show what a study has found so far."""
    choose_backend(None)
    from rgf_keras.experiments import report, study

    if storage is None and not (workspace / "optuna.db").exists():
        raise RgfError(f"there are no studies in {workspace}; run one with `rgf study run`")
    records = study.open_storage(storage or database(workspace, "optuna"))
    _show_study(report.study_summary(report.find_study(records, name)), as_json)


def _plan(question: Any, name: str, num_trials: int, workspace: Path, as_json: bool) -> None:
    from rgf_keras.experiments.study import plan

    planned = {"name": name, **plan(question, num_trials), "workspace": str(workspace)}
    if as_json:
        typer.echo(json.dumps(planned))
    else:
        for key, value in planned.items():
            out.print(f"[bold]{key}[/bold]: {value}", highlight=False)


def _show_study(summary: dict[str, Any], as_json: bool) -> None:
    from rgf_keras.experiments import report

    if as_json:
        typer.echo(json.dumps(summary))
    else:
        out.print(report.study_table(summary))
