"""`rgf reject`: what rejection thresholds cost in quality and save in copies."""

import json
from pathlib import Path
from typing import Annotated

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
)
from rgf_keras.errors import RgfError


def reject_command(
    config: Annotated[
        Path | None, typer.Argument(help="YAML file; the defaults if not given.")
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            help="none, auto or τ in [0, 2]; may be repeated. none and auto if not given."
        ),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(help="A data set whose test images C_T is measured against too; repeatable."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value, e.g. rejection.mode=resample; --dry-run shows all."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    backend: Backend = None,
    tracking_uri: TrackingUri = None,
    workspace: Workspace = Path("mlruns"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan only.")] = False,
    as_json: Json = False,
) -> None:
    """Train with several rejection thresholds and compare quality and copying."""
    choose_backend(backend)
    from rgf_keras import config as configs
    from rgf_keras.cache import Cache
    from rgf_keras.experiments.assessment.data import make_sets
    from rgf_keras.experiments.rejection import reject, report
    from rgf_keras.runtime.progress import on_console

    # Copying is asked about images that are not skewed: half of every class with the factor.
    changes = {"data.rarity": 0.5, "evaluation.reference": "shared", **parse_settings(set_)}
    if seed is not None:
        changes["seed"] = seed
    given = configs.read(config, configs.AssessConfig) if config else configs.AssessConfig()
    chosen = given.with_values(changes)
    thresholds = [_parse(text) for text in threshold or ["none", "auto"]]
    for value in thresholds:
        chosen.with_values({"rejection.threshold": value, "rejection.quantile": None})
    if dry_run:
        out.print(f"[bold]thresholds[/bold]: {thresholds}")
        typer.echo(chosen.to_yaml())
        return
    check_writable(workspace)
    work = workspace / "work" / f"reject-{chosen.key}"
    work.mkdir(parents=True, exist_ok=True)
    with open_tracker(tracking_uri, workspace, "reject") as tracker, on_console(err) as progress:
        points = reject.sweep(chosen, thresholds, tracker, work, Cache(), progress, reference or ())
        train = make_sets(chosen.data, chosen.seed, Cache(), progress).skewed
    report.write(work, points, train.images)
    if as_json:
        typer.echo(json.dumps(report.records(points)))
    else:
        out.print(report.table(points))
    err.print(f"pictures, tables and models: {work}")


def _parse(text: str) -> float | str | None:
    if text in ("none", "auto"):
        return None if text == "none" else text
    try:
        return float(text)
    except ValueError:
        raise RgfError(f"--threshold needs none, auto or a number, received '{text}'") from None
