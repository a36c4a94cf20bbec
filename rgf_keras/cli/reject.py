"""`rgf reject`: what rejection thresholds cost in quality and save in copies."""

from pathlib import Path
from typing import Annotated

import typer

from rgf_keras.cli import options
from rgf_keras.cli.options import choose_backend, note, open_tracker, read_config, show
from rgf_keras.cli.quiet import import_keras
from rgf_keras.errors import RgfError

# Images that are not skewed, unless a file says otherwise: half of every class with the factor.
DEFAULTS = {"data.rarity": 0.5, "evaluation.reference": "shared"}


def reject_command(
    config: options.ConfigFile = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(help="Thresholds: none, auto or τ in [0, 2]; repeatable; else none and auto."),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(help="A data set whose test images C_T is measured against too; repeatable."),
    ] = None,
    samples_per_class: Annotated[
        int | None,
        typer.Option(min=1, help="For C_T by class, of conditional models (10000 in the paper)."),
    ] = None,
    set_: options.Settings = None,
    seed: options.Seed = None,
    backend: options.Backend = None,
    tracking_uri: options.TrackingUri = None,
    workspace: options.Workspace = Path("mlruns"),
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Train with several rejection thresholds and compare quality and copying."""
    choose_backend(backend)
    from rgf_keras.config import AssessConfig

    # Copying is asked about images and not about verdicts, for which one training is enough.
    one = [f"evaluation.{each}" for each in ("test=two_sample", "num_references=null")]
    chosen = read_config(AssessConfig, config, [*one, *(set_ or [])], {"seed": seed}, DEFAULTS)
    thresholds = [_parse(text) for text in threshold or ["none", "auto"]]
    for value in thresholds:
        chosen.with_values({"rejection.threshold": value, "rejection.quantile": None})
    if not dry_run:
        options.check_writable(workspace)
    from rgf_keras.reports import cost

    note(cost.of_trainings(chosen, options.check_data(chosen), len(thresholds)))
    if dry_run:
        plan = {"thresholds": thresholds, "config": chosen.model_dump(mode="json")}
        options.show_plan(as_json, plan)
        return
    import_keras()
    from rgf_keras.cache import Cache
    from rgf_keras.experiments.assessment.data import make_sets
    from rgf_keras.experiments.rejection import reject
    from rgf_keras.reports import rejection as report
    from rgf_keras.runtime import locks

    work = workspace / "work" / f"reject-{chosen.key}"
    with (
        locks.exclusive(work / "command.lock", f"`rgf reject` in {work}"),
        open_tracker(tracking_uri, workspace, "reject") as tracker,
        options.progress() as progress,
    ):
        points = reject.sweep(
            chosen,
            thresholds,
            tracker,
            work,
            Cache(),
            progress,
            reject.newer_test_images(chosen.data.name) if reference is None else reference,
            samples_per_class,
        )
        train = make_sets(chosen.data, chosen.seed, Cache(), progress).skewed
    report.write(work, points, train.images)
    show(as_json, report.records(points), report.table(points))
    note(f"pictures, tables and models: {work}")


def _parse(text: str) -> float | str | None:
    if text in ("none", "auto"):
        return None if text == "none" else text
    try:
        return float(text)
    except ValueError:
        raise RgfError(f"--threshold needs none, auto or a number, received '{text}'") from None
