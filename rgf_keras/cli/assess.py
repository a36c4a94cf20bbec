"""`rgf assess` and `rgf sample`: one model, and the images that it generates."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from rgf_keras.cli import options
from rgf_keras.cli.options import choose_backend, err, open_context, read_config, show
from rgf_keras.cli.quiet import import_keras
from rgf_keras.errors import RgfError

MODEL_FILES = ("model.keras", "model.npz")


def assess_command(
    config: options.ConfigFile = None,
    set_: options.Settings = None,
    reference: Annotated[
        Literal["own", "shared"] | None, typer.Option(help="Whose P_u to compare with.")
    ] = None,
    seed: options.Seed = None,
    fast: options.Fast = False,
    backend: options.Backend = None,
    tracking_uri: options.TrackingUri = None,
    workspace: options.Workspace = Path("mlruns"),
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Train on balanced and skewed data and say what the model memorized."""
    choose_backend(backend)
    from rgf_keras.config import AssessConfig

    changes = {"evaluation.reference": reference, "evaluation.fast": fast or None, "seed": seed}
    chosen = read_config(AssessConfig, config, set_, changes)
    if dry_run:
        options.show_plan(as_json, chosen.model_dump(mode="json"))
        return
    options.check_writable(workspace)
    import_keras()
    from rgf_keras.experiments.assessment.assess import assess
    from rgf_keras.metrics import catalogue
    from rgf_keras.metrics.rgf_table import mostly_too_few, to_records
    from rgf_keras.reports import outcome
    from rgf_keras.tracking.tracker import masked

    work = workspace / "work" / f"assess-{chosen.key}"
    with open_context("assess", work, tracking_uri, workspace) as context:
        result = assess(chosen, context)
    lines = [f"{key}: {value:.3f}" for key, value in catalogue.overall(result.metrics).items()]
    record = {"metrics": result.metrics, "table": to_records(result.table)}
    show(as_json, record, outcome.assessment_table(result.table), *lines)
    if mostly_too_few(result.table):
        options.tell("most classes have too few samples: rgf/gap says little")
    err.print(f"tables, pictures and the model: {work}", highlight=False, soft_wrap=True)
    where = f" --tracking-uri {masked(tracking_uri)}" if tracking_uri else ""
    report = f"rgf report {context.run.id} --workspace {workspace}{where}"
    err.print(f"one page: {report}", highlight=False, soft_wrap=True)


def sample(
    model: Annotated[
        Path,
        typer.Argument(help="A model.keras, a guest's model.npz, or a folder that holds one."),
    ],
    output: options.Picture = Path("samples.png"),
    num_samples: Annotated[
        int, typer.Option("--num-samples", "-n", min=1, help="How many images.")
    ] = 64,
    seed: Annotated[int, typer.Option(help="Seed of the latents.")] = 0,
    fast: options.Fast = False,
    backend: options.Backend = None,
) -> None:
    """Generate images with a trained model, on any backend."""
    choose_backend(backend)
    path = _find_model(model)
    import_keras()
    from rgf_keras.experiments.assessment import models
    from rgf_keras.figures import images as figures
    from rgf_keras.models import sample_uint8
    from rgf_keras.runtime.progress import on_console

    with on_console(err) as progress:
        images = sample_uint8(models.load(path), num_samples, seed, fast, progress.task("samples"))
    figures.grid(output, images)
    err.print(f"{num_samples} samples: {output}")


def _find_model(path: Path) -> Path:
    """The file of a model, which may be given by a folder that it is in."""
    if not path.exists():
        raise RgfError(f"{path} does not exist")
    if path.is_file():
        return path
    here = [path / name for name in MODEL_FILES if (path / name).is_file()]
    models = here or sorted(file for name in MODEL_FILES for file in path.rglob(name))
    if len(models) != 1:
        known = f"holds several: {', '.join(map(str, models))}" if models else "holds no model"
        raise RgfError(f"{path} {known}; give a model.keras or model.npz of a run")
    return models[0]
