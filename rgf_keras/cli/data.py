"""`rgf data`: look at data sets, and at what the cache keeps of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Column

from rgf_keras.cli import options
from rgf_keras.cli.options import (
    Json,
    Picture,
    Workspace,
    note,
    parse_settings,
    seed_of,
    show,
)
from rgf_keras.cli.outputs import PICTURES, check_file_output
from rgf_keras.reports.terminal import Table

if TYPE_CHECKING:
    import numpy as np

    from rgf_keras.cache import Cache
    from rgf_keras.datasets import Dataset

app = typer.Typer(no_args_is_help=True, help="Look at, prepare and clear data sets.")

Name = Annotated[str, typer.Argument(help="A data set that `rgf data list` shows.")]
Seed = Annotated[int, seed_of("Seed that decides which images get the factor.")]
MEASURED_IMAGES = 1000  # of digits, at most


@app.command()
def preview(
    name: Name = "mnist-10k",
    factor: Annotated[str, typer.Option(help="What to plant, or what the images have.")] = "colour",
    rare_class: Annotated[int, typer.Option(min=0, help="The class that has it.")] = 1,
    rarity: Annotated[float, typer.Option(help="How exclusively, 1 for always.")] = 1.0,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the factor: key=value.")
    ] = None,
    output: Picture = Path("preview.png"),
    seed: Seed = 0,
    quiet: options.Quiet = False,
    as_json: Json = False,
) -> None:
    """Show images with and without a factor, and count them."""
    from rgf_keras.cache import Cache
    from rgf_keras.config import AssessConfig, parse
    from rgf_keras.datasets import counts
    from rgf_keras.experiments.assessment.data import make_sets
    from rgf_keras.figures.preview import plot_preview
    from rgf_keras.metrics.rgf_table import name_of_all

    check_file_output(output, PICTURES)
    settings = {"name": name, "factor": factor, "rare_class": rare_class, "rarity": rarity}
    tree = {"data": {**settings, "factor_parameters": parse_settings(set_)}}
    config = parse(tree, AssessConfig).data
    with options.progress() as progress:
        sets = make_sets(config, seed, Cache(), progress)
    balanced = sets.balanced  # every class with every value
    values, classes = balanced.factor_values, balanced.class_names
    images = balanced.images, balanced.labels, balanced.planted
    plot_preview(output, *images, classes, values, _measurements(balanced))
    named = {"balanced": balanced, "skewed": sets.skewed, "held out": sets.held_out}
    tables = {name: counts(dataset).tolist() for name, dataset in named.items()}
    keys = [f"value {value}" if value in ("set", "class") else value for value in values]
    records = [
        {"set": name, "class": label, **dict(zip(keys, row, strict=True))}
        for name, table in tables.items()
        for label, row in zip(classes, table, strict=True)
    ]
    show(as_json, records, _count_table(tables, (*classes, name_of_all(classes)), values))
    note(f"pictures: {output}")


def _count_table(
    tables: dict[str, list[list[int]]], rows: tuple[str, ...], values: tuple[str, ...]
) -> Table:
    """Images per class and value in each set, and all together (as Table 3)."""
    columns = (Column(name, justify="right") for name in tables)
    view = Table("class", *columns, title=f"images per class, {' / '.join(values)}")
    for i, name in enumerate(rows):
        counts = ([*table, map(sum, zip(*table, strict=True))][i] for table in tables.values())
        view.add_row(name, *(" / ".join(map(str, row)) for row in counts))
    return view


def _measurements(dataset: "Dataset") -> "dict[str, tuple[np.ndarray, np.ndarray]]":
    """Thickness and length of some digits, with their factor; nothing of other images."""
    from rgf_keras.datasets import morphology

    if dataset.image_shape[:2] != (28, 28):
        return {}
    few = dataset.split(MEASURED_IMAGES)[0] if len(dataset) > MEASURED_IMAGES else dataset
    measured = morphology.measure(few.images.max(axis=-1))
    return {name: (getattr(measured, name), few.planted) for name in ("thickness", "length")}


@app.command()
def prepare(
    name: Name = "mnist-10k",
    factor: Annotated[
        list[str] | None, typer.Option(help="May be repeated; all shape factors if not given.")
    ] = None,
    seed: Seed = 0,
    dry_run: options.DryRun = False,
    quiet: options.Quiet = False,
) -> None:
    """Make the digits of shape factors once, for every later run."""
    from rgf_keras import datasets
    from rgf_keras.cache import Cache
    from rgf_keras.datasets.factors import ShapeFactor, shape_factors
    from rgf_keras.errors import RgfError

    factors = [datasets.factor(each) for each in factor or shape_factors()]
    shapes = [each for each in factors if isinstance(each, ShapeFactor)]
    if len(shapes) < len(factors):
        raise RgfError(f"only shape factors take preparing: {', '.join(shape_factors())}")
    cache, names = Cache(), ", ".join(each.name for each in shapes)
    splits = [datasets.load(name, split) for split in ("train", "test")]
    note(f"cost: {' and '.join(str(len(each)) for each in splits)} images with {names}")
    if dry_run:
        return
    with options.progress() as progress:
        for dataset in splits:
            datasets.prepare(shapes, dataset, seed, cache, progress.task(dataset.name, "images"))
    size = _kept(cache)["shape"]["bytes"] / 1e6
    note(f"{names} of {name} are ready in {cache.folder} ({size:.1f} MB)")


@app.command("list")
def list_(workspace: Workspace = Path("mlruns"), as_json: Json = False) -> None:
    """Show which data sets are at hand, what the cache keeps, and what waits for MLflow."""
    from rgf_keras import outputs
    from rgf_keras.cache import Cache
    from rgf_keras.datasets import available
    from rgf_keras.tracking.spool import MAX_BYTES

    cache, places, spool = Cache(), available(), workspace / "spool"
    kept, waiting = _kept(cache), outputs.size(spool)
    table = Table("data set", "where")
    for name, where in places.items():
        table.add_row(name, where)
    most = f"at most {cache.max_bytes / 1e9:g} GB (RGF_CACHE_GB)"
    lines = [f"kept in {cache.folder}, {most}:" if kept else f"nothing is kept in {cache.folder}"]
    for name, sizes in kept.items():
        lines.append(f"  {name}: {sizes['files']} files, {sizes['bytes'] / 1e6:.1f} MB")
    if waiting:
        most = f"at most {MAX_BYTES / 1e9:g} GB"
        lines.append(f"waits for MLflow in {spool}, {most}: {waiting / 1e6:.1f} MB")
    bounds: dict[str, float] = {"cache_bytes": cache.max_bytes, "spool_bytes": MAX_BYTES}
    record: dict[str, Any] = {"data_sets": places, "cache": str(cache.folder), "kept": kept}
    record |= {"spool": str(spool), "waiting_bytes": waiting, "at_most": bounds}
    show(as_json, record, table, *lines)


@app.command()
def clear(
    everything: Annotated[
        bool, typer.Option("--all", help="Delete oracles and balanced models' results too.")
    ] = False,
) -> None:
    """Delete prepared images, and what killed processes left. They are made again when needed."""
    from rgf_keras.cache import Cache

    cache = Cache()
    kinds = tuple(_kept(cache)) if everything else ("shape",)
    note(f"{cache.clear(kinds) / 1e6:.1f} MB freed in {cache.folder}")


def _kept(cache: "Cache") -> dict[str, dict[str, int]]:
    """How many files of each kind the cache keeps, and their bytes."""
    kept: dict[str, dict[str, int]] = {}
    for entry in cache.entries():
        kind = kept.setdefault(entry.kind, {"files": 0, "bytes": 0})
        kind["files"] += 1
        kind["bytes"] += entry.size
    return kept
