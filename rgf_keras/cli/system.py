"""`rgf ui` and `rgf info`: the records in a browser, and what is installed."""

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
    TrackingUri,
    Workspace,
    choose_backend,
    database,
    err,
    mlflow_address,
    out,
    tell,
)
from rgf_keras.errors import RgfError


def ui(
    workspace: Workspace = Path("mlruns"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
) -> None:
    """Start the MLflow UI."""
    if not (workspace / "mlflow.db").exists():
        raise RgfError(f"there are no records in {workspace}; run a study first")
    if any((workspace / "spool").glob("*/*.jsonl")):
        try:
            _send(database(workspace, "mlflow"), workspace)
        except RgfError as error:  # also because a study is running
            tell(str(error))
    err.print(f"http://{host}:{port} (Ctrl-C ends it)")
    command = [sys.executable, "-m", "mlflow", "ui", "--host", host, "--port", str(port)]
    command += ["--backend-store-uri", database(workspace, "mlflow")]
    os.execv(sys.executable, command)  # in this process's place: what ends `rgf ui` ends the server


def sync(tracking_uri: TrackingUri = None, workspace: Workspace = Path("mlruns")) -> None:
    """Send MLflow what it could not take while it was away."""
    _send(mlflow_address(tracking_uri, workspace), workspace)
    from rgf_keras.experiments.mlflow_tracking import waiting_by_address

    for address, waiting in waiting_by_address(workspace / "spool").items():
        err.print(
            f"{waiting} wait for {address}: `rgf sync --tracking-uri ADDRESS`", highlight=False
        )


def _send(uri: str, workspace: Path) -> None:
    choose_backend(None)
    from rgf_keras.experiments.mlflow_tracking import send_waiting

    if not (workspace / "spool").exists():
        raise RgfError(f"there are no records in {workspace}; run a study first")
    sent = send_waiting(uri, workspace / "spool")
    err.print(f"sent: {sent}" if sent else "everything is in MLflow", highlight=False)


def info(backend: Backend = None, as_json: Json = False) -> None:
    """Show versions, backends and devices."""
    choose_backend(backend)
    import keras

    from rgf_keras.experiments.tracking import environment

    found = {
        **environment(),
        "installed_backends": [
            name
            for name in ("tensorflow", "jax", "torch")
            if importlib.util.find_spec(name) is not None
        ],
        "devices": [str(device) for device in keras.distribution.list_devices()],
    }
    if as_json:
        typer.echo(json.dumps(found))
    else:
        for name, value in found.items():
            out.print(f"{name}: {value}", highlight=False)
