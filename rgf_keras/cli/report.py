"""`rgf report` and `rgf compare`: what a study or a run says, to read and to hand on."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from rgf_keras.cli import named_runs
from rgf_keras.cli.options import Json, Storage, TrackingUri, Workspace, note, show
from rgf_keras.cli.outputs import PAGES, check_file_output, check_folder_output

SUFFIXES = {"html": PAGES, "md": (".md", ".markdown"), "latex": (".tex",)}


def report_command(
    name: Annotated[str, typer.Argument(help="STUDY, STUDY/TRIAL or an MLflow run's id.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; for csv a folder.")
    ] = None,
    kind: Annotated[
        Literal["html", "md", "latex", "csv"],
        typer.Option("--format", help="A page, or the tables alone."),
    ] = "html",
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    workspace: Workspace = Path("mlruns"),
) -> None:
    """Write one page about a study or a run, or its tables alone."""
    from rgf_keras.reports import page, render

    suffixes = SUFFIXES.get(kind)
    path = output or Path(f"report{suffixes[0] if suffixes else ''}")
    if suffixes:
        check_file_output(path, suffixes)
    else:
        check_folder_output(path)
    places = named_runs.Places(storage, tracking_uri, workspace)
    records = places.records
    if "/" not in name and (study := named_runs.study(name, places)):
        report = page.study_page(study, records)
    else:
        report = page.run_page(named_runs.find(name, places))
    render.write(report, path, kind)
    note(f"report: {path}")


def compare_command(
    first: Annotated[str, typer.Argument(help="STUDY/TRIAL or an MLflow run's id.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="HTML page to write too.")
    ] = None,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    workspace: Workspace = Path("mlruns"),
    as_json: Json = False,
) -> None:
    """Show two runs side by side: what differs, and what came of it."""
    from rgf_keras.reports import compare, render

    if output:
        check_file_output(output, PAGES)
    places = named_runs.Places(storage, tracking_uri, workspace)
    runs = [named_runs.find(name, places) for name in (first, second)]
    page = compare.compare_page(runs)
    show(as_json, compare.comparison(runs), compare.table(page))
    if output:
        render.write(page, output, "html")
        note(f"page: {output}")
