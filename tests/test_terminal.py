"""What holds for every command in a terminal, a pipe and a log: cost, progress, width, JSON."""

import inspect
import io
import json
import re
import subprocess
import sys
from functools import partial

import json_records
import numpy as np
import pytest
import typer
from rich.console import Console

from rgf_keras.cli import app
from rgf_keras.cli.records import RECORDS
from rgf_keras.metrics import rgf_table
from rgf_keras.reports import outcome
from rgf_keras.reports.terminal import Table
from rgf_keras.runtime import progress

# What a command calls that shows progress.
WORKS = re.compile(r"progress\(\)|open_context\(|run_study\(|check_data\(")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
# Images of two classes and of both, without and with a factor.
EVEN, SKEWED = [[500, 500], [500, 500], [1000, 1000]], [[990, 10], [900, 100], [1890, 110]]
LOOKS = {"data preview"}  # which is short, and a look itself


def commands(command=None, name=""):
    """Every command by its name, with what Typer knows of it."""
    command = command or typer.main.get_command(app)
    if not hasattr(command, "commands"):
        return {name: command}
    found = {}
    for each, child in command.commands.items():
        found |= commands(child, f"{name} {each}".strip())
    return found


COMMANDS = commands()
every_command = pytest.mark.parametrize("name", COMMANDS)


def options(name):
    return {option for each in COMMANDS[name].params for option in each.opts}


@pytest.fixture
def rgf(rgf_here, tmp_path):
    return partial(rgf_here, tmp_path)


def run(*arguments, **environment):
    """The exit code of a command whose reader goes after a line, and what it says to stderr."""
    command = [sys.executable, "-m", "rgf_keras.cli", *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        process.stdout.close()
        said = process.stderr.read().decode()
    return process.returncode, said


@every_command
def test_its_help_fits_in_60_columns(rgf, name):
    done = rgf(*name.split(), "--help", COLUMNS=60, TERMINAL_WIDTH=60, NO_COLOR=1)
    assert max(map(len, done.stdout.splitlines())) <= 60
    assert "…" not in done.stdout
    shown = done.stdout.replace(",", " ").split()
    assert {option for option in options(name) if option.startswith("-")} <= {*shown}


@every_command
def test_what_takes_long_can_be_planned_and_hushed(name):
    source = inspect.getsource(inspect.unwrap(COMMANDS[name].callback))
    if not WORKS.search(source):
        return
    assert "--quiet" in options(name)
    if name not in LOOKS:
        assert "--dry-run" in options(name)
        assert "cost" in source


def command_of(record):
    return record.split(" --")[0].split(" (")[0]


@every_command
def test_its_json_is_documented(name):
    modes = {f"{name} --dry-run"} if {"--json", "--dry-run"} <= options(name) else set()
    wanted = {name, *modes} if "--json" in options(name) else set()
    assert {key for key in RECORDS if command_of(key) == name and "(" not in key} == wanted


def test_nothing_else_is_documented():
    assert {command_of(key) for key in RECORDS} <= COMMANDS.keys()


def test_other_keys_are_found():
    tree = json_records.tree({"a": "", "b[]": "", "b[].c": "", "d": "", "d.{name}": ""})
    found = {"a": {"free": 1}, "b": [{"c": 1}, {"x": 2}], "d": {"y": 3}}
    assert json_records.differences(found, tree) == [
        ".b[].c is missing",
        ".b[].x is not documented",
    ]
    assert json_records.differences({"a": 1}, tree) == [".b is missing", ".d is missing"]


def test_results_of_trainings_have_the_documented_keys():
    rows = rgf_table.build(np.array(SKEWED), np.array(EVEN), ["a", "b"], 0)
    printed = json.dumps({"metrics": {"rgf/gap": 0.4}, "table": rgf_table.to_records(rows)})
    json_records.check("assess", json.loads(printed))
    assert "false_calls[].rows" in RECORDS["calibrate"]
    assert {"found[]", "gaps[].nothing"} <= RECORDS["calibrate"].keys()


@pytest.mark.parametrize("arguments", [("--json",), ()])
def test_a_study_is_shown_in_60_columns_without_colours(rgf, finished_workspace, arguments):
    shown = ("study", "show", "reported", "--workspace", finished_workspace)
    done = rgf(*shown, *arguments, COLUMNS=60, NO_COLOR=1)
    assert not CONTROL.search(done.stdout)
    assert done.stderr == ""
    if arguments:
        assert json.loads(done.stdout)["study"] == "reported"
        return
    assert "…" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 60
    assert len(re.findall(r"weight=0\.\d+", done.stdout)) >= 6


@pytest.mark.parametrize("trainings", [1, 3])
@pytest.mark.parametrize("width", [60, 80])
def test_tables_are_whole_in_60_columns(width, trainings):
    names = ["automobile", "a class with a long name"]
    counts, known = (np.array([each] * trainings) for each in (SKEWED, EVEN))
    rows = rgf_table.build(counts, known, names, 1, "two_sample" if trainings == 1 else "trainings")
    console = Console(file=io.StringIO(), width=width, markup=False)
    console.print(outcome.assessment_table(rows))
    text = console.file.getvalue()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for row in rows:
        assert row.name in " ".join(text.split())
        assert row.verdict in " ".join(text.split())


def test_a_table_is_blocks_of_lines_where_its_words_do_not_fit():
    table = Table("trial", "parameters", title="A title.", caption="A caption.")
    table.add_row("3", "spectral_decoupling.weight=0.123")
    console = Console(file=io.StringIO(), width=30)
    console.print(table)
    lines = [line.strip() for line in console.file.getvalue().splitlines()]
    assert lines[:2] == ["A title.", "trial 3"]
    assert lines[-1] == "A caption."
    assert "spectral_decoupling.weight=0.1" in "".join(lines)


@pytest.mark.parametrize("arguments", [("study", "list"), ("study", "list", "--json"), ("--help",)])
def test_a_reader_that_goes_ends_a_command_quietly(arguments):
    code, said = run(*arguments)
    assert (code, said) == (141, "")


def test_a_quiet_command_says_its_result_alone(rgf):
    told = rgf("assess", "--dry-run", "--set", "data.num_train=2000")
    assert re.search(r"cost: 4 trainings of \d+ steps of \d+ images", told.stderr)
    quiet = rgf("assess", "--dry-run", "--set", "data.num_train=2000", "--quiet")
    assert quiet.stdout == told.stdout
    assert quiet.stderr == ""
    wrong = rgf("assess", "--dry-run", "--quiet", "--set", "data.rare_class=12")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: ")


class Clock:
    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


@pytest.mark.parametrize("terminal", [{}, {"TERM": "dumb"}])
def test_progress_in_a_log_is_a_line_now_and_then(monkeypatch, terminal):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    is_terminal = True if terminal else None
    console = Console(file=io.StringIO(), width=60, force_terminal=is_terminal, _environ=terminal)
    with progress.on_console(console) as shown:
        task = shown.task("epochs [red]", "steps")
        for done in range(1, 36_001):  # ten hours, the first step of which takes a minute longer
            clock.now = 60.0 + done
            task(done, 36_000)
    text = console.file.getvalue()
    lines = text.splitlines()
    assert not CONTROL.search(text)
    assert 20 < len(lines) < 100
    assert lines[0] == "epochs [red]: 1 of 36000 steps"  # nothing is known yet
    assert re.fullmatch(r"epochs \[red\]: \d+ of 36000 steps, about 10 h left", lines[1])
    assert lines[-1] == "epochs [red]: 36000 steps in 10 h"
