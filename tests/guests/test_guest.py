"""A guest's package: it passes the conformance suites, and its entry points are names like ours."""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rgf_keras import testing
from rgf_keras.cache import Cache
from rgf_keras.config import parse
from rgf_keras.errors import RgfError
from rgf_keras.experiments import AssessConfig, assess
from rgf_keras.tracking.tracker import Context, MemoryTracker

pytestmark = pytest.mark.backend

CONFIG = {
    "data": {"name": "guest-stripes", "factor": "guest-inverse"},
    "model": {"family": "custom", "target": "guest-gaussian"},
    "training": {"epochs": 1, "batch_size": 32},
    "regularizers": {"mine": {"target": "guest-shrinkage", "arguments": {"strength": 0.1}}},
    "oracle": {"epochs": 1, "min_accuracy": 0.0},
    "evaluation": {
        "num_samples": 40,
        "num_resamples": 5,
        "embedding": "guest-columns",
        "metrics": ["guest-brightness"],
    },
}


@pytest.fixture(scope="module")
def guest(tmp_path_factory):
    """The package, installed in a folder of its own for these tests."""
    folder = tmp_path_factory.mktemp("guest")
    shutil.copytree(Path(__file__).parent, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    target = ["--no-build-isolation", "--target", str(folder / "site"), str(folder / "source")]
    subprocess.run([*pip, *target], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder / "site"))
        yield importlib.import_module("rgf_guest")
    del sys.modules["rgf_guest"]


def test_it_conforms(guest):
    def make():
        return guest.make_gaussian((4, 4, 1), seed=0)

    testing.check_generative_model(make, (4, 4, 1))
    testing.check_likelihood_model(make, (4, 4, 1))
    testing.check_regularizer(guest.Shrinkage, make)
    testing.check_dataset(guest.load_stripes)
    testing.check_factor(guest.Inverse())
    testing.check_metric(guest.brightness)


def test_its_entry_points_are_names_in_a_configuration(guest, tmp_path):
    tracker = MemoryTracker()
    context = Context(tracker.start("guest", {}), tmp_path, Cache(tmp_path / "cache"))
    result = assess(parse(CONFIG, AssessConfig), context)
    assert {"guest/brightness", "quality/frechet_columns"} <= set(result.metrics)
    assert [row.name for row in result.table] == ["rows", "columns", "all"]
    assert "gaussian/shrinkage" in tracker.runs[context.run.id].metrics


@pytest.mark.parametrize(
    ("key", "name", "suggestion"),
    [
        ("model.target", "guest-gausian", "guest-gaussian"),
        ("data.name", "guest-stripe", "guest-stripes"),
        ("data.factor", "guest-inverted", "guest-inverse"),
        ("evaluation.metrics", ["guest-brightnes"], "guest-brightness"),
        ("evaluation.embedding", "guest-column", "guest-columns"),
    ],
)
def test_a_misspelt_name_is_told_which_is_nearest(guest, tmp_path, key, name, suggestion):
    config = parse(CONFIG, AssessConfig).with_values({key: name})
    context = Context(MemoryTracker().start("guest", {}), tmp_path, Cache(tmp_path / "cache"))
    with pytest.raises(RgfError, match=f"did you mean '{suggestion}'"):
        assess(config, context)
