"""`rgf study`: run and show Optuna studies."""

import gc
import shlex
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from rgf_keras.cli import jobs, options
from rgf_keras.cli.options import check_writable, choose_backend, note, show, show_plan
from rgf_keras.cli.quiet import check_settings
from rgf_keras.cli.system import study_pages
from rgf_keras.errors import RgfError
from rgf_keras.names import check_name

app = typer.Typer(no_args_is_help=True, help="Run and show Optuna studies.")


@app.command("run")
def study_run(
    file: options.StudyFile,
    n_trials: Annotated[int | None, typer.Option(help="Budget, the baseline included.")] = None,
    repeats: Annotated[
        int | None, typer.Option(help="Fresh seeds for the best trials in the end; 0 for none.")
    ] = None,
    sampler: Annotated[
        Literal["tpe", "gp", "cmaes", "nsgaii", "random"] | None,
        typer.Option(help="How parameters are chosen; as the study says if not given."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="NAME-BACKEND if not given.")] = None,
    seed: Annotated[int, options.seed_of("Seed of the sampler.")] = 0,
    backend: options.Backend = None,
    workers: jobs.Workers = 1,
    cluster: jobs.OnCluster = None,
    cpus_per_worker: jobs.CpusPerWorker = 1.0,
    gpus_per_worker: jobs.GpusPerWorker = 0.0,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
    workspace: options.Workspace = Path("mlruns"),
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Run a study, or what is left of it. The same command continues it."""
    chosen = choose_backend(backend)
    from rgf_keras.experiments.studies.study import load_study, plan
    from rgf_keras.reports import cost

    study = load_study(file).with_options(num_trials=n_trials, repeats=repeats, sampler=sampler)
    name = check_name(f"{study.name}-{chosen}" if name is None else name, "--name")
    planned = plan(study)
    if not dry_run:
        check_writable(workspace)
    num_images = options.check_data(study.baseline) if study.is_assessment else None  # type: ignore[arg-type]
    note(f"study '{name}': {study.question}")
    note(cost.of_study(study, num_images))
    if dry_run:
        show_plan(as_json, {"name": name, **planned, "workspace": str(workspace)})
        return
    check_settings()
    load = partial(load_study, file.resolve())
    where = jobs.workers_spec(workers, cluster, cpus_per_worker, gpus_per_worker)
    _, summary = jobs.run_study(load, study, name, where, storage, tracking_uri, workspace, seed)
    _show(summary, as_json)
    address = options.mlflow_address(tracking_uri, workspace)
    if address.startswith("http"):
        from mlflow.exceptions import MlflowException

        from rgf_keras.tracking.destination import Unreachable

        # MLflow may be away, and everything has been told.
        with suppress(RgfError, MlflowException, Unreachable):
            for what, page in study_pages(address, address, name).items():
                note(f"{what}: {page}")
    browse = shlex.join(["rgf", "ui", name, "--workspace", str(workspace)])
    note(f"records: {workspace}/ (browse them with `{browse}`)")


@app.command("list")
def study_list(as_json: options.Json = False) -> None:
    """Show the studies that come with the package; `rgf study run NAME` runs one."""
    from rgf_keras import bundled

    titles = {name: bundled.title(file) for name, file in bundled.studies().items()}
    width = max(map(len, titles), default=0)
    show(as_json, titles, *(f"{name:{width}}  {title}" for name, title in titles.items()))


@app.command("new")
def study_new(
    file: Annotated[Path, typer.Argument(help="The Python file to write.")],
) -> None:
    """Write a small study with comments, to begin one's own with."""
    from rgf_keras import bundled

    bundled.write_start(file)
    note(f"{file}: change it, and run it with `{shlex.join(['rgf', 'study', 'run', str(file)])}`")


@app.command("show")
def study_show(
    name: Annotated[str, typer.Argument(help="A study's name, or the start of it.")],
    storage: options.Storage = None,
    workspace: options.Workspace = Path("mlruns"),
    as_json: options.Json = False,
) -> None:
    """Show what a study has found so far."""
    gc.disable()  # a sixth of the time is the search for garbage among what is imported
    try:
        from rgf_keras.experiments.studies.storage import find_study
        from rgf_keras.reports import outcome

        _show(outcome.study_summary(find_study(name, storage, workspace)), as_json)
    finally:
        gc.enable()


def _show(summary: dict[str, Any], as_json: bool) -> None:
    from rgf_keras.reports import outcome

    show(as_json, summary, outcome.study_table(summary))
