"""`rgf reproduce`: the papers' tables, made again and compared."""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.table import Table

from rgf_keras.cli.jobs import (
    CpusPerWorker,
    GpusPerWorker,
    OnCluster,
    Workers,
    log_outcome,
    run_study,
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
    open_records,
    open_tracker,
    out,
)
from rgf_keras.cli.quiet import import_keras


def reproduce_command(
    paper: Annotated[Literal["rgf", "mr", "score"], typer.Argument(help="Whose table.")],
    table: Annotated[
        str | None, typer.Option(help="As the paper numbers it; the first known if not given.")
    ] = None,
    scale: Annotated[
        Literal["smoke", "small", "paper"],
        typer.Option(help="Minutes on two cores, about an hour on them, or as the paper did."),
    ] = "smoke",
    backend: Backend = None,
    workers: Workers = 1,
    cluster: OnCluster = None,
    cpus_per_worker: CpusPerWorker = 1.0,
    gpus_per_worker: GpusPerWorker = 0.0,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    workspace: Workspace = Path("mlruns"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show plan and cost only.")] = False,
    as_json: Json = False,
) -> None:
    """Make a paper's table again and say how it compares. The same command continues."""
    chosen = choose_backend(backend)
    import_keras()
    from rgf_keras import reproduce
    from rgf_keras.cache import Cache
    from rgf_keras.experiments.studies.run import StudySpec
    from rgf_keras.experiments.studies.storage import default_url
    from rgf_keras.reproduce.cost import estimate
    from rgf_keras.runtime.progress import on_console

    wanted = reproduce.find(paper, table, scale)
    name = f"{wanted.name}-{chosen}"
    with on_console(err) as progress:
        cost = estimate(wanted.runs.values(), Cache(), progress)
    plan = f"{len(wanted.runs)} runs: {', '.join(wanted.runs)}"
    plan += (
        f"\ntraining takes about {_duration(cost.seconds)} here ({cost.steps} steps of "
        f"{1000 * cost.seconds_per_step:.0f} ms); oracles, sampling and measuring come on top"
    )
    if dry_run and as_json:
        typer.echo(json.dumps({"name": name, "runs": [*wanted.runs], "cost": asdict(cost)}))
        return
    err.print(f"{wanted.question}\n{plan}", highlight=False)
    if dry_run:
        return
    check_writable(workspace)
    where = workers_spec(workers, cluster, cpus_per_worker, gpus_per_worker)
    spec = StudySpec(
        partial(_study, paper, table, scale),
        storage or default_url(workspace, name, not where.in_this_process),
        partial(open_tracker, tracking_uri, workspace.resolve(), name),
        name,
        workspace.resolve() / "work",
        Cache(),
    )
    optuna_study = run_study(spec, where, wanted.minimize, len(wanted.runs))
    log_outcome(optuna_study, spec)
    found = wanted.finished(optuna_study, open_records(tracking_uri, workspace))
    tables, agreement = wanted.tables(found), wanted.agreement(found)
    if as_json:
        typer.echo(json.dumps({"tables": [*map(asdict, tables)], "agreement": agreement}))
        return
    for each in tables:
        out.print(_view(each))
    for line in agreement:
        out.print(line, highlight=False)
    err.print(f"the whole: rgf report {name} --workspace {workspace}", highlight=False)


def _study(paper: str, table: str | None, scale: str) -> Any:
    """The study, as workers make it too."""
    from rgf_keras import reproduce

    return reproduce.find(paper, table, scale).study()


def _view(table: Any) -> Table:
    view = Table(title=table.title, caption=table.note)
    for i, column in enumerate(table.columns):
        view.add_column(column, justify="right" if i else "left")
    for row in table.rows:
        view.add_row(*row)
    return view


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.0f} h"
