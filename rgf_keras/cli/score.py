"""`rgf score`: how much a likelihood model memorizes of each image."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from rgf_keras.cli import options
from rgf_keras.cli.jobs import CpusPerWorker, GpusPerWorker, OnCluster
from rgf_keras.cli.options import choose_backend, note, open_context, read_config, show
from rgf_keras.cli.quiet import import_keras


def score_command(
    config: options.ConfigFile = None,
    set_: options.Settings = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the fits.")] = 1,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads of each process; its share of the cores if not given."),
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
        list[Path] | None,
        typer.Option(help="Results of another score, to be plotted beside; repeatable."),
    ] = None,
    seed: options.Seed = None,
    backend: options.Backend = None,
    tracking_uri: options.TrackingUri = None,
    workspace: options.Workspace = Path("mlruns"),
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Train with and without each image and compare its likelihoods. The same command continues."""
    choose_backend(backend)
    from rgf_keras.config import ScoreConfig

    chosen = read_config(ScoreConfig, config, set_, {"seed": seed})
    chosen.model.check_names()
    import_keras()
    from rgf_keras.experiments.scores import report
    from rgf_keras.experiments.scores.folds import load_images
    from rgf_keras.experiments.scores.score import default_folder, score
    from rgf_keras.experiments.scores.workers import Resources
    from rgf_keras.reports import scores
    from rgf_keras.runtime.ray import ClusterShare

    share = ClusterShare(cluster, cpus_per_worker, gpus_per_worker) if cluster else None
    resources = Resources(workers, threads, share, import_keras, ensemble)
    images, held_out = load_images(chosen.data)
    planned = scores.plan(chosen, images, resources)
    note(f"cost: {planned['fits']} trainings, {planned['cost']}")
    folders = against or []
    names = Counter([report.OWN, *(folder.name for folder in folders)])
    others = {
        folder.name if names[folder.name] == 1 else str(folder): report.other_scores(folder)
        for folder in folders
    }
    if dry_run:
        options.show_plan(as_json, {**planned, "config": chosen.model_dump(mode="json")})
        return
    options.check_writable(workspace)
    folder = results or default_folder(chosen, workspace)
    options.check_writable(folder, "--results")
    with open_context("score", chosen.key, folder, tracking_uri, workspace) as context:
        result = score(chosen, images, held_out, context, resources, others)
    show(as_json, report.summary(result), scores.table(result), report.answer(result))
    note(f"scores, pictures and fits: {folder}")
