"""`rgf ui`, `rgf dashboard`, `rgf sync`, `rgf info`: records in a browser, what is installed."""

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from rgf_keras.cli.options import (
    Backend,
    Json,
    Storage,
    TrackingUri,
    Workspace,
    choose_backend,
    database,
    err,
    mlflow_address,
    out,
    send_waiting,
)
from rgf_keras.errors import RgfError, how_to_install


def ui(
    workspace: Workspace = Path("mlruns"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
) -> None:
    """Start the MLflow UI."""
    if not (workspace / "mlflow.db").exists():
        raise RgfError(f"there are no records in {workspace}; run a study first")
    send_waiting(database(workspace, "mlflow"), workspace)
    err.print(f"http://{host}:{port} (Ctrl-C ends it)")
    command = [sys.executable, "-m", "mlflow", "ui", "--host", host, "--port", str(port)]
    command += ["--workers", "1"]  # one reader: starts sooner, in a quarter of the memory
    command += ["--backend-store-uri", database(workspace, "mlflow")]
    os.execv(sys.executable, command)  # in this process's place: what ends `rgf ui` ends the server


def dashboard(
    storage: Storage = None,
    workspace: Workspace = Path("mlruns"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
) -> None:
    """Start Optuna's dashboard, for studies alone."""
    if importlib.util.find_spec("optuna_dashboard") is None:
        raise RgfError(f"Optuna's dashboard is an extra: {how_to_install('dashboard')}")
    choose_backend(None)
    import optuna_dashboard

    from rgf_keras.experiments.studies.storage import (
        find_studies,
        journal_url,
        open_storage,
        sqlite_url,
    )

    urls = [storage] if storage else [journal_url(workspace), sqlite_url(workspace)]
    found = [url for url in urls if find_studies([url])]
    if not found:
        raise RgfError(f"there are no studies in {workspace}; run one with `rgf study run`")
    if len(found) > 1:
        raise RgfError(f"studies lie in two places; choose one: --storage {' or '.join(found)}")
    records = open_storage(found[0])
    err.print(f"http://{host}:{port}/dashboard (Ctrl-C ends it)")
    optuna_dashboard.run_server(records, host, port)


def sync(tracking_uri: TrackingUri = None, workspace: Workspace = Path("mlruns")) -> None:
    """Send MLflow what it could not take while it was away."""
    choose_backend(None)
    from rgf_keras.tracking import mlflow_tracker

    address, spool = mlflow_address(tracking_uri, workspace), workspace / "spool"
    if not spool.exists():
        raise RgfError(f"there are no records in {workspace}; run a study first")
    sent = mlflow_tracker.send_waiting(address, spool)
    err.print(f"sent {sent}" if sent else "everything is in MLflow", highlight=False)
    for other, waiting in mlflow_tracker.waiting_by_address(spool).items():
        err.print(f"{waiting} wait for {other}: give it as --tracking-uri", highlight=False)


def info(backend: Backend = None, as_json: Json = False) -> None:
    """Show versions, backends and devices."""
    choose_backend(backend)
    from rgf_keras.tracking.tracker import environment, list_devices

    found = {
        **environment(),
        "installed_backends": [
            name
            for name in ("tensorflow", "jax", "torch")
            if importlib.util.find_spec(name) is not None
        ],
        "devices": list_devices(),
    }
    if as_json:
        typer.echo(json.dumps(found))
    else:
        for name, value in found.items():
            out.print(f"{name}: {value}", highlight=False)
