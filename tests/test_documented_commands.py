"""Every command that documents name: its options are known, and what it would do is told.

Commands stand in fenced blocks, one on a line; those of other programs in blocks called ``sh``.
"""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

from rgf_keras import bundled
from rgf_keras.cli import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "examples" / "README.md", ROOT / "CONTRIBUTING.md"]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))
# What is the reader's own, or is not at hand everywhere.
OWN = re.compile(r"my_\w+\.py|folder:|cifar10|quality/(clean_)?fid|joint|mr_tau|score_vae")
PLANNED = ("assess", "calibrate", "reject", "score", "study run")


def lines_of_blocks(wanted: str) -> list[str]:
    """Lines of the fenced blocks whose names match."""
    return [
        line.strip()
        for document in DOCUMENTS
        for name, block in re.findall(
            r"^ *```([^\n]*)\n(.*?)^ *```$", document.read_text(), re.DOTALL | re.MULTILINE
        )
        if re.match(wanted, name)
        for line in block.splitlines()
    ]


def commands() -> list[str]:
    """Those of fenced blocks, and of the studies' own words."""
    lines = lines_of_blocks("")
    for study in sorted((ROOT / "studies").glob("*.py")):
        lines += re.findall(r"^Command: +(.*)", study.read_text(), re.MULTILINE)
    found = (re.match(r"(?:- run: )?rgf (.*?)(?:\s{2,}.*)?$", line) for line in lines)
    return list(dict.fromkeys(match[1] for match in found if match))


COMMANDS = commands()


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with what readers have: the studies, the examples, and the files that pages name."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "studies").symlink_to(ROOT / "studies")
    for example in (ROOT / "examples").iterdir():
        (folder / example.name).symlink_to(example)
    for document in DOCUMENTS:
        for name, text in documented_files(document):
            (folder / name).write_text(text)
    bundled.write_start(folder / "my_study.py")
    return folder


def documented_files(document: Path) -> list[tuple[str, str]]:
    """Names and texts of the files that a page has the reader write."""
    return re.findall(r'^```\w+ title="(.*?)"\n(.*?)^```$', document.read_text(), re.DOTALL | re.M)


def test_there_are_some():
    assert len(COMMANDS) > 40


@pytest.mark.parametrize("command", COMMANDS)
def test_its_options_are_known(command, desk, monkeypatch):
    monkeypatch.chdir(desk)
    parser = typer.main.get_command(app)
    arguments = shlex.split(command, comments=True)
    while hasattr(parser, "commands") and arguments[0] in parser.commands:
        parser, arguments = parser.commands[arguments[0]], arguments[1:]
    parser.make_context("rgf", arguments)  # refuses what it does not know


def plans() -> list[str]:
    """Those that have a plan, each once."""
    chosen = (each for each in COMMANDS if each.startswith(PLANNED) and not OWN.search(each))
    return list(dict.fromkeys(each.replace(" --dry-run", "") for each in chosen))


@pytest.mark.parametrize("command", plans())
def test_what_it_would_do_is_told(command, desk, tmp_path, rgf_here):
    words = shlex.split(re.sub(r" --backend \w+", "", command), comments=True)
    done = rgf_here(desk, *words, "--workspace", tmp_path / "w", "--dry-run")
    if "cannot download" in done.stderr:
        pytest.skip("the data are not at hand")
    assert done.returncode == 0, done.stderr


def others() -> list[list[str]]:
    """Commands of other programs, without settings of the environment."""
    found = (shlex.split(line, comments=True) for line in lines_of_blocks("sh$"))
    words = ([word for word in line if not re.match(r"[A-Z_]+=", word)] for line in found)
    return [line for line in words if line and line[0] != "rgf"]


@pytest.mark.parametrize("words", others(), ids=" ".join)
def test_other_programs_have_what_they_are_asked_for(words):
    program, *arguments = words
    if program == "make":
        assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program == "pip":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = re.findall(r"\[(.*?)\]", arguments[-1])
        named = {extra for each in extras for extra in each.split(",")}
        assert named <= project["optional-dependencies"].keys()
    else:
        assert Path(program).name in ("python", "bash", "psql", "ray", "cp"), program
        files = [word for word in arguments if word.startswith(("tests/", "studies/", "examples/"))]
        assert all((ROOT / file).exists() for file in files)
