"""`rgf reproduce`: the papers' tables, made again and compared."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Column

from rgf_keras.cli import jobs, options
from rgf_keras.cli.options import check_writable, choose_backend, note, open_records
from rgf_keras.cli.outputs import PAGES, check_file_output
from rgf_keras.cli.quiet import import_keras
from rgf_keras.errors import RgfError
from rgf_keras.masking import masked
from rgf_keras.reports.terminal import Table

if TYPE_CHECKING:
    from rgf_keras.experiments.studies.study import Study
    from rgf_keras.reports.paper_tables import PaperTable


def reproduce_command(
    paper: Annotated[Literal["rgf", "mr", "score"], typer.Argument(help="Whose table.")],
    table: Annotated[
        str | None, typer.Option(help="As the paper numbers it; the first known if not given.")
    ] = None,
    figure: Annotated[
        str | None, typer.Option(help="A figure instead, as the paper numbers it.")
    ] = None,
    scale: Annotated[
        Literal["smoke", "small", "paper"],
        typer.Option(help="Minutes on two cores, about an hour on them, or as the paper did."),
    ] = "smoke",
    trainings: Annotated[
        int | None,
        typer.Option(
            min=1, help="Trainings of each model (of a score: L); the scale's if not given."
        ),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Nothing is run: one page of what finished runs give.")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="HTML page to write with --all.")
    ] = Path("paper.html"),
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
    """Make a paper's table or figure again and say how it compares.

    The same command continues, and what one of them has trained no other trains again.
    """
    chosen = choose_backend(backend)
    if all_:
        if table or figure:
            raise RgfError("--all is of all tables and figures; leave out --table and --figure")
        check_file_output(output, PAGES)
        given = {
            "--trainings": trainings,
            "--backend": backend,
            "--storage": storage,
            "--tracking-uri": tracking_uri,
            "--workspace": None if workspace == Path("mlruns") else workspace,
        }
        words = [word for key, x in given.items() if x for word in (key, masked(str(x), str(x)))]
        places = storage, tracking_uri, workspace
        _write_page(paper, scale, trainings, chosen, None if dry_run else output, *places, words)
        return
    from rgf_keras import reproduce

    asked = (paper, table, scale, figure, trainings)
    reproduction = reproduce.find(*asked)
    runs = reproduction.runs
    name = f"{reproduction.name}-{chosen}"
    if not dry_run:
        check_writable(workspace)
    import_keras()
    from rgf_keras.cache import Cache
    from rgf_keras.reproduce.cost import ON_TOP, estimate
    from rgf_keras.runtime.progress import duration

    with options.progress() as progress:
        cost = estimate(runs.values(), Cache(), progress)
    if dry_run and as_json:
        options.show_plan(as_json, {"name": name, "runs": [*runs], "cost": asdict(cost)})
        return
    note(
        f"{reproduction.question}\n{len(runs)} runs: {', '.join(runs)}\n"
        f"cost: about {duration(cost.seconds)} here, of which {duration(cost.training_seconds)} "
        f"for {cost.steps} steps of training, if nothing is kept from before; {ON_TOP}",
    )
    if dry_run:
        return
    load, study = partial(_study, *asked), reproduction.study()
    where = jobs.workers_spec(workers, cluster, cpus_per_worker, gpus_per_worker)
    optuna_study, _ = jobs.run_study(load, study, name, where, storage, tracking_uri, workspace)
    records = reproduction.finished(optuna_study, open_records(tracking_uri, workspace))
    tables, agreement = reproduction.tables(records), reproduction.agreement(records)
    record = {"tables": [*map(asdict, tables)], "agreement": agreement}
    options.show(as_json, record, *map(_view, tables), *agreement)
    for path in reproduction.figures(records, workspace / "figures" / name):
        note(f"figure: {path}")
    report = shlex.join(["rgf", "report", name, "--workspace", str(workspace)])
    note(f"the whole: {report}")


def _study(*asked: Any) -> "Study":
    """The study of what was asked for, as workers make it too."""
    from rgf_keras import reproduce

    return reproduce.find(*asked).study()


def _view(table: "PaperTable") -> Table:
    first, *others = table.columns
    columns = (Column(name, justify="right") for name in others)
    view = Table(first, *columns, title=table.title, caption=table.note)
    for row in table.rows:
        view.add_row(*row)
    return view


def _write_page(
    paper: str,
    scale: str,
    trainings: int | None,
    backend: str,
    output: Path | None,
    storage: str | None,
    tracking_uri: str | None,
    workspace: Path,
    words: Sequence[str],
) -> None:
    """Write the page of a paper, if anywhere; commands in it have these further options."""
    import optuna

    from rgf_keras.experiments.studies.storage import find_studies, journal_url, sqlite_url
    from rgf_keras.reports import render
    from rgf_keras.reproduce import page

    records = open_records(tracking_uri, workspace)

    studies = find_studies(
        [storage] if storage else [journal_url(workspace), sqlite_url(workspace)]
    )

    def find(name: str) -> optuna.Study | None:
        own = f"{name}-{backend}"
        return optuna.load_study(study_name=own, storage=studies[own]) if own in studies else None

    found = page.parts(paper, scale, trainings, find, records)
    import_keras()
    from rgf_keras.cache import Cache
    from rgf_keras.reproduce.cost import Speed, estimate
    from rgf_keras.runtime.progress import duration

    measured: dict[str, Speed] = {}
    with options.progress() as progress:
        cache = Cache()
        view = page.paper_page(
            paper,
            scale,
            found,
            lambda configs: duration(estimate(configs, cache, progress, measured).seconds),
            options=words,
        )
    note(view.answer)
    if output:
        render.write(view, output, "html")
        note(f"page: {output}")
