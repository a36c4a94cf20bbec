"""The command line: bad input is one line and exit code 2."""

import json
import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from rgf_keras.cli import app, system
from rgf_keras.errors import RgfError

STUDY = Path(__file__).parents[1] / "studies" / "quickstart.py"


@pytest.fixture
def rgf(rgf_here, tmp_path):
    """A command in this process, in an empty folder."""
    return partial(rgf_here, tmp_path)


def run(*arguments, **environment):
    """A command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "rgf_keras.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def assert_one_line(result, *parts):
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.returncode == 2, result.stderr
    assert len(lines) == 1
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in lines[0]


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("training.epoks=3", ["training.epoks"]),
        ("spectral_decoupling.weight=-1", ["spectral_decoupling.weight", "-1"]),
        ("evaluation.num_samples=0", ["evaluation.num_samples", "0"]),
        ("data.rare_class=12", ["rare_class 12"]),
        ("nonsense", ["key=value"]),
        ("evaluation.num_references=0", ["evaluation.num_references", "0"]),
        ("evaluation.num_trainings=0", ["evaluation.num_trainings", "0"]),
        (
            "evaluation={test: sample, num_references: 3}",
            ["num_references: the test 'sample' compares samples of one training"],
        ),
    ],
)
def test_bad_configuration(rgf, tmp_path, change, parts):
    assert_one_line(rgf("assess", "--set", change, "--workspace", tmp_path), *parts)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--seeds", 3), ["num_trainings 1", "num_references 3", "3 seeds", "--seeds 4"]),
        (("--set", "evaluation.num_trainings=4"), ["num_trainings 4", "--seeds 7 or more"]),
        (
            ("--set", "evaluation.num_trainings=3", "--skewed", 2),
            ["num_trainings 3 is more than 2 skewed trainings", "--skewed 3 or more"],
        ),
    ],
)
def test_calibrations_of_more_trainings_than_there_are(rgf, tmp_path, arguments, parts):
    arguments = ("--seeds", 6, *arguments) if "--seeds" not in arguments else arguments
    assert_one_line(rgf("calibrate", *arguments, "--workspace", tmp_path / "none"), *parts)
    assert not (tmp_path / "none").exists()


def test_the_plan_of_a_calibration(rgf, tmp_path):
    arguments = ("--seeds", 8, "--skewed", 4, "--set", "evaluation.num_trainings=3", "--dry-run")
    plan = json.loads(rgf("calibrate", *arguments, "--json", "--workspace", tmp_path).stdout)
    assert (plan["balanced"], plan["skewed"], plan["compared"]) == (8, 4, [[3, 3], [1, 7]])
    assert plan["config"]["evaluation"]["num_trainings"] == 3


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--set", "num_folds=8001"), ["num_folds", "[2, 8000]", "8001"]),
        (("--set", "model={family: gan}"), ["GAN", "cannot tell how likely", "model.family"]),
        (("--against", "nowhere"), ["nowhere/scores.npz does not exist"]),
    ],
)
def test_scores_that_cannot_be(rgf, tmp_path, arguments, parts):
    result = rgf("score", *arguments, "--workspace", tmp_path / "none", "--dry-run")
    assert_one_line(result, *parts)
    assert not (tmp_path / "none").exists()


def test_results_of_another_configuration(rgf, tmp_path):
    (tmp_path / "fits.json").write_text('{"key": "another"}')
    result = rgf("score", "--results", tmp_path, "--workspace", tmp_path)
    assert_one_line(result, str(tmp_path), "another configuration")


def test_the_plan_of_a_score_tells_its_cost(rgf, tmp_path):
    arguments = ("--set", "num_repeats=4", "--set", "num_folds=8", "--dry-run", "--json")
    plan = json.loads(rgf("score", *arguments, "--workspace", tmp_path / "none").stdout)
    assert (plan["images"], plan["fits"]) == (8000, 33)
    assert plan["steps_per_fit"] == 100 * (7000 // 64)
    assert plan["config"]["num_repeats"] == 4
    assert not (tmp_path / "none").exists()


def test_broken_study_file(rgf, tmp_path):
    file = tmp_path / "broken.py"
    file.write_text("study = (")
    assert_one_line(rgf("study", "run", file, "--workspace", tmp_path), "broken.py line 1")


@pytest.mark.parametrize("content", [None, b"PK truncated"])
def test_missing_or_truncated_mnist(rgf, tmp_path, content):
    if content:
        (tmp_path / "mnist.npz").write_bytes(content)
    result = rgf(
        "assess", "--set", "data.name=mnist", "--workspace", tmp_path, RGF_DATA_DIR=tmp_path
    )
    assert_one_line(result, "mnist.npz")


# Runs `rgf` and prints which of the slow modules it has imported.
SPY = """
import atexit, sys
from rgf_keras.cli import main

slow = {"keras", "tensorflow", "jax", "torch", "mlflow", "optuna", "scipy", "matplotlib", "skimage"}
atexit.register(lambda: print("imported:", *sorted(slow & sys.modules.keys())))
main()
"""
BACKENDS = {"keras", "tensorflow", "jax", "torch"}


def slow_imports(*arguments):
    """What `rgf` said, and the slow modules that it imported for it."""
    command = [sys.executable, "-c", SPY, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said, _, modules = done.stdout.rpartition("imported:")
    return said + done.stderr, set(modules.split())


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("assess", "--set", "training.epoks=3"), "training.epoks: unknown key; did you mean"),
        (("assess", "nowhere.yaml"), "nowhere.yaml does not exist"),
        (("assess", "--workspace", __file__), "choose another --workspace"),
        (("reject", "--set", "rejection.mod=mask"), "rejection.mod: unknown key; did you mean"),
        (("reject", "--threshold", "3"), "rejection.threshold"),
        (("score", "--set", "num_fold=3"), "num_fold: unknown key; did you mean"),
        (("study", "run", "nowhere.py"), "nowhere.py does not exist"),
        (("sample", "nowhere.keras"), "nowhere.keras does not exist"),
        (("sample", "/tmp/nowhere/3"), "/tmp/nowhere/3 does not exist"),
        (("sample", "local-runs/model.keras"), "local-runs/model.keras does not exist"),
        (("assess", "--workspce", "x"), "--workspace"),
        (("study", "shwo"), "Did you mean 'show'?"),
        (("asess",), "Did you mean 'assess'?"),
        (("sync", "--workspace", "nowhere"), "no records in nowhere"),
        (("--help",), "assess"),
    ],
)
def test_what_is_wrong_is_told_before_anything_slow_is_imported(arguments, part):
    said, modules = slow_imports(*arguments)
    assert part in said
    assert modules == set()


def test_a_dry_run_looks_at_the_data_without_keras():
    said, modules = slow_imports("assess", "--dry-run")
    assert "spectral_decoupling" in said
    assert not modules & {*BACKENDS, "mlflow", "optuna", "matplotlib"}


def test_records_are_shown_and_sent_without_keras(finished_workspace):
    workspace = ("--workspace", finished_workspace)
    said, modules = slow_imports("sync", *workspace)
    assert "everything is in MLflow" in said
    assert modules == set()
    said, modules = slow_imports("study", "show", "reported", *workspace)
    assert "memorizes least" in said
    assert not modules & {*BACKENDS, "mlflow", "matplotlib", "skimage"}


def test_a_config_files_folder_is_importable(tmp_path):
    (tmp_path / "flow.py").write_text("from beside import x\n\ndef make(): pass\n")
    (tmp_path / "beside.py").write_text("x = 1\n")
    config = tmp_path / "config.yaml"
    config.write_text("model: {family: custom, target: 'flow:make'}\n")
    code = (
        "from pathlib import Path; from rgf_keras import plugins, config\n"
        "from rgf_keras.cli.options import read_config\n"
        f"made = read_config(config.AssessConfig, Path({str(config)!r}), None, {{}})\n"
        "print(plugins.resolve('models', made.model.target).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "make\n", done.stderr


def test_a_folder_without_a_model_and_with_several(rgf, tmp_path):
    assert_one_line(rgf("sample", tmp_path), "holds no model")
    for run, what in (("nothing/3", "studies"), ("0" * 32, "records")):
        nowhere = ("--workspace", tmp_path / "nowhere")
        assert_one_line(rgf("sample", run, *nowhere), f"there are no {what} in")
    for name in ("a/model.keras", "b/model.npz"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert_one_line(rgf("sample", tmp_path), "a/model.keras", "b/model.npz")
    assert_one_line(rgf("sample", tmp_path / "b"), "b/model.npz is corrupt")


def commands(command, name="rgf"):
    yield name, command
    for part, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{name} {part}")


@pytest.mark.parametrize(
    ("name", "command"),
    [pytest.param(*each, id=each[0]) for each in commands(typer.main.get_command(app))],
)
def test_help_stands_alone(name, command):
    texts = {name: command.help, **{each.name: each.help for each in command.params}}
    for what, text in texts.items():
        assert text, f"{name} {what} has no help"
        assert not text.startswith(("Of ", "The same ")), f"{name} {what}: {text}"
        assert text[0].isupper(), f"{name} {what}: {text}"


def test_storage_that_cannot_be_reached(rgf, tmp_path):
    url = "sqlite:////nowhere/at/all/optuna.db"
    result = rgf("study", "run", STUDY, "--storage", url, "--workspace", tmp_path)
    assert_one_line(result, url)


def test_workspace_that_cannot_be_written(rgf, tmp_path):
    (tmp_path / "file").touch()
    assert_one_line(rgf("study", "run", STUDY, "--workspace", tmp_path / "file"), "cannot write")


def test_debug_shows_the_traceback(tmp_path):
    result = run("--debug", "assess", tmp_path / "missing.yaml")
    assert "Traceback" in result.stderr
    assert "missing.yaml" in result.stderr


def test_dry_run_shows_the_plan_and_makes_nothing(rgf, tmp_path):
    workspace = tmp_path / "mlruns"
    arguments = ("study", "run", STUDY, "--workspace", workspace, "--dry-run", "--json")
    plan = json.loads(rgf(*arguments).stdout)
    assert plan["num_trials"] == 5
    assert {"factor", "space", "weight"} <= set(plan["search_space"])
    assert not workspace.exists()


def test_show_without_studies(rgf, tmp_path):
    assert_one_line(rgf("study", "show", "x", "--workspace", tmp_path), "no studies")


def test_info_names_the_backend(rgf):
    assert json.loads(rgf("info", "--json").stdout)["backend"] == os.environ["KERAS_BACKEND"]


def test_preview_counts_and_draws(rgf, tmp_path):
    picture = tmp_path / "preview.png"
    arguments = ("data", "preview", "--rarity", "0.9", "-o", picture, "--json")
    records = json.loads(rgf(*arguments).stdout)
    rare = next(row for row in records if row["set"] == "skewed" and row["class"] == "1")
    assert rare == {"set": "skewed", "class": "1", "red": 91, "green": 817}
    assert picture.stat().st_size > 10_000


def test_prepared_digits_are_listed_and_cleared(rgf, tmp_path):
    cache = {"RGF_CACHE_DIR": str(tmp_path)}
    prepared = rgf("data", "prepare", "--factor", "thinning", **cache)
    assert "thinning of mnist-10k are ready" in prepared.stderr
    listed = json.loads(rgf("data", "list", "--json", **cache).stdout)
    assert listed["data_sets"]["mnist-10k"] == "bundled"
    assert listed["kept"]["shape"]["files"] == 4  # plain and thin, training and test
    assert "MB freed" in rgf("data", "clear", **cache).stderr
    assert json.loads(rgf("data", "list", "--json", **cache).stdout)["kept"] == {}


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("preview", "--factor", "size"), "unknown factor 'size'"),
        (("preview", "--factor", "thinning", "--set", "amount=-1"), "above 0"),
        (("preview", "folder:nowhere"), "nowhere does not exist"),
        (("preview", "compcars"), "on request only"),
        (("prepare", "--factor", "colour"), "only shape factors"),
        (("prepare", "cifar"), "unknown data set 'cifar'"),
    ],
)
def test_bad_data(rgf, tmp_path, arguments, part):
    assert_one_line(rgf("data", *arguments, RGF_DATA_DIR=str(tmp_path)), part)


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_backends_start_without_a_word(backend):
    result = run("info", "--json", KERAS_BACKEND=backend, TF_CPP_MIN_LOG_LEVEL="3")
    assert result.returncode == 0
    assert result.stderr == ""
    assert json.loads(result.stdout)["backend"] == backend


@pytest.mark.parametrize("command", ["ui", "dashboard"])
def test_a_port_that_is_none(command, tmp_path):
    done = CliRunner().invoke(app, [command, "--port", "99999", "--workspace", str(tmp_path)])
    assert done.exit_code == 2


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(RgfError, match=rf"cannot listen on 127\.0\.0\.1:{port} \(.*\); choose"):
            system.free_port("127.0.0.1", port)
    assert system.free_port("127.0.0.1", port) == port


def test_a_host_of_ipv6():
    if socket.has_ipv6:
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
            port = server.getsockname()[1]
        assert system.free_port("::1", port) == port
