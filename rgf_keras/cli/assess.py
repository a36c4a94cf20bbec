"""`rgf assess` and `rgf sample`: one model, and what it draws."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from rgf_keras.cli.options import (
    Backend,
    Json,
    TrackingUri,
    Workspace,
    check_writable,
    choose_backend,
    err,
    open_tracker,
    out,
    parse_settings,
    tell,
)

Fast = Annotated[
    bool, typer.Option("--fast", help="Few sampling steps, for models that take many.")
]
SHOWN = (
    *("rgf/gap", "rgf/class_coverage", "quality/frechet_oracle", "quality/oracle_confidence"),
    *("copying/c_t", "copying/c_t_p", "oracle/class_accuracy", "oracle/factor_accuracy"),
)


def assess_command(
    config: Annotated[Path | None, typer.Argument(help="YAML; the defaults if not given.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value, e.g. training.epochs=20; --dry-run shows all."),
    ] = None,
    reference: Annotated[
        Literal["own", "shared"] | None, typer.Option(help="Whose P_u to compare with.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    fast: Fast = False,
    backend: Backend = None,
    tracking_uri: TrackingUri = None,
    workspace: Workspace = Path("mlruns"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan only.")] = False,
    as_json: Json = False,
) -> None:
    """Train on balanced and skewed data and say what the model memorized."""
    choose_backend(backend)
    from rgf_keras import config as configs
    from rgf_keras.cache import Cache
    from rgf_keras.experiments.assessment.assess import assess
    from rgf_keras.metrics.rgf_table import mostly_too_few, to_records
    from rgf_keras.reports import outcome
    from rgf_keras.runtime.progress import on_console
    from rgf_keras.tracking.tracker import Context, environment_tags, masked

    changes = parse_settings(set_)
    if reference:
        changes["evaluation.reference"] = reference
    if seed is not None:
        changes["seed"] = seed
    if fast:
        changes["evaluation.fast"] = True
    given = configs.read(config, configs.AssessConfig) if config else configs.AssessConfig()
    chosen = given.with_values(changes)
    if dry_run:
        typer.echo(json.dumps(chosen.model_dump(mode="json")) if as_json else chosen.to_yaml())
        return
    check_writable(workspace)
    work = workspace / "work" / f"assess-{chosen.key}"
    work.mkdir(parents=True, exist_ok=True)
    with (
        open_tracker(tracking_uri, workspace, "assess") as tracker,
        tracker.run("assess", environment_tags()) as run,
        on_console(err) as progress,
    ):
        result = assess(chosen, Context(run, work, Cache(), progress))
    if as_json:
        typer.echo(json.dumps({"metrics": result.metrics, "table": to_records(result.table)}))
    else:
        out.print(outcome.assessment_table(result.table))
        for name in SHOWN:
            if name in result.metrics:
                out.print(f"{name}: {result.metrics[name]:.3f}")
        if mostly_too_few(result.table):
            tell("most classes have too few samples: rgf/gap says little")
    err.print(f"tables, pictures and model.keras: {work}", highlight=False, soft_wrap=True)
    where = f" --tracking-uri {masked(tracking_uri)}" if tracking_uri else ""
    report = f"rgf report {run.id} --workspace {workspace}{where}"
    err.print(f"one page: {report}", highlight=False, soft_wrap=True)


def sample(
    model: Annotated[
        Path, typer.Argument(help="A model.keras (a guest's: model.npz) of a trial or assessment.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG.")] = Path("samples.png"),
    num_samples: Annotated[int, typer.Option("--num-samples", "-n", min=1)] = 64,
    seed: Annotated[int, typer.Option(help="Of the latents.")] = 0,
    fast: Fast = False,
    backend: Backend = None,
) -> None:
    """Draw images from a trained generator, on any backend."""
    choose_backend(backend)
    from rgf_keras.experiments.assessment import models
    from rgf_keras.figures import images as figures
    from rgf_keras.models import sample_uint8
    from rgf_keras.runtime.progress import on_console

    with on_console(err) as progress:
        images = sample_uint8(models.load(model), num_samples, seed, fast, progress.task("samples"))
    figures.grid(output, images)
    err.print(f"{num_samples} samples: {output}")
