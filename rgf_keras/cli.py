"""The command line: parses, chooses the backend, calls one function."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from rgf_keras.errors import RgfError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
study_app = typer.Typer(no_args_is_help=True, help="Run and show Optuna studies.")
app.add_typer(study_app, name="study")

out, err = Console(), Console(stderr=True)

BackendName = Literal["tensorflow", "jax", "torch"]
Backend = Annotated[
    BackendName | None, typer.Option(help="Keras backend; KERAS_BACKEND, else tensorflow.")
]
Workspace = Annotated[Path, typer.Option(help="Folder for records, checkpoints and files.")]
TrackingUri = Annotated[
    str | None, typer.Option(help="MLflow; MLFLOW_TRACKING_URI, else WORKSPACE/mlflow.db.")
]
Storage = Annotated[str | None, typer.Option(help="Optuna; WORKSPACE/optuna.db if not given.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.callback()
def options(
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
) -> None:
    """Measure how much an image generator memorizes, and search what helps."""
    if debug:
        os.environ["RGF_DEBUG"] = "1"


@study_app.command("run")
def study_run(
    file: Annotated[Path, typer.Argument(help="A Python file that defines `study`.")],
    n_trials: Annotated[int | None, typer.Option(help="Budget, the baseline included.")] = None,
    name: Annotated[str | None, typer.Option(help="NAME-BACKEND if not given.")] = None,
    seed: Annotated[int, typer.Option(help="Of the sampler.")] = 0,
    backend: Backend = None,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    workspace: Workspace = Path("mlruns"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan only.")] = False,
    as_json: Json = False,
) -> None:
    """Run a study, or what is left of it. The same command continues it."""
    chosen = _choose(backend)
    from rgf_keras.experiments import report, study
    from rgf_keras.experiments.cache import Cache
    from rgf_keras.experiments.progress import progress

    question = study.load_study(file)
    name = name or f"{question.name}-{chosen}"
    num_trials = question.num_trials if n_trials is None else n_trials
    if dry_run:
        _plan(question, name, num_trials, workspace, as_json)
        return
    _writable(workspace)
    records = study.open_storage(storage or _database(workspace, "optuna"))
    tracker = _tracker(tracking_uri, workspace, name)

    def tell(trial: Any) -> None:
        kind = "baseline" if trial.user_attrs["baseline"] else report.parameters(trial.params)
        verdict = trial.user_attrs["reason"] or (
            "within the bounds" if study.feasible(trial) else "outside the bounds"
        )
        err.print(
            f"trial {trial.number} of {num_trials} ({kind}): "
            f"{question.minimize} {trial.value:.3f}, {verdict}",
            highlight=False,
        )

    err.print(f"study '{name}': {question.question}", highlight=False)
    with progress(err) as track:
        record = study.run_study(
            question,
            name,
            workspace / "work",
            records,
            tracker,
            Cache(),
            num_trials=num_trials,
            seed=seed,
            track=track,
            on_trial=tell,
        )
    summary = report.study_summary(record)
    report.record_study(summary, record, tracker, workspace / "work" / name)
    _show_study(summary, as_json)
    err.print(f"records: {workspace}/ (browse them with `rgf ui --workspace {workspace}`)")


@study_app.command("show")
def study_show(
    name: Annotated[str, typer.Argument(help="A study's name, or the start of it.")],
    storage: Storage = None,
    workspace: Workspace = Path("mlruns"),
    as_json: Json = False,
) -> None:
    """Show what a study has found so far."""
    _choose(None)
    import optuna

    from rgf_keras.experiments import report, study

    if storage is None and not (workspace / "optuna.db").exists():
        raise RgfError(f"there are no studies in {workspace}; run one with `rgf study run`")
    records = study.open_storage(storage or _database(workspace, "optuna"))
    names = optuna.get_all_study_names(records)
    found = [known for known in names if known == name] or [
        known for known in names if known.startswith(name)
    ]
    if len(found) != 1:
        raise RgfError(f"'{name}' names {len(found)} studies; known: {', '.join(names) or 'none'}")
    record = optuna.load_study(study_name=found[0], storage=records)
    _show_study(report.study_summary(record), as_json)


@app.command("assess")
def assess_command(
    config: Annotated[Path | None, typer.Argument(help="YAML; the defaults if not given.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value, e.g. training.epochs=20.")
    ] = None,
    reference: Annotated[
        Literal["own", "shared"] | None, typer.Option(help="Whose P_u to compare with.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    backend: Backend = None,
    tracking_uri: TrackingUri = None,
    workspace: Workspace = Path("mlruns"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan only.")] = False,
    as_json: Json = False,
) -> None:
    """Train on balanced and skewed data and say what the model memorized."""
    _choose(backend)
    import yaml

    from rgf_keras.experiments import config as configs
    from rgf_keras.experiments import report
    from rgf_keras.experiments.assess import assess
    from rgf_keras.experiments.cache import Cache, key_of
    from rgf_keras.experiments.progress import progress
    from rgf_keras.experiments.rgf_table import to_records
    from rgf_keras.experiments.tracking import environment_tags

    changes: dict[str, Any] = {}
    for item in set_ or []:
        key, separator, value = item.partition("=")
        if not separator:
            raise RgfError(f"--set needs key=value, received '{item}'")
        changes[key] = yaml.safe_load(value)
    if reference:
        changes["evaluation.reference"] = reference
    if seed is not None:
        changes["seed"] = seed
    chosen = (configs.read(config) if config else configs.AssessConfig()).with_values(changes)
    if dry_run:
        typer.echo(json.dumps(chosen.model_dump(mode="json")) if as_json else chosen.to_yaml())
        return
    _writable(workspace)
    run = _tracker(tracking_uri, workspace, "assess").start("assess", environment_tags())
    work = workspace / "work" / f"assess-{key_of(chosen.flat())}"
    work.mkdir(parents=True, exist_ok=True)
    with progress(err) as track:
        result = assess(chosen, run, work, Cache(), track)
    run.finish()
    if as_json:
        typer.echo(json.dumps({"metrics": result.metrics, "table": to_records(result.table)}))
    else:
        out.print(report.assessment_table(result.table))
        for name in ("rgf/gap", "quality/frechet_oracle", "quality/oracle_confidence"):
            out.print(f"{name}: {result.metrics[name]:.3f}")
    err.print(f"tables, pictures and model: {work}")


@app.command()
def sample(
    model: Annotated[Path, typer.Argument(help="A model.keras of a trial or assessment.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG.")] = Path("samples.png"),
    num_samples: Annotated[int, typer.Option("--num-samples", "-n", min=1)] = 64,
    seed: Annotated[int, typer.Option(help="Of the latents.")] = 0,
    backend: Backend = None,
) -> None:
    """Draw images from a trained generator, on any backend."""
    _choose(backend)
    from rgf_keras.experiments import figures
    from rgf_keras.models import load_model, to_uint8

    figures.grid(output, to_uint8(load_model(model).sample(num_samples, seed)))
    err.print(f"{num_samples} samples: {output}")


@app.command()
def ui(
    workspace: Workspace = Path("mlruns"),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
) -> None:
    """Start the MLflow UI."""
    if not (workspace / "mlflow.db").exists():
        raise RgfError(f"there are no records in {workspace}; run a study first")
    err.print(f"http://{host}:{port} (Ctrl-C ends it)")
    command = [sys.executable, "-m", "mlflow", "ui", "--host", host, "--port", str(port)]
    command += ["--backend-store-uri", _database(workspace, "mlflow")]
    raise typer.Exit(subprocess.run(command, check=False).returncode)


@app.command()
def info(backend: Backend = None, as_json: Json = False) -> None:
    """Show versions, backends and devices."""
    _choose(backend)
    import keras

    from rgf_keras.experiments.tracking import environment_tags

    found = {
        **environment_tags(),
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


def main() -> None:
    """Entry point: errors that the user can mend are one line and exit code 2."""
    try:
        app()
    except RgfError as error:
        if os.environ.get("RGF_DEBUG"):
            raise
        message = " ".join(str(error).split())
        err.print(f"error: {message}", style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        err.print("interrupted; the same command continues")
        sys.exit(130)


def _choose(backend: BackendName | None) -> str:
    """Fix the backend before anything imports Keras."""
    chosen = backend or os.environ.get("KERAS_BACKEND") or "tensorflow"
    if importlib.util.find_spec(chosen) is None:
        extra = f" with pip install 'rgf-keras[{chosen}]'" if chosen in ("jax", "torch") else ""
        raise RgfError(f"the backend '{chosen}' is not installed; install it{extra}")
    os.environ["KERAS_BACKEND"] = chosen
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    return chosen


def _plan(question: Any, name: str, num_trials: int, workspace: Path, as_json: bool) -> None:
    from rgf_keras.experiments.study import plan

    planned = {"name": name, **plan(question, num_trials), "workspace": str(workspace)}
    if as_json:
        typer.echo(json.dumps(planned))
    else:
        for key, value in planned.items():
            out.print(f"[bold]{key}[/bold]: {value}", highlight=False)


def _show_study(summary: dict[str, Any], as_json: bool) -> None:
    from rgf_keras.experiments import report

    if as_json:
        typer.echo(json.dumps(summary))
    else:
        out.print(report.study_table(summary))


def _tracker(uri: str | None, workspace: Path, experiment: str) -> Any:
    from rgf_keras.experiments.tracking import MlflowTracker

    uri = uri or os.environ.get("MLFLOW_TRACKING_URI")
    artifacts = None if uri else workspace / "artifacts"
    return MlflowTracker(uri or _database(workspace, "mlflow"), experiment, artifacts)


def _database(workspace: Path, name: str) -> str:
    return f"sqlite:///{(workspace / f'{name}.db').resolve()}"


def _writable(workspace: Path) -> None:
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        probe = workspace / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RgfError(
            f"cannot write {workspace} ({error.strerror}); choose another --workspace"
        ) from None


if __name__ == "__main__":
    main()
