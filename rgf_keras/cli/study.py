"""`rgf study`: run and show Optuna studies."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from rgf_keras.cli.jobs import (
    CpusPerWorker,
    GpusPerWorker,
    OnCluster,
    Workers,
    log_outcome,
    run_job,
    workers_spec,
)
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
    workers: Workers = 1,
    cluster: OnCluster = None,
    cpus_per_worker: CpusPerWorker = 1.0,
    gpus_per_worker: GpusPerWorker = 0.0,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    workspace: Workspace = Path("mlruns"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan only.")] = False,
    as_json: Json = False,
) -> None:
    """Run a study, or what is left of it. The same command continues it."""
    chosen = choose_backend(backend)
    from rgf_keras.cache import Cache
    from rgf_keras.experiments.studies.run import Job, Plan
    from rgf_keras.experiments.studies.storage import default_url
    from rgf_keras.experiments.studies.study import load_study

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
    spec = workers_spec(workers, cluster, cpus_per_worker, gpus_per_worker)
    record = run_job(job, spec, question.minimize, num_trials)
    summary = log_outcome(record, job)
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
    from rgf_keras.experiments.studies.storage import find_study
    from rgf_keras.reports import outcome

    _show_study(outcome.study_summary(find_study(name, storage, workspace)), as_json)


def _plan(question: Any, name: str, num_trials: int, workspace: Path, as_json: bool) -> None:
    import yaml

    from rgf_keras.experiments.studies.study import plan

    planned = {"name": name, **plan(question, num_trials), "workspace": str(workspace)}
    if as_json:
        typer.echo(json.dumps(planned))
    else:
        typer.echo(yaml.safe_dump(planned, sort_keys=False, allow_unicode=True), nl=False)


def _show_study(summary: dict[str, Any], as_json: bool) -> None:
    from rgf_keras.reports import outcome

    if as_json:
        typer.echo(json.dumps(summary))
    else:
        out.print(outcome.study_table(summary))
