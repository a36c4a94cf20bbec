"""What commands share: options, configurations, the choice of the backend, where records go."""

import importlib.util
import multiprocessing
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args

import typer
from rich.console import Console

from rgf_keras import strict_json
from rgf_keras.errors import RgfError, did_you_mean, how_to_install
from rgf_keras.masking import masked
from rgf_keras.names import sqlite_url

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rgf_keras.config import AssessConfig, Config
    from rgf_keras.runtime.progress import Progress
    from rgf_keras.tracking.mlflow_tracker import MlflowTracker
    from rgf_keras.tracking.records import Records
    from rgf_keras.tracking.tracker import Context

out, err = (Console(stderr=x, markup=False, emoji=False, highlight=False) for x in (False, True))


PUBLISHED = "paper/"  # what names of published configurations start with


def check_file(path: Path | None) -> Path | None:
    """Refuse a file that does not exist, before anything slow is imported."""
    if path is not None and not path.is_file():
        raise RgfError(f"{path} does not exist")
    return path


def check_config(path: Path | None) -> Path | None:
    """Refuse what is neither a file nor meant to be a published configuration's name."""
    return path if path and str(path).startswith(PUBLISHED) else check_file(path)


def find_study_file(path: Path) -> Path:
    """The file of a study, which may be the package's, before anything slow is imported."""
    from rgf_keras import bundled

    return bundled.find(path)


def seed_of(text: str) -> Any:
    """An option for a seed, within what all that is seeded takes."""
    return typer.Option(min=0, max=2**31 - 1, help=text)


BackendName = Literal["tensorflow", "jax", "torch"]
Backend = Annotated[
    BackendName | None,
    typer.Option(help="Keras backend; KERAS_BACKEND if not given, else tensorflow."),
]
ConfigFile = Annotated[
    Path | None,
    typer.Argument(
        help="YAML file, or a published configuration such as paper/rgf-gan; the defaults if not "
        "given.",
        callback=check_config,
    ),
]
StudyFile = Annotated[
    Path,
    typer.Argument(
        help="A Python file that defines `study`, or a name that `rgf study list` shows.",
        callback=find_study_file,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Change key=value, e.g. training.epochs=20; repeatable. --dry-run shows keys."
    ),
]
Seed = Annotated[
    int | None, typer.Option(help="Seed of everything random; the configuration's if not given.")
]
Fast = Annotated[
    bool, typer.Option("--fast", help="Few sampling steps, for models that take many.")
]
Workspace = Annotated[Path, typer.Option(help="Folder for records, checkpoints and files.")]
TrackingUri = Annotated[
    str | None,
    typer.Option(help="MLflow's address; MLFLOW_TRACKING_URI, else WORKSPACE/mlflow.db."),
]
Storage = Annotated[
    str | None,
    typer.Option(
        help="Optuna's storage, journal:///PATH or a database; in WORKSPACE if not given."
    ),
]
Picture = Annotated[
    Path, typer.Option("--output", "-o", help="Picture to write: PNG, JPEG or PDF.")
]
Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan only.")]


def _hush(is_quiet: bool) -> bool:
    if is_quiet:
        os.environ["RGF_QUIET"] = "1"
    return is_quiet


Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", callback=_hush, help="Show results, warnings and errors alone."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

Kind = TypeVar("Kind", bound="Config")


def choose_backend(backend: BackendName | None) -> str:
    """Fix the backend before anything imports Keras, if it is installed."""
    known = get_args(BackendName)
    chosen = backend or os.environ.get("KERAS_BACKEND") or "tensorflow"
    if chosen not in known:
        raise RgfError(
            f"KERAS_BACKEND is '{chosen}', but must be one of {', '.join(known)}"
            + did_you_mean(chosen, known)
        )
    if importlib.util.find_spec(chosen) is None:
        extra = f" with {how_to_install(chosen)}" if chosen in ("jax", "torch") else ""
        raise RgfError(f"the backend '{chosen}' is not installed; install it{extra}")
    os.environ["KERAS_BACKEND"] = chosen
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return chosen


def read_config(
    kind: type[Kind],
    file: Path | None,
    settings: list[str] | None,
    changes: dict[str, Any],
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> Kind:
    """Read a configuration, the defaults without a file, and change what options say.

    What it names of a guest's own is looked for in its file's folder too.

    Args:
        kind: of configuration.
        file: YAML, or the name of a published configuration.
        settings: ``key=value`` of ``--set``.
        changes: by dotted key, on top of the settings; None changes nothing.
        defaults: by dotted key, of what the file does not set; those of ``kind`` if not given.
    """
    from rgf_keras import plugins
    from rgf_keras.config import published, read

    if file is None:
        given = kind()
    elif str(file).startswith(PUBLISHED) and not file.is_file():
        given = published.find(str(file), kind)
    else:
        plugins.add_folder(file.parent)
        given = read(file, kind)
    unset = {key: value for key, value in defaults.items() if not given.sets(key)}
    wanted = {key: value for key, value in changes.items() if value is not None}
    return given.with_values(unset | parse_settings(settings) | wanted)


def parse_settings(items: list[str] | None) -> dict[str, Any]:
    """Parse ``key=value`` options, the values as YAML reads them."""
    from rgf_keras.config import yaml_text

    settings = {}
    for item in items or []:
        key, separator, value = item.partition("=")
        if not separator:
            raise RgfError(f"--set needs key=value, received '{item}'")
        try:
            settings[key] = yaml_text.load(value)
        except RgfError as error:
            raise RgfError(f"--set {key}: '{masked(value)[:100]}' {error}") from None
    return settings


@contextmanager
def progress() -> Iterator["Progress"]:
    """Yields where long work tells how far it is: nowhere if quiet is wanted."""
    from rgf_keras.runtime.progress import SILENT, on_console

    if os.environ.get("RGF_QUIET"):
        yield SILENT
        return
    with on_console(err) as shown:
        yield shown


def check_data(config: "AssessConfig") -> int:
    """Refuse bad data, sizes and batches, without Keras unless data must be downloaded.

    Returns:
        How many images there are to train on.
    """
    from rgf_keras.cache import Cache
    from rgf_keras.experiments.assessment import limits

    with progress() as shown:
        return len(limits.check_data(config, Cache(), shown).skewed)


@contextmanager
def open_context(
    name: str, key: str, folder: Path, tracking_uri: str | None, workspace: Path
) -> Iterator["Context"]:
    """Open a run in the MLflow experiment of its name, a folder, and progress on the console.

    Args:
        name: of the command.
        key: of its configuration: a command that was killed goes on in the run that it began.
        folder: for checkpoints and files, of one command at a time.
        tracking_uri: MLflow's; the workspace's if None.
        workspace: folder for records.

    Raises:
        RgfError: the command is being run by another process.
    """
    from rgf_keras.cache import Cache
    from rgf_keras.runtime import locks
    from rgf_keras.tracking.tracker import Context, environment_tags, log_packages

    with (
        locks.exclusive(folder / "command.lock", f"`rgf {name}` in {folder}"),
        open_tracker(tracking_uri, workspace, name) as tracker,
        tracker.resumable_run(name, environment_tags(), folder / f"{name}-{key}.run") as run,
        progress() as shown,
    ):
        log_packages(run, folder)
        yield Context(run, folder, Cache(), shown)


def open_tracker(uri: str | None, workspace: Path, experiment: str) -> "MlflowTracker":
    """Open MLflow at the given address, else at MLFLOW_TRACKING_URI, else in the workspace."""
    from rgf_keras.tracking.mlflow_tracker import MlflowTracker

    address = mlflow_address(uri, workspace)
    artifacts = workspace / "artifacts" if address == database(workspace, "mlflow") else None
    spool = workspace / "spool"
    if multiprocessing.parent_process():  # which tells what there is to tell
        return MlflowTracker(address, experiment, spool, artifacts, hands_over=True)
    return MlflowTracker(address, experiment, spool, artifacts, tell)


def mlflow_address(uri: str | None, workspace: Path) -> str:
    """The given address, else MLFLOW_TRACKING_URI, else the workspace's database."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or database(workspace, "mlflow")


def open_records(uri: str | None, workspace: Path) -> "Records":
    """Open what MLflow holds, once all that was recorded is sent if it can be sent now."""
    from rgf_keras.tracking.records import Records

    address = mlflow_address(uri, workspace)
    if address == database(workspace, "mlflow") and not (workspace / "mlflow.db").exists():
        raise RgfError(f"there are no records in {workspace}; run a study first")
    send_backlog(address, workspace)
    return Records(address)


def send_backlog(address: str, workspace: Path) -> None:
    """Send MLflow what waits for it, or tell why it cannot be sent."""
    from rgf_keras.tracking import mlflow_tracker

    if not any((workspace / "spool").glob("*/*.jsonl")):
        return
    try:
        if sent := mlflow_tracker.send_backlog(address, workspace / "spool"):
            tell(f"sent {sent} to MLflow")
    except RgfError as error:  # also because a study is running
        tell(str(error))


def show(as_json: bool, record: Any, *views: "RenderableType") -> None:
    """Print a result: as JSON, or as people read it."""
    if as_json:
        typer.echo(strict_json.dumps(record))
        return
    for view in views:
        out.print(view)


def show_plan(as_json: bool, plan: dict[str, Any]) -> None:
    """Print what would be done, as JSON or YAML."""
    import yaml

    text = yaml.safe_dump(plan, sort_keys=False, allow_unicode=True)
    typer.echo(strict_json.dumps(plan) if as_json else text, nl=as_json)


def note(line: str) -> None:
    """Show a line beside the result, unless quiet is wanted."""
    if not os.environ.get("RGF_QUIET"):
        tell(line, None)


def tell(line: str, style: str | None = "yellow") -> None:
    """Show a warning beside what is under way, as it is and unbroken, but without secrets."""
    err.print(masked(line), style=style, soft_wrap=True)


def database(workspace: Path, name: str) -> str:
    """The address of a SQLite file in the workspace."""
    return sqlite_url(workspace / f"{name}.db")


def check_writable(folder: Path, option: str = "--workspace") -> None:
    """Make the folder that an option names, or say that it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = f"cannot write {folder} ({error.strerror})"
        raise RgfError(f"{reason}; choose another {option}") from None
