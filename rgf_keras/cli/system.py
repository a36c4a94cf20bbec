"""`rgf ui`, `rgf dashboard`, `rgf sync`, `rgf info`: records in a browser, what is installed."""

import importlib.util
import socket
from contextlib import closing, suppress
from pathlib import Path
from typing import Annotated, get_args

import typer

from rgf_keras.cli import options
from rgf_keras.cli.options import choose_backend, database, mlflow_address, note, send_backlog
from rgf_keras.cli.quiet import import_keras
from rgf_keras.errors import RgfError, how_to_install, unknown_name


def ui(
    study: Annotated[
        str | None, typer.Argument(help="A study's name, or the start of it, to open on.")
    ] = None,
    workspace: options.Workspace = Path("mlruns"),
    host: options.Host = "127.0.0.1",
    port: options.Port = 5000,
) -> None:
    """Start the MLflow UI, on a study if one is named."""
    from rgf_keras.tracking import relocation, server

    if not (workspace / "mlflow.db").exists():
        raise RgfError(f"there are no records in {workspace}; run a study first")
    send_backlog(database(workspace, "mlflow"), workspace)
    with relocation.opening(database(workspace, "mlflow")):
        pass  # where the artifacts are is known again
    page = f"http://{host}:{free_port(host, port)}"
    pages = study_pages(database(workspace, "mlflow"), page, study)
    note(f"{page} (Ctrl-C ends it)")
    for name, address in pages.items():
        note(f"{name}: {address}")
    server.serve(database(workspace, "mlflow"), host, port)


def free_port(host: str, port: int) -> int:
    """The port, once it is known to be free.

    Raises:
        RgfError: it is taken, or the host is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family):
            return port
    except OSError as error:
        raise RgfError(
            f"cannot listen on {host}:{port} ({error.strerror}); choose another --port or --host"
        ) from error


def study_pages(uri: str, page: str, study: str | None) -> dict[str, str]:
    """Where MLflow shows a study, by what is there; none if no study is named.

    Raises:
        RgfError: there is no such study.
    """
    if study is None:
        return {}
    from rgf_keras.tracking import views
    from rgf_keras.tracking.mlflow_store import MlflowStore

    with closing(MlflowStore(uri)) as store:
        if pages := views.addresses(store, page, study):
            return pages
        known = [each.name for each in store.client.search_experiments() if views.is_study(each)]
    raise unknown_name("study", study, known)


def dashboard(
    storage: options.Storage = None,
    workspace: options.Workspace = Path("mlruns"),
    host: options.Host = "127.0.0.1",
    port: options.Port = 8080,
) -> None:
    """Start Optuna's dashboard, for studies alone."""
    if importlib.util.find_spec("optuna_dashboard") is None:
        raise RgfError(f"Optuna's dashboard is an extra: {how_to_install('dashboard')}")
    from rgf_keras.experiments.studies import storage as storages

    places = [storages.journal_url(workspace), storages.sqlite_url(workspace)]
    urls = [url for url in ([storage] if storage else places) if storages.find_studies([url])]
    if not urls:
        raise RgfError(f"there are no studies in {workspace}; run one with `rgf study run`")
    if len(urls) > 1:
        raise RgfError(f"studies lie in two places; choose one: --storage {' or '.join(urls)}")
    import optuna_dashboard
    from optuna.artifacts import FileSystemArtifactStore

    from rgf_keras.experiments.studies.optuna_adapter import for_dashboard
    from rgf_keras.experiments.studies.pictures import FOLDER

    with suppress(OSError):  # it is read, and written only if something is uploaded in the browser
        (workspace / FOLDER).mkdir(exist_ok=True)
    store = FileSystemArtifactStore(workspace / FOLDER)
    note(f"http://{host}:{free_port(host, port)}/dashboard (Ctrl-C ends it)")
    opened = for_dashboard(storages.open_storage(urls[0]))
    optuna_dashboard.run_server(opened, host, port, artifact_store=store)


def sync(
    tracking_uri: options.TrackingUri = None, workspace: options.Workspace = Path("mlruns")
) -> None:
    """Send MLflow what waits because MLflow could not be reached, or has refused it."""
    from rgf_keras.tracking import mlflow_tracker

    address, spool = mlflow_address(tracking_uri, workspace), workspace / "spool"
    if not spool.exists():
        raise RgfError(f"there are no records in {workspace}; run a study first")
    sent = mlflow_tracker.send_backlog(address, spool, refused=True)
    note(f"sent {sent}" if sent else "everything is in MLflow")
    for other, backlog in mlflow_tracker.backlogs(spool).items():
        note(f"{backlog} wait for {other}: give it as --tracking-uri")


def info(backend: options.Backend = None, as_json: options.Json = False) -> None:
    """Show versions, backends and devices."""
    choose_backend(backend)
    import_keras()
    from rgf_keras.tracking.tracker import environment, list_devices

    backends = [name for name in get_args(options.BackendName) if importlib.util.find_spec(name)]
    facts = {**environment(), "installed_backends": backends, "devices": list_devices()}
    options.show(as_json, facts, *(f"{name}: {value}" for name, value in facts.items()))
