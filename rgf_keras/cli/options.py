"""What commands share: options, the choice of the backend, where records go."""

import importlib.util
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from rgf_keras.errors import RgfError, how_to_install

out, err = Console(), Console(stderr=True)

BackendName = Literal["tensorflow", "jax", "torch"]
Backend = Annotated[
    BackendName | None, typer.Option(help="Keras backend; KERAS_BACKEND, else tensorflow.")
]
Workspace = Annotated[Path, typer.Option(help="Folder for records, checkpoints and files.")]
TrackingUri = Annotated[
    str | None, typer.Option(help="MLflow; MLFLOW_TRACKING_URI, else WORKSPACE/mlflow.db.")
]
Storage = Annotated[
    str | None,
    typer.Option(help="Optuna; in WORKSPACE if not given, else journal:///PATH or a database."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def choose_backend(backend: BackendName | None) -> str:
    """Fix the backend before anything imports Keras."""
    chosen = backend or os.environ.get("KERAS_BACKEND") or "tensorflow"
    if importlib.util.find_spec(chosen) is None:
        extra = f" with {how_to_install(chosen)}" if chosen in ("jax", "torch") else ""
        raise RgfError(f"the backend '{chosen}' is not installed; install it{extra}")
    os.environ["KERAS_BACKEND"] = chosen
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return chosen


def parse_settings(items: list[str] | None) -> dict[str, Any]:
    """``key=value`` options, the values as YAML reads them."""
    import yaml

    settings = {}
    for item in items or []:
        key, separator, value = item.partition("=")
        if not separator:
            raise RgfError(f"--set needs key=value, received '{item}'")
        try:
            settings[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise RgfError(f"--set {key}: '{value}' is no YAML value") from None
    return settings


def open_tracker(uri: str | None, workspace: Path, experiment: str) -> Any:
    """MLflow at the given address, else at MLFLOW_TRACKING_URI, else in the workspace."""
    from rgf_keras.tracking.mlflow_tracker import MlflowTracker

    given = uri or os.environ.get("MLFLOW_TRACKING_URI")
    artifacts = None if given else workspace / "artifacts"
    address = mlflow_address(uri, workspace)
    return MlflowTracker(address, experiment, workspace / "spool", artifacts, tell)


def mlflow_address(uri: str | None, workspace: Path) -> str:
    """The given address, else MLFLOW_TRACKING_URI, else the workspace's database."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or database(workspace, "mlflow")


def open_records(uri: str | None, workspace: Path) -> Any:
    """What MLflow holds, all that was recorded included if it can be sent now."""
    from rgf_keras.tracking.records import Records

    address = mlflow_address(uri, workspace)
    if address == database(workspace, "mlflow") and not (workspace / "mlflow.db").exists():
        raise RgfError(f"there are no records in {workspace}; run a study first")
    send_waiting(address, workspace)
    return Records(address)


def send_waiting(address: str, workspace: Path) -> None:
    """Send MLflow what waits for it, or tell why it cannot be sent."""
    if not any((workspace / "spool").glob("*/*.jsonl")):
        return
    choose_backend(None)
    from rgf_keras.tracking import mlflow_tracker

    try:
        if sent := mlflow_tracker.send_waiting(address, workspace / "spool"):
            tell(f"sent {sent} to MLflow")
    except RgfError as error:  # also because a study is running
        tell(str(error))


def tell(line: str) -> None:
    """Show a line beside the progress of what is under way."""
    err.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)


def database(workspace: Path, name: str) -> str:
    """The address of a SQLite file in the workspace."""
    return f"sqlite:///{(workspace / f'{name}.db').resolve()}"


def check_writable(workspace: Path) -> None:
    """Make the workspace, or say that it cannot be written."""
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        probe = workspace / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RgfError(
            f"cannot write {workspace} ({error.strerror}); choose another --workspace"
        ) from None
