"""`rgf report` and `rgf compare`: what a study or a run says, to read and to hand on."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rgf_keras.cli.options import Json, Storage, TrackingUri, Workspace, note, open_records, show
from rgf_keras.cli.outputs import PAGES, check_file_output, check_folder_output
from rgf_keras.errors import RgfError

if TYPE_CHECKING:
    import optuna

    from rgf_keras.tracking.records import Records, RunRecord

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
    records = open_records(tracking_uri, workspace)
    if "/" not in name and (study := _study(name, storage, workspace)):
        report = page.study_page(study, records)
    else:
        report = page.run_page(_run(name, records, storage, workspace))
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
    records = open_records(tracking_uri, workspace)
    runs = [_run(name, records, storage, workspace) for name in (first, second)]
    page = compare.compare_page(runs)
    show(as_json, compare.comparison(runs), compare.table(page))
    if output:
        render.write(page, output, "html")
        note(f"page: {output}")


def _study(name: str, storage: str | None, workspace: Path) -> "optuna.Study | None":
    """The study of this name; None if there is none and the name is a run's id."""
    from rgf_keras.experiments.studies.storage import find_study

    try:
        return find_study(name, storage, workspace)
    except RgfError:
        if re.fullmatch("[0-9a-f]{32}|local-.*", name):
            return None
        raise


def _run(name: str, records: "Records", storage: str | None, workspace: Path) -> "RunRecord":
    """The run that STUDY/TRIAL or an id names."""
    study_name, slash, number = name.rpartition("/")
    if not slash:
        return records.run(name)
    study = _study(study_name, storage, workspace)
    trials = {str(trial.number): trial for trial in study.trials} if study else {}
    own = trials[number].user_attrs if number in trials else {}
    if "mlflow_run_id" not in own:
        raise RgfError(f"there is no trial '{name}'; known: {', '.join(trials) or 'none'}")
    known = own.get("metrics", {}), trials[number].params
    return records.run(own["mlflow_run_id"], name, known)
