"""All tests run under the backend of KERAS_BACKEND; those marked ``backend`` are run under each."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
if os.environ["KERAS_BACKEND"] == "jax" and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    # Compiling is a third of these tests' time, and many of them compile the same.
    programs = tempfile.mkdtemp(prefix="jax-programs-")
    atexit.register(shutil.rmtree, programs, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = programs
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import json_records
import pytest

from rgf_keras import datasets


@pytest.fixture(scope="session", autouse=True)
def _private_cache(tmp_path_factory):
    """No test reads or fills the user's cache."""
    os.environ["RGF_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory):
    """An empty MLflow database, to be copied: making one takes seconds."""
    import mlflow

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(scope="session")
def finished_workspace(tmp_path_factory, mlflow_database):
    """A workspace with a finished study, see ``reported_study``."""
    import reported_study

    workspace = tmp_path_factory.mktemp("workspace")
    shutil.copy(mlflow_database, workspace)
    reported_study.make(workspace)
    return workspace


@pytest.fixture
def rgf_here(monkeypatch, capsys):
    """Runs a command line in a folder, in this process: Keras is imported once for many commands.

    Returns what ``subprocess.run`` would. JSON that is printed has the keys that are documented.
    """
    monkeypatch.setenv("RGF_COMMAND", "")
    monkeypatch.setenv("RGF_QUIET", "")
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(folder, *arguments, **environment):
        from rgf_keras import cli
        from rgf_keras.cli.options import err, out

        arguments = ["rgf", *map(str, arguments)]
        with monkeypatch.context() as patch:
            patch.chdir(folder)
            patch.setattr(sys, "argv", arguments)
            for name, value in environment.items():
                patch.setenv(name, str(value))
            if columns := environment.get("COLUMNS"):  # consoles are made once a test process
                for console in (out, err):
                    patch.setattr(console, "size", (columns, 25))
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                cli.main()
        done = subprocess.CompletedProcess(arguments, ended.value.code or 0, *capsys.readouterr())
        command = json_records.command_of(arguments[1:])
        if command and done.returncode in (0, 3):
            json_records.check(command, json.loads(done.stdout))
        return done

    return run


@pytest.fixture(scope="session")
def skewed_digits():
    """640 digits, "1" green and the others red."""
    digits = datasets.load("mnist-10k").split(640)[0]
    return datasets.skewed(digits, datasets.Colour(), rare_class=1, seed=0)


@pytest.fixture(scope="module")
def quick_compilation():
    """On JAX a step takes longer to compile than to run; half as long like this."""
    import keras

    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
    jax.clear_caches()  # what was compiled like this rounds differently
