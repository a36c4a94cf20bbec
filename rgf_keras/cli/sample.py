"""`rgf sample`: images of a trained model."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rgf_keras.cli import named_runs, options
from rgf_keras.cli.options import choose_backend, note
from rgf_keras.cli.outputs import PICTURES, check_file_output
from rgf_keras.cli.quiet import import_keras
from rgf_keras.errors import RgfError

if TYPE_CHECKING:
    from rgf_keras.tracking.records import RunRecord

MODEL_FILES = ("model.keras", "model.npz")
MODEL_FOLDER = "model"  # among a run's files


def sample_command(
    model: Annotated[
        str,
        typer.Argument(
            help="A model.keras, a guest's model.npz, a folder that holds one, STUDY/TRIAL or an "
            "MLflow run's id."
        ),
    ],
    output: options.Picture = Path("samples.png"),
    num_samples: Annotated[
        int, typer.Option("--num-samples", "-n", min=1, help="How many images.")
    ] = 64,
    seed: Annotated[int, options.seed_of("Seed of the latents.")] = 0,
    fast: options.Fast = False,
    backend: options.Backend = None,
    storage: options.Storage = None,
    tracking_uri: options.TrackingUri = None,
    workspace: options.Workspace = Path("mlruns"),
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
) -> None:
    """Generate images with a trained model, on any backend."""
    choose_backend(backend)
    if not dry_run:
        check_file_output(output, PICTURES)
    found = _find(model, named_runs.Places(storage, tracking_uri, workspace))
    shown = str(found) if isinstance(found, Path) else f"run {found.id}"
    if dry_run:
        plan = {"model": shown, "num_samples": num_samples, "output": str(output)}
        options.show_plan(False, plan)
        return
    note(f"cost: {num_samples} images of {shown}")
    import_keras()
    from rgf_keras.experiments.assessment import models
    from rgf_keras.figures import images as figures
    from rgf_keras.models import sample_uint8

    with _file_of(found) as path, options.progress() as progress:
        track = progress.task("samples")
        images = sample_uint8(models.load(path), num_samples, seed, fast, track)
    figures.grid(output, images)
    note(f"{num_samples} samples: {output}")


def _find(name: str, places: named_runs.Places) -> "Path | RunRecord":
    """The file of a model, here or in a folder, or the run that has one."""
    path = Path(name)
    if path.exists():
        return path if path.is_file() else _only_model(path)
    if not named_runs.may_be_run(name):
        raise RgfError(
            f"{path} does not exist; give a model.keras, a model.npz, a folder that holds one, "
            "STUDY/TRIAL or an MLflow run's id"
        )
    run = named_runs.find(name, places)
    if MODEL_FOLDER not in run.files:
        ended = run.status == "FINISHED"
        state = "what it ran saves none" if ended else f"it is {run.status.lower()}"
        raise RgfError(f"run {run.label} has no model; {state}")
    return run


@contextmanager
def _file_of(found: "Path | RunRecord") -> Iterator[Path]:
    if isinstance(found, Path):
        yield found
        return
    with tempfile.TemporaryDirectory() as folder:
        yield _only_model(found.download(MODEL_FOLDER, Path(folder)))


def _only_model(folder: Path) -> Path:
    here = [folder / name for name in MODEL_FILES if (folder / name).is_file()]
    models = here or sorted(path for name in MODEL_FILES for path in folder.rglob(name))
    if len(models) != 1:
        known = f"holds several: {', '.join(map(str, models))}" if models else "holds no model"
        raise RgfError(f"{folder} {known}; give a model.keras or model.npz of a run")
    return models[0]
