"""The shape of the package, read from its source: imports point down, modules are short.

::

    cli > reproduce > reports > experiments > tracking, figures > config > training, metrics
    training, metrics (which do not know each other) > models > backend;   datasets
    below all: masking < errors, strict_json < names, image_sizes, runtime, plugins, downloads
    < outputs < archive < cache
    metrics, datasets, config: no Keras when imported, but for metrics.features and .inception
"""

import ast
import functools
import graphlib
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rgf_keras

PACKAGE = Path(rgf_keras.__file__).parent
BASE = {
    *("masking", "errors", "names", "strict_json", "outputs", "image_sizes", "archive", "runtime"),
    *("plugins", "downloads", "cache", "bundled"),
}
BELOW_CONFIG = BASE | {"datasets", "backend", "models", "training", "metrics"}
BELOW_EXPERIMENTS = BELOW_CONFIG | {"config", "tracking", "figures"}
# By part of the package, the lowest first.
MAY_IMPORT = {
    "__init__": set(),
    "masking": set(),
    "errors": {"masking"},
    "names": {"errors", "masking"},
    "strict_json": set(),
    "outputs": {"errors", "runtime"},
    "image_sizes": {"errors"},
    "archive": {"errors", "outputs"},
    "runtime": {"errors"},
    "plugins": {"errors"},
    "bundled": {"errors"},
    "downloads": {"errors"},
    "cache": {"errors", "archive", "outputs", "runtime"},
    "datasets": BASE,
    "backend": BASE,
    "models": BASE | {"backend"},
    "metrics": BASE | {"backend", "models"},  # features alone, which are Keras code
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
    "audit": set(),
    "scores": set(),
    "rejection": {"assessment"},
    "studies": {"assessment"},
}
FEATURES = {PACKAGE / "metrics" / name for name in ("features.py", "inception.py")}
BACKENDS = {"tensorflow", "jax", "torch"}
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 35_550
MAX_SHARE_OF_EXPERIMENTS = 0.2
MAX_MODULE_LINES = 400
MAX_MEDIAN_LINES = 6

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))


@functools.cache
def nodes(path: Path) -> list[ast.AST]:
    """All of a file's syntax."""
    return list(ast.walk(ast.parse(path.read_text())))


def unit(path: Path) -> str:
    """The part of the package that a file belongs to, e.g. ``models``."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    """The dotted name of a file's module."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imports(path: Path, when_imported: bool = False) -> Iterator[str]:
    """Dotted names that a file imports: all, or those that it needs to be imported itself."""
    hidden = set()
    if when_imported:
        bodies = [node for node in nodes(path) if _is_body(node)]
        hidden = {inner for body in bodies for inner in ast.walk(body)}
    for node in nodes(path):
        if node in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_body(node: ast.AST) -> bool:
    """Whether what is inside is not run when the module is imported."""
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def roots(path: Path, when_imported: bool = False) -> set[str]:
    """Top-level packages that a file imports, e.g. ``{"numpy", "keras"}``."""
    return {name.split(".")[0] for name in imports(path, when_imported)}


def modules_needed(name: str) -> set[str]:
    """The modules of the package that are imported when one of them is, directly."""
    needed = set()
    for imported in imports(MODULES[name], when_imported=True):
        parts = imported.split(".")
        inside = {".".join(parts[:n]) for n in range(1, len(parts) + 1)} & MODULES.keys()
        # A package that is being imported is no circle: its modules come from its own imports.
        needed |= {module for module in inside if not f"{name}.".startswith(f"{module}.")}
    return needed


@every_file
def test_imports_point_down(path):
    own = unit(path)
    inside = [name.split(".") for name in imports(path) if name.startswith("rgf_keras.")]
    units = {parts[1] for parts in inside} - {own, "__version__"}
    assert units <= MAY_IMPORT[own]


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_down_in_experiments(room):
    for path in (PACKAGE / "experiments" / room).rglob("*.py"):
        names = [name.split(".") for name in imports(path)]
        rooms = {name[2] for name in names if name[:2] == ["rgf_keras", "experiments"]}
        assert rooms & ROOMS.keys() <= ROOMS[room] | {room}, path


def test_every_file_has_a_place():
    assert {unit(path) for path in FILES} <= MAY_IMPORT.keys()
    inside = [
        path.relative_to(PACKAGE / "experiments") for path in FILES if unit(path) == "experiments"
    ]
    assert {path.parts[0] for path in inside} == {"__init__.py", *ROOMS}


def test_no_imports_in_a_circle():
    parts = {part: allowed - {part} for part, allowed in MAY_IMPORT.items()}
    assert list(graphlib.TopologicalSorter(parts).static_order())
    needed = {name: modules_needed(name) for name in MODULES}
    assert list(graphlib.TopologicalSorter(needed).static_order())


@every_file
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
    for path in (path for path in FILES if unit(path) == name and path not in FEATURES):
        assert not roots(path, when_imported=True) & {"keras", *BACKENDS}
        if name == "metrics":
            assert "keras" not in roots(path), "not even inside functions"


def run_python(*arguments: str, **environment: str) -> str:
    """What a Python of its own prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_only_its_backbone_imports_kerascv_and_with_it_tensorflow(backend):
    modules = "models", "training", "experiments.rejection.reject", "metrics.features", "cli"
    imported = ", ".join(f"rgf_keras.{module}" for module in modules)
    heavy = {"keras_cv", "tensorflow"}
    code = (
        f"import sys, {imported}\n"
        "rgf_keras.models.DDPM((4, 4, 1), 'tiny', 4, 'keras')\n"
        f"print(*{heavy} & set(sys.modules))"
    )
    assert run_python("-c", code, KERAS_BACKEND=backend) == ""


@pytest.mark.parametrize(
    "code",
    [
        *("import rgf_keras", "import rgf_keras.cli", "import rgf_keras.config"),
        *("import rgf_keras; rgf_keras.datasets.Colour", "import rgf_keras; rgf_keras.metrics.rgf"),
        *("import rgf_keras.tracking.mlflow_tracker", "import rgf_keras; dir(rgf_keras)"),
    ],
)
def test_importing_does_not_choose_a_backend(code):
    heavy = {"keras", "mlflow", *BACKENDS}
    assert run_python("-c", f"{code}; import sys; print(*{heavy} & set(sys.modules))") == ""


def test_importing_changes_nothing_global_and_needs_nothing_that_only_linux_has():
    assert run_python(str(Path(__file__).with_name("import_child.py")), *MAY_IMPORT) == ""


def test_the_package_stays_small():
    package, experiments = (
        sum(len(path.read_text().splitlines()) for path in folder.rglob("*.py"))
        for folder in (PACKAGE, PACKAGE / "experiments")
    )
    assert package <= MAX_LINES
    assert experiments <= MAX_SHARE_OF_EXPERIMENTS * package


def test_modules_and_functions_are_short():
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert {name for name, length in lengths.items() if length > MAX_MODULE_LINES} == set()
    bodies = [
        node.body[-1].end_lineno - node.body[0].lineno + 1  # the docstring included
        for path in FILES
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert statistics.median(bodies) <= MAX_MEDIAN_LINES


def _is_dataclass(node: ast.AST) -> bool:
    decorators = [getattr(each, "func", each) for each in getattr(node, "decorator_list", ())]
    return any(getattr(each, "id", "") == "dataclass" for each in decorators)


@every_file
def test_docstrings_stand_alone(path):
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in (node for node in nodes(path) if isinstance(node, kinds)):
        text = ast.get_docstring(node) or ""
        name = getattr(node, "name", path.name)
        assert not text.startswith(("Of ", "The same ")), name
        assert not (_is_dataclass(node) and "\nArgs:\n" in text), f"{name}: Attributes:, not Args:"
