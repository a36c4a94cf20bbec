"""The examples in a folder of their own, outside of the checkout, as small as tests need them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

SMALL = {
    "data.num_train": 320,
    "data.num_test": 200,
    "training.epochs": 2,
    "training.batch_size": 32,
    "oracle.epochs": 1,
    "oracle.min_accuracy": 0.0,
    "evaluation.num_samples": 50,
    "evaluation.num_resamples": 5,
    "evaluation.every": None,
}

# A study file for each of the examples': the same study, small.
TINY = """
from dataclasses import replace
from study_{name} import study as whole
SMALL = {values}
study = replace(
    whole,
    baseline=whole.baseline.with_values(SMALL),
    repeats=0,
    suggest=lambda trial: whole.suggest(trial).with_values(SMALL),
)
"""


@pytest.fixture(scope="session")
def folder(tmp_path_factory, mlflow_database):
    """The examples, and a small study beside each of theirs."""
    folder = tmp_path_factory.mktemp("mine") / "examples"
    shutil.copytree(EXAMPLES, folder)
    (folder / "mlruns").mkdir()
    shutil.copy(mlflow_database, folder / "mlruns")
    for name in ("my_gan", "my_flow", "my_own"):
        own = {"model.units": [16]} if name == "my_own" else {"model.arguments.units": 16}
        text = TINY.format(name=name, values={**SMALL, **own})
        (folder / f"tiny_{name}.py").write_text(text)
    return folder


@pytest.fixture(scope="session")
def rgf(folder):
    """Runs a command line in the folder, in a process of its own."""

    def run(*arguments, program=("-m", "rgf_keras.cli"), **environment):
        # On JAX a step takes longer to compile than to run; half as long like this.
        quick = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "true"}
        return subprocess.run(
            [sys.executable, *map(str, program), *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, **quick, **environment},
            check=False,
        )

    return run
