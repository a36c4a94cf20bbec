"""`rgf score`: how much a likelihood model memorizes of each image."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from rgf_keras.cli.jobs import CpusPerWorker, GpusPerWorker, OnCluster
from rgf_keras.cli.options import (
    Backend,
    Json,
    TrackingUri,
    Workspace,
    check_writable,
    choose_backend,
    err,
    open_tracker,
    out,
    parse_settings,
)


def score_command(
    config: Annotated[Path | None, typer.Argument(help="YAML; the defaults if not given.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value, e.g. num_folds=8; --dry-run shows all."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the fits.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of each process; its share of the cores.")
    ] = None,
    cluster: OnCluster = None,
    cpus_per_worker: CpusPerWorker = 1.0,
    gpus_per_worker: GpusPerWorker = 0.0,
    ensemble: Annotated[
        int, typer.Option(min=1, help="Fits trained in one program (JAX, for accelerators).")
    ] = 1,
    results: Annotated[
        Path | None, typer.Option(help="Folder of the fits; one in WORKSPACE/work if not given.")
    ] = None,
    against: Annotated[
        list[Path] | None, typer.Option(help="Results of another score, to be drawn beside.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    backend: Backend = None,
    tracking_uri: TrackingUri = None,
    workspace: Workspace = Path("mlruns"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan only.")] = False,
    as_json: Json = False,
) -> None:
    """Train with and without each image and compare its likelihoods. The same command continues."""
    choose_backend(backend)
    from rgf_keras import config as configs
    from rgf_keras.cache import Cache
    from rgf_keras.config import ScoreConfig
    from rgf_keras.experiments.scores import report
    from rgf_keras.experiments.scores.folds import load_images
    from rgf_keras.experiments.scores.score import default_folder, plan, score
    from rgf_keras.experiments.scores.workers import Resources
    from rgf_keras.runtime.progress import on_console
    from rgf_keras.runtime.ray import ClusterShare
    from rgf_keras.tracking.tracker import Context, environment_tags

    changes = parse_settings(set_) | ({} if seed is None else {"seed": seed})
    given = configs.read(config, ScoreConfig) if config else ScoreConfig()
    chosen = given.with_values(changes)
    share = ClusterShare(cluster, cpus_per_worker, gpus_per_worker) if cluster else None
    resources = Resources(workers, threads, share, ensemble)
    images, held_out = load_images(chosen.data)
    planned = plan(chosen, images, resources)
    others = {folder.name: report.other_scores(folder) for folder in against or []}
    if dry_run:
        _show_plan(planned, chosen, as_json)
        return
    check_writable(workspace)
    folder = results or default_folder(chosen, workspace)
    with (
        open_tracker(tracking_uri, workspace, "score") as tracker,
        tracker.run("score", environment_tags()) as run,
        on_console(err) as progress,
    ):
        context = Context(run, folder, Cache(), progress)
        found = score(chosen, images, held_out, context, resources, others)
    if as_json:
        typer.echo(json.dumps(report.summary(found)))
    else:
        out.print(report.table(found))
        out.print(report.answer(found), highlight=False)
    err.print(f"scores, pictures and fits: {folder}")


def _show_plan(planned: dict[str, Any], config: Any, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({**planned, "config": config.model_dump(mode="json")}))
        return
    for name, value in planned.items():
        out.print(f"[bold]{name}[/bold]: {value}", highlight=False)
    typer.echo(config.to_yaml())
