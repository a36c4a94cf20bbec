"""`rgf audit`: samples of any generator against the images that it was trained on."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from rgf_keras import outputs
from rgf_keras.cli import options
from rgf_keras.cli.options import choose_backend, note, open_tracker, show
from rgf_keras.cli.outputs import PAGES, TABLES, check_file_output
from rgf_keras.cli.quiet import import_keras

COPYING_FOUND = 3
RANGES = {"0,1": (0, 1), "-1,1": (-1, 1), "0,255": (0, 255)}


def audit_command(
    train: Annotated[
        str, typer.Option(help="What the generator was trained on: a folder, archive or array.")
    ],
    generated: Annotated[list[str], typer.Option(help="Its samples, likewise; repeatable.")],
    test: Annotated[
        str | None, typer.Option(help="Images of the same kind that it did not see.")
    ] = None,
    hold_out: Annotated[
        float | None,
        typer.Option(
            help="Share of --train that it did not see, if that is so; instead of --test."
        ),
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            help="Samples of a generator of balanced data, to compare how often each class shows "
            "each value of a factor (class folders and factors.csv); repeatable, 3 for verdicts."
        ),
    ] = None,
    oracle: Annotated[
        str | None,
        typer.Option(
            help="A file.py:function of images that returns their classes and values, instead."
        ),
    ] = None,
    rare: Annotated[str | None, typer.Option(help="The rare value of the factor.")] = None,
    rare_class: Annotated[
        str | None, typer.Option(help="The class that the generator saw the rare value of alone.")
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            help="A network to compare by, beside pixels; repeatable. FID's where its weights are."
        ),
    ] = None,
    weights: Annotated[str, typer.Option(help="Weights of these networks: a file.")] = "imagenet",
    value_range: Annotated[
        Literal["0,1", "-1,1", "0,255"] | None,
        typer.Option(help="Black and white in arrays of floats."),
    ] = None,
    skip_broken: Annotated[
        bool, typer.Option("--skip-broken", help="Leave out files that cannot be read.")
    ] = False,
    approximate: Annotated[
        bool,
        typer.Option(
            "--approximate",
            help="Compare training images with each other by faiss, for hundreds of thousands.",
        ),
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that share the networks' work.")
    ] = 1,
    output: Annotated[Path, typer.Option("--output", "-o", help="Page to write.")] = Path(
        "audit.html"
    ),
    csv: Annotated[
        Path | None,
        typer.Option(
            help="CSV of all copies and the images they copy; names like formulas start with '."
        ),
    ] = None,
    fail_on_copying: Annotated[
        bool, typer.Option("--fail-on-copying", help="Exit code 3 if copying is found.")
    ] = False,
    seed: Annotated[int, options.seed_of("Seed of everything random.")] = 0,
    backend: options.Backend = None,
    tracking_uri: options.TrackingUri = None,
    workspace: options.Workspace = Path("mlruns"),
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Say whether samples of any generator copy its training images, and which do.

    Images are streamed and features kept: the same command goes on where it was killed.
    """
    choose_backend(backend)
    if not dry_run:
        check_file_output(output, PAGES)
        if csv:
            check_file_output(csv, TABLES, "--csv")
        options.check_writable(workspace)
    from rgf_keras.experiments.audit import given

    reading: dict[str, Any] = {
        "value_range": RANGES[value_range] if value_range else None,
        "skip_broken": skip_broken,
    }
    given.check_names(features or (), oracle)
    planned = given.plan(train, generated, test, reference or (), **reading, hold_out=hold_out)
    images = sum((planned["train"], planned["test"], *planned["generated"].values()))
    compared = planned["comparisons_per_space"]
    note(f"cost: {images} images to read, {compared:.2g} comparisons in pixels and each network")
    if dry_run:
        options.show_plan(as_json, planned)
        return
    import_keras()
    from rgf_keras.cache import Cache, key_of
    from rgf_keras.reports import audit as report
    from rgf_keras.reports import render
    from rgf_keras.runtime import locks
    from rgf_keras.runtime.workers import WorkersSpec

    asked: dict[str, Any] = {
        "hold_out": hold_out,
        "references": reference or (),
        "oracle": oracle,
        "rare": rare,
        "rare_class": rare_class,
        "features": features,
        "weights": weights,
        **reading,
        "approximate": approximate,
        "seed": seed,
    }
    work, resources = workspace / "work", WorkersSpec(workers, prepare=import_keras)
    folder = work / f"audit-{key_of({'sets': [train, generated, test], **asked})}"
    with locks.exclusive(folder / "command.lock", f"`rgf audit` in {folder}"):
        with options.progress() as progress:
            places: dict[str, Any] = {"cache": Cache(), "folder": work, "progress": progress}
            result = report.audit(
                train, generated, test, **asked, **places, resources=resources
            ).result
        render.write(report.page(result, os.environ.get("RGF_COMMAND", "")), output, "html")
        if csv:
            outputs.write_text(csv, result.copies_csv())
        runs = _record(result, folder, tracking_uri, workspace)
    show(as_json, result.record(), *report.summary(result))
    note(f"page: {output}; in MLflow: {', '.join(runs)}")
    if fail_on_copying and result.found:
        raise typer.Exit(COPYING_FOUND)


def _record(result: Any, folder: Path, tracking_uri: str | None, workspace: Path) -> list[str]:
    """Record a run for each generated set; returns their ids."""
    from rgf_keras.reports import audit as report
    from rgf_keras.tracking.tracker import environment_tags

    tags = environment_tags()
    with open_tracker(tracking_uri, workspace, "audit") as tracker, ExitStack() as stack:
        names = [str(number) for number, _ in enumerate(result.samples)]
        started = [tracker.resumable_run("audit", tags, folder / f"{name}.run") for name in names]
        runs = [stack.enter_context(run) for run in started]
        for name, sample, run in zip(names, result.samples, runs, strict=True):
            report.log(result, sample, run, folder / name)
    return [run.id for run in runs]
