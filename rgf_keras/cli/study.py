"""`rgf study`: run and show Optuna studies."""

import json
from collections.abc import Callable
from functools import partial
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
    err,
    open_tracker,
    out,
)

app = typer.Typer(no_args_is_help=True, help="Run and show Optuna studies.")


@app.command("run")
def study_run(
    file: Annotated[Path, typer.Argument(help="A Python file that defines `study`.")],
    n_trials: Annotated[int | None, typer.Option(help="Budget, the baseline included.")] = None,
    repeats: Annotated[
        int | None, typer.Option(help="Fresh seeds for the best trials in the end; 0 for none.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="NAME-BACKEND if not given.")] = None,
    seed: Annotated[int, typer.Option(help="Of the sampler.")] = 0,
    backend: Backend = None,
    workers: Annotated[int, typer.Option(min=1, help="Trials at a time, each a process.")] = 1,
    cluster: Annotated[
        str | None, typer.Option(help="Run them on this Ray cluster: auto or an address.")
    ] = None,
    cpus_per_worker: Annotated[float, typer.Option(help="On the cluster.")] = 1.0,
    gpus_per_worker: Annotated[float, typer.Option(help="On the cluster, e.g. 0.5.")] = 0.0,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    workspace: Workspace = Path("mlruns"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan only.")] = False,
    as_json: Json = False,
) -> None:
    """Run a study, or what is left of it. The same command continues it."""
    chosen = choose_backend(backend)
    from rgf_keras.cache import Cache
    from rgf_keras.experiments.storage import default_url
    from rgf_keras.experiments.study import load_study
    from rgf_keras.experiments.study_run import Job, Plan

    question = load_study(file)
    name = name or f"{question.name}-{chosen}"
    num_trials = question.num_trials if n_trials is None else n_trials
    if dry_run:
        _plan(question, name, num_trials, workspace, as_json)
        return
    check_writable(workspace)
    parallel = workers > 1 or cluster is not None
    job = Job(
        partial(load_study, file.resolve()),
        storage or default_url(workspace, name, parallel),
        partial(open_tracker, tracking_uri, workspace.resolve(), name),
        Plan(name, workspace.resolve() / "work", Cache(), num_trials, repeats, seed),
    )
    err.print(f"study '{name}': {question.question}", highlight=False)
    where = _where(workers, cluster, cpus_per_worker, gpus_per_worker) if parallel else None
    record = _run(job, where, question.minimize, num_trials)
    summary = _record(record, job)
    _show_study(summary, as_json)
    err.print(f"records: {workspace}/ (browse them with `rgf ui --workspace {workspace}`)")


def _where(workers: int, cluster: str | None, cpus: float, gpus: float) -> Callable[[Any], Any]:
    """What makes the workers, given where their progress is shown."""
    from rgf_keras.experiments.cluster import Cluster
    from rgf_keras.experiments.processes import Processes

    if cluster is None:
        return lambda track: Processes(workers, track)
    return lambda track: Cluster(cluster, workers, cpus, gpus)


def _run(job: Any, where: Callable[[Any], Any] | None, minimize: str, num_trials: int) -> Any:
    """Run a job in this process, or by workers."""
    from rgf_keras.experiments import report
    from rgf_keras.experiments.parallel import run_parallel
    from rgf_keras.experiments.progress import progress
    from rgf_keras.experiments.study_run import run_job

    def tell(trial: Any) -> None:
        err.print(report.trial_line(trial, minimize, num_trials), highlight=False)

    with progress(err) as track:
        if where is None:
            return run_job(job, track, tell)
        return run_parallel(job, where(track), track, tell)


def _record(record: Any, job: Any) -> dict[str, Any]:
    """Log what the study has found to its run, and return it."""
    from rgf_keras.experiments import report

    folder = job.plan.work / job.plan.name
    folder.mkdir(parents=True, exist_ok=True)
    summary = report.study_summary(record)
    with job.open_tracker() as tracker:
        report.record_study(summary, record, tracker, folder)
    return summary


@app.command("show")
def study_show(
    name: Annotated[str, typer.Argument(help="A study's name, or the start of it.")],
    storage: Storage = None,
    workspace: Workspace = Path("mlruns"),
    as_json: Json = False,
) -> None:
    """Show what a study has found so far."""
    choose_backend(None)
    from rgf_keras.experiments import report
    from rgf_keras.experiments.storage import find_study

    _show_study(report.study_summary(find_study(name, storage, workspace)), as_json)


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
