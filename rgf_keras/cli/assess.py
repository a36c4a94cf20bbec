"""`rgf assess` and `rgf calibrate`: what a model memorized, and what such verdicts are worth."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rgf_keras.cli import options
from rgf_keras.cli.options import choose_backend, note, open_context, read_config, show
from rgf_keras.cli.quiet import import_keras
from rgf_keras.masking import masked

if TYPE_CHECKING:
    from rgf_keras.config import AssessConfig


def assess_command(
    config: options.ConfigFile = None,
    set_: options.Settings = None,
    reference: Annotated[
        Literal["own", "shared"] | None, typer.Option(help="Whose P_u to compare with.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the trainings.")] = 1,
    seed: options.Seed = None,
    fast: options.Fast = False,
    backend: options.Backend = None,
    tracking_uri: options.TrackingUri = None,
    workspace: options.Workspace = Path("mlruns"),
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Train on balanced and skewed data and say what the model memorized.

    Trainings are kept: the same command continues, and one that asks for more of them
    (evaluation.num_references, evaluation.num_trainings) trains what is missing.
    """
    choose_backend(backend)
    from rgf_keras.config import AssessConfig

    changes = {"evaluation.reference": reference, "evaluation.fast": fast or None, "seed": seed}
    chosen = read_config(AssessConfig, config, set_, changes)
    if not dry_run:
        options.check_writable(workspace)
    from rgf_keras.reports import cost

    note(cost.of_assessment(chosen, options.check_data(chosen)))
    if dry_run:
        options.show_plan(as_json, chosen.model_dump(mode="json"))
        return
    import_keras()
    from rgf_keras.experiments.assessment.assess import assess
    from rgf_keras.metrics import catalogue
    from rgf_keras.metrics.rgf_table import mostly_too_few, to_records
    from rgf_keras.reports import outcome
    from rgf_keras.runtime.workers import WorkersSpec

    work = work_folder(chosen, workspace)
    with open_context("assess", chosen.key, work, tracking_uri, workspace) as context:
        result = assess(chosen, context, WorkersSpec(workers, prepare=import_keras))
    lines = [f"{key}: {value:.3f}" for key, value in catalogue.overall(result.metrics).items()]
    record = {"metrics": result.metrics, "table": to_records(result.table)}
    show(as_json, record, outcome.assessment_table(result.table), *lines)
    if mostly_too_few(result.table):
        options.tell("most classes have too few samples: rgf/gap says little")
    note(f"tables, pictures and the model: {work}")
    where = ["--tracking-uri", masked(tracking_uri, tracking_uri)] if tracking_uri else []
    report = ["rgf", "report", context.run.id, "--workspace", str(workspace), *where]
    note(f"one page: {shlex.join(report)}")


def calibrate_command(
    config: options.ConfigFile = None,
    set_: options.Settings = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings on balanced data.")] = 8,
    skewed: Annotated[
        int, typer.Option(min=0, help="Trainings on skewed data: how often they are found.")
    ] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the trainings.")] = 1,
    seed: options.Seed = None,
    backend: options.Backend = None,
    tracking_uri: options.TrackingUri = None,
    workspace: options.Workspace = Path("mlruns"),
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Train equal models with several seeds and say what verdicts are worth.

    How often each test calls equal models different, how large a gap is nothing, and how many
    trainings and samples finding a difference takes. Trainings are those of `rgf assess`, and kept.
    """
    choose_backend(backend)
    from rgf_keras.config import AssessConfig

    chosen = read_config(AssessConfig, config, set_, {"seed": seed})
    compared = chosen.evaluation.designs(seeds, skewed)
    if not dry_run:
        options.check_writable(workspace)
    num_images = options.check_data(chosen)
    from rgf_keras.reports import cost

    note(cost.of_trainings(chosen, num_images, seeds + skewed))
    if dry_run:
        plan = {"balanced": seeds, "skewed": skewed, "compared": [list(each) for each in compared]}
        options.show_plan(as_json, {**plan, "config": chosen.model_dump(mode="json")})
        return
    import_keras()
    from rgf_keras.experiments.assessment.calibrate import calibrate
    from rgf_keras.reports import calibration as report
    from rgf_keras.runtime.workers import WorkersSpec

    work, spec = work_folder(chosen, workspace), WorkersSpec(workers, prepare=import_keras)
    with open_context("calibrate", chosen.key, work, tracking_uri, workspace) as context:
        result = calibrate(chosen, context, seeds, skewed, spec)
    found = result.calibration
    views = report.calls_table(found), report.needs_table(found)
    show(as_json, result.record(), *views, *report.gap_lines(found))
    note(f"picture and numbers: {work}")


def work_folder(config: "AssessConfig", workspace: Path) -> Path:
    """Where trainings are kept: the same folder however many of them are compared."""
    return workspace / "work" / config.folder_name
