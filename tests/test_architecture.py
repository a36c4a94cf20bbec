"""Imports point down, read from the source.

::

    cli > reproduce > reports > experiments > tracking, figures > config > training, metrics
    training, metrics (which do not know each other) > models > backend;   datasets
    below all: errors < runtime, archive, plugins < cache
    metrics, datasets, config: no Keras when imported, but for metrics.features
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rgf_keras

PACKAGE = Path(rgf_keras.__file__).parent
BASE = {"errors", "archive", "runtime", "plugins", "cache"}
BELOW_CONFIG = BASE | {"datasets", "backend", "models", "training", "metrics"}
BELOW_EXPERIMENTS = BELOW_CONFIG | {"config", "tracking", "figures"}
MAY_IMPORT = {
    "__init__": set(),
    "errors": set(),
    "archive": {"errors"},
    "runtime": {"errors"},
    "plugins": {"errors"},
    "cache": {"errors", "archive", "runtime"},
    "datasets": BASE,
    "backend": BASE,
    "models": BASE | {"backend"},
    "metrics": BASE | {"models"},  # features alone, which are Keras code
    "training": BASE | {"backend", "models"},
    "config": BELOW_CONFIG,  # what builds from it imports it when it builds
    "tracking": BASE | {"metrics"},  # the z-table, NumPy alone
    "figures": BASE | {"metrics"},
    "experiments": BELOW_EXPERIMENTS,
    "reports": BELOW_EXPERIMENTS | {"experiments"},
    "reproduce": BELOW_EXPERIMENTS | {"experiments", "reports"},
    "testing": BELOW_EXPERIMENTS | {"experiments"},
    "cli": BELOW_EXPERIMENTS | {"experiments", "reports", "reproduce"},
}
# Rooms of experiments.
ROOMS = {
    "assessment": set(),
    "scores": set(),
    "rejection": {"assessment"},
    "studies": {"assessment"},
}
FEATURES = PACKAGE / "metrics" / "features.py"
BACKENDS = {"tensorflow", "jax", "torch"}
FILES = sorted(PACKAGE.rglob("*.py"))


def unit(path: Path) -> str:
    """The part of the package that a file belongs to, e.g. ``models``."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, at_module_level: bool = False) -> Iterator[str]:
    """Dotted names that a file imports."""
    tree = ast.parse(path.read_text())
    hidden = set()
    if at_module_level:
        functions = (ast.FunctionDef, ast.AsyncFunctionDef)
        bodies = [node for node in ast.walk(tree) if isinstance(node, functions)]
        hidden = {inner for body in bodies for inner in ast.walk(body)}
    for node in ast.walk(tree):
        if node in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def roots(path: Path, at_module_level: bool = False) -> set[str]:
    """Top-level packages that a file imports, e.g. ``{"numpy", "keras"}``."""
    return {name.split(".")[0] for name in imports(path, at_module_level)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    own = unit(path)
    inside = [name.split(".") for name in imports(path) if name.startswith("rgf_keras.")]
    units = {parts[1] for parts in inside} - {own, "__version__"}
    assert units <= MAY_IMPORT[own]


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_down_in_experiments(room):
    for path in (PACKAGE / "experiments" / room).glob("*.py"):
        names = [name.split(".") for name in imports(path)]
        rooms = {name[2] for name in names if name[:2] == ["rgf_keras", "experiments"]}
        assert rooms & ROOMS.keys() <= ROOMS[room] | {room}, path


def test_every_unit_has_a_place():
    assert {unit(path) for path in FILES} <= MAY_IMPORT.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_backend_names_a_backend(path):
    assert unit(path) == "backend" or not roots(path) & BACKENDS


@pytest.mark.parametrize(
    "name",
    [
        *("datasets", "metrics", "config", "tracking", "figures", "runtime", "archive", "cache"),
        *("errors", "plugins", "cli", "__init__"),
    ],
)
def test_numpy_parts_import_no_keras(name):
    for path in (path for path in FILES if unit(path) == name and path != FEATURES):
        assert not roots(path, at_module_level=True) & {"keras", *BACKENDS}
        if name == "metrics":
            assert "keras" not in roots(path), "not even inside functions"


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_only_its_backbone_imports_kerascv_and_with_it_tensorflow(backend):
    modules = "models", "training", "experiments.rejection.reject", "metrics.features", "cli"
    imported = ", ".join(f"rgf_keras.{module}" for module in modules)
    heavy = {"keras_cv", "tensorflow"}
    code = (
        f"import sys, {imported}\n"
        "rgf_keras.models.DDPM((4, 4, 1), 'tiny', width=4)\n"
        f"print(*{heavy} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": backend},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    "module", ["rgf_keras", "rgf_keras.datasets", "rgf_keras.metrics", "rgf_keras.cli"]
)
def test_importing_does_not_choose_a_backend(module):
    heavy = {"keras", "tensorflow", "jax", "torch"}
    code = f"import sys, {module}; print(*{heavy} & set(sys.modules))"
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
