"""What needs an extra says in one line how to install it."""

import sys
import tomllib
from pathlib import Path

import pytest

from rgf_keras.backend.files import read_state_dict
from rgf_keras.cli import system
from rgf_keras.cli.options import choose_backend
from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies import samplers
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.metrics.approximate import find_faiss
from rgf_keras.runtime import ray
from rgf_keras.tracking import system_metrics

# By extra: the module that it installs, and what needs it.
NEEDS = {
    "jax": ("jax", lambda: choose_backend("jax")),
    "torch": ("torch", lambda: choose_backend("torch")),
    "dashboard": ("optuna_dashboard", system.dashboard),
    "faiss": ("faiss", find_faiss),
    "postgres": ("psycopg", lambda: open_storage("postgresql+psycopg://localhost/studies")),
    "system-metrics": ("psutil", system_metrics._monitors),
    "cluster": ("ray", lambda: ray._connect("auto")),
    "cmaes": ("cmaes", lambda: samplers.make("cmaes", 0)),
}
TESTED_WHERE_IT_IS_USED = {"privacy"}  # experiments/test_privacy


@pytest.mark.parametrize("extra", NEEDS)
def test_what_needs_an_extra_names_it(extra, monkeypatch):
    module, use = NEEDS[extra]
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RgfError, match=rf"pip install 'rgf-keras\[{extra}\]'") as raised:
        use()
    assert "\n" not in str(raised.value)


def test_a_file_of_pytorchs_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(RgfError, match=r"pip install 'rgf-keras\[torch\]', or save it as"):
        read_state_dict(tmp_path / "weights.pt")


def test_every_extra_is_named():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].keys() - {"test", "docs"}
    assert extras == NEEDS.keys() | TESTED_WHERE_IT_IS_USED
