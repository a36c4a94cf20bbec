"""Every command that documents name: its options are known, and what it would do is told."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer

from rgf_keras.cli import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "examples" / "README.md", ROOT / "CONTRIBUTING.md"]
# What is the reader's own, or is not at hand everywhere.
OWN = re.compile(r"my_\w+\.py|cifar10\.npz|quality/(clean_)?fid|joint\.py|mr_tau\.py|score_vae\.py")
PLANNED = ("assess", "calibrate", "reject", "score", "study run")


def commands() -> list[str]:
    """Those of fenced blocks, and of the studies' own words."""
    lines = [
        line
        for document in DOCUMENTS
        for block in re.findall(r"```\w*\n(.*?)```", document.read_text(), re.DOTALL)
        for line in block.splitlines()
    ]
    for study in sorted((ROOT / "studies").glob("*.py")):
        lines += re.findall(r"^Command: +(.*)", study.read_text(), re.MULTILINE)
    found = (re.match(r"(?:- run: )?rgf (.*?)(?:\s{2,}.*)?$", line) for line in lines)
    return list(dict.fromkeys(match[1] for match in found if match))


COMMANDS = commands()


def test_there_are_some():
    assert len(COMMANDS) > 40


@pytest.mark.parametrize("command", COMMANDS)
def test_its_options_are_known(command):
    parser = typer.main.get_command(app)
    arguments = shlex.split(command, comments=True)
    context = click.Context(parser, info_name="rgf")
    while isinstance(parser, click.Group):
        name, parser, arguments = parser.resolve_command(context, arguments)
        context = click.Context(parser, info_name=name, parent=context)
    parser.make_context(context.info_name, arguments)  # refuses what it does not know


@pytest.mark.parametrize(
    "command", [each for each in COMMANDS if each.startswith(PLANNED) and not OWN.search(each)]
)
def test_what_it_would_do_is_told(command, tmp_path):
    folder = ROOT / "examples" if (ROOT / "examples" / command.split()[-1]).is_file() else ROOT
    arguments = [*shlex.split(command, comments=True), "--workspace", str(tmp_path / "w")]
    arguments += [] if "--dry-run" in arguments else ["--dry-run"]
    line = [sys.executable, "-m", "rgf_keras.cli", *arguments]
    done = subprocess.run(line, capture_output=True, text=True, cwd=folder)
    if "cannot download" in done.stderr:
        pytest.skip("the data are not at hand")
    assert done.returncode == 0, done.stderr
