"""`rgf data`: look at data sets, and at what is kept of them."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from rgf_keras.cli.options import Json, choose_backend, err, out, parse_settings

app = typer.Typer(no_args_is_help=True, help="Look at, prepare and clear data sets.")

Name = Annotated[str, typer.Argument(help="one that `rgf data list` shows.")]
Seed = Annotated[int, typer.Option(min=0, help="Which images have the factor.")]


@app.command()
def preview(
    name: Name = "mnist-10k",
    factor: Annotated[str, typer.Option(help="What to plant, or what the images have.")] = "colour",
    rare_class: Annotated[int, typer.Option(min=0, help="The class that has it.")] = 1,
    rarity: Annotated[float, typer.Option(help="How exclusively, 1 for always.")] = 1.0,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter of the factor: key=value.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="PNG.")] = Path("preview.png"),
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Draw images with and without a factor, and count them."""
    choose_backend(None)
    from rgf_keras.cache import Cache
    from rgf_keras.config import AssessConfig, parse
    from rgf_keras.experiments.assessment.data import make_sets
    from rgf_keras.figures import preview as previews
    from rgf_keras.runtime.progress import on_console

    settings = {"name": name, "factor": factor, "rare_class": rare_class, "rarity": rarity}
    tree = {"data": {**settings, "factor_parameters": parse_settings(set_)}}
    config = parse(tree, AssessConfig).data
    with on_console(err) as progress:
        sets = make_sets(config, seed, Cache(), progress)
    previews.draw(output, sets.balanced)
    if as_json:
        typer.echo(json.dumps(previews.count_records(sets)))
    else:
        out.print(previews.count_table(sets))
    err.print(f"pictures: {output}")


@app.command()
def prepare(
    name: Name = "mnist-10k",
    factor: Annotated[
        list[str] | None, typer.Option(help="May be repeated; all shape factors if not given.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Make the digits of shape factors once, for every later run."""
    choose_backend(None)
    from rgf_keras import datasets
    from rgf_keras.cache import Cache
    from rgf_keras.datasets.factors import ShapeFactor, shape_factors
    from rgf_keras.errors import RgfError
    from rgf_keras.runtime.progress import on_console

    factors = [datasets.factor(each) for each in factor or shape_factors()]
    shapes = [each for each in factors if isinstance(each, ShapeFactor)]
    if len(shapes) < len(factors):
        raise RgfError(f"only shape factors take preparing: {', '.join(shape_factors())}")
    cache = Cache()
    with on_console(err) as progress:
        for split in ("train", "test"):
            dataset = datasets.load(name, split)
            datasets.prepare(shapes, dataset, seed, cache, progress.task(dataset.name, "images"))
    names = ", ".join(each.name for each in shapes)
    err.print(f"{names} of {name} are ready in {cache.folder} ({_megabytes(cache, 'shape')})")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show which data sets are at hand, and what is kept of them."""
    from rgf_keras.cache import Cache
    from rgf_keras.datasets import available

    cache = Cache()
    found: dict[str, str] = available()
    kept: dict[str, dict[str, Any]] = {}
    for entry in cache.entries():
        kind = kept.setdefault(entry.kind, {"files": 0, "bytes": 0})
        kind["files"] += 1
        kind["bytes"] += entry.size
    if as_json:
        typer.echo(json.dumps({"data_sets": found, "cache": str(cache.folder), "kept": kept}))
        return
    table = Table("data set", "where")
    for name, where in found.items():
        table.add_row(name, where)
    out.print(table)
    out.print(f"kept in {cache.folder}:" if kept else f"nothing is kept in {cache.folder}")
    for name, sizes in kept.items():
        out.print(f"  {name}: {sizes['files']} files, {sizes['bytes'] / 1e6:.1f} MB")


@app.command()
def clear(
    everything: Annotated[
        bool, typer.Option("--all", help="Oracles and balanced models' results too.")
    ] = False,
) -> None:
    """Delete prepared images. They are made again when they are needed."""
    from rgf_keras.cache import Cache

    cache = Cache()
    kinds = {entry.kind for entry in cache.entries()} if everything else {"shape"}
    err.print(f"{cache.clear(tuple(kinds)) / 1e6:.1f} MB freed in {cache.folder}")


def _megabytes(cache: Any, kind: str) -> str:
    size = sum(entry.size for entry in cache.entries() if entry.kind == kind)
    return f"{size / 1e6:.1f} MB"
