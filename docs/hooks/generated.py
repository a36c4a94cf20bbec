"""What pages say of commands and metrics, written from the code while they are built."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import typer

from rgf_keras.cli import app
from rgf_keras.cli.records import RECORDS
from rgf_keras.metrics import catalogue, on_request

KINDS = {int: "whole number", float: "number", Path: "path"}


def on_page_markdown(markdown, page, config, files):
    return expand(markdown)


def expand(markdown: str) -> str:
    """The page with what it leaves to be filled in, as ``<!-- every command -->``."""
    for name, write in PARTS.items():
        if (mark := f"<!-- {name} -->") in markdown:
            markdown = markdown.replace(mark, "\n".join(write()))
    return markdown


def _commands() -> Iterator[str]:
    return _lines(typer.main.get_command(app), "rgf")


def _metrics(metrics) -> Iterator[str]:
    yield "| metric | what it is | unit | better |\n|---|---|---|---|"
    for each in metrics:
        key = each.key.replace("{space}", "SPACE").replace("{copying_space}", "SPACE")
        key = key.replace("{class}", "CLASS")
        label = each.label.replace(" in {copying_space}", "") or key
        yield f"| `{key}` | {label} | {each.unit} | {each.better} |"


def _records() -> Iterator[str]:
    for command, keys in RECORDS.items():
        yield f"## rgf {command}\n\n| key | what it is |\n|---|---|"
        yield from (f"| `{key}` | {text} |" for key, text in keys.items())
        yield ""


PARTS = {
    "every record": _records,
    "every command": _commands,
    "every metric": lambda: _metrics(catalogue.METRICS),
    "metrics on request": lambda: _metrics(on_request.ON_REQUEST),
}


def _lines(command, name: str) -> Iterator[str]:
    if name != "rgf":
        yield f"{'##' if name.count(' ') == 1 else '###'} {name}\n"
        yield f"{command.help}\n"
    if hasattr(command, "commands"):
        for each, child in command.commands.items():
            yield from _lines(child, f"{name} {each}")
        return
    given = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option"]
    words = [name, *(_argument(each) for each in given), *(["[OPTIONS]"] if options else [])]
    yield f"```text\n{' '.join(words)}\n```\n"
    shown = [each for each in (*given, *options) if not getattr(each, "hidden", False)]
    if shown:
        yield "| option | meaning |\n|---|---|"
        yield from (f"| {_name(each)} | {_text(each)} |" for each in shown)
        yield ""


def _argument(parameter) -> str:
    name = parameter.name.upper()
    return name if parameter.required else f"[{name}]"


def _name(parameter) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    names = ", ".join(f"`{name}`" for name in parameter.opts)
    return names if parameter.is_flag else f"{names} {_kind(parameter.type_descriptor.annotation)}"


def _kind(annotation) -> str:
    choices = get_args(annotation)
    if choices and isinstance(choices[0], str):
        return " or ".join(f"*{choice}*" for choice in choices)
    return f"*{KINDS.get(annotation, 'text')}*"


def _text(parameter) -> str:
    text = (parameter.help or "").replace("|", r"\|")
    if parameter.required:
        return f"{text} Required."
    default = parameter.default
    is_told = isinstance(default, str | int | float | Path) and not isinstance(default, bool)
    return f"{text} Default: `{default}`." if is_told else text
