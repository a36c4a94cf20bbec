"""What a release says of itself is said in several places."""

import re
import tomllib
from pathlib import Path

import yaml

import rgf_keras

ROOT = Path(__file__).parents[1]


def test_one_version_is_named_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    newest = re.search(r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert {project["version"], citation["version"], newest[1]} == {rgf_keras.__version__}
    assert str(citation["date-released"]) == newest[2]


def test_hooks_are_the_lint_of_ci():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    makefile = (ROOT / "Makefile").read_text().replace("$(BIN)", ".venv/bin")
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
    commands = [line.strip().removesuffix(" .") for line in lint.splitlines() if "@" not in line]
    assert [hook["entry"] for hook in hooks] == commands


def test_a_wheel_is_typed():
    assert (ROOT / "rgf_keras" / "py.typed").exists()
