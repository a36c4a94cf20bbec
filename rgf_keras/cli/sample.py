"""`rgf sample`: images of a trained model."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from rgf_keras.cli import named_runs, options
from rgf_keras.cli.options import choose_backend, note
from rgf_keras.cli.outputs import PICTURES, check_file_output
from rgf_keras.cli.quiet import import_keras
from rgf_keras.errors import RgfError

MODEL_FILES = ("model.keras", "model.npz")


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
    with _model_file(model, named_runs.Places(storage, tracking_uri, workspace)) as path:
        if dry_run:
            plan = {"model": model, "num_samples": num_samples, "output": str(output)}
            options.show_plan(False, plan)
            return
        note(f"cost: {num_samples} images of {model}")
        import_keras()
        from rgf_keras.experiments.assessment import models
        from rgf_keras.figures import images as figures
        from rgf_keras.models import sample_uint8

        with options.progress() as progress:
            track = progress.task("samples")
            images = sample_uint8(models.load(path), num_samples, seed, fast, track)
    figures.grid(output, images)
    note(f"{num_samples} samples: {output}")


@contextmanager
def _model_file(name: str, places: named_runs.Places) -> Iterator[Path]:
    """The file of a model: one here, in a folder, or of a run."""
    path = Path(name)
    if path.exists():
        yield path if path.is_file() else _only_model(path, name)
    elif not named_runs.may_be_run(name):
        raise RgfError(f"{path} does not exist")
    else:
        run = named_runs.find(name, places)
        with tempfile.TemporaryDirectory() as folder:
            yield _only_model(run.download("model", Path(folder)), f"run {name}")


def _only_model(folder: Path, name: str) -> Path:
    here = [folder / file for file in MODEL_FILES if (folder / file).is_file()]
    models = here or sorted(path for file in MODEL_FILES for path in folder.rglob(file))
    if len(models) != 1:
        known = f"holds several: {', '.join(map(str, models))}" if models else "holds no model"
        raise RgfError(f"{name} {known}; give a model.keras or model.npz of a run")
    return models[0]
