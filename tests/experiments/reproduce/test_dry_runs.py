"""Every table and figure at every scale can be begun, on small files in the true formats."""

import json

import pytest
import true_formats
from typer.testing import CliRunner

from rgf_keras import reproduce
from rgf_keras.cli import app
from rgf_keras.config import published
from rgf_keras.reproduce import cost
from rgf_keras.training import Trainer


class Untrained(Trainer):
    """Built, with all that is checked then, but not trained."""

    def fit(self, epochs, callbacks=()):
        return self.history


@pytest.fixture(scope="module")
def _files(tmp_path_factory):
    """All data sets, each loaded once; models are narrow, and each kind is built once."""
    train, known = cost._train, {}
    load, loaded = cost.source, {}

    def load_once(data, split):
        if data.key not in loaded:
            loaded[data.key] = load(data, split)
        return loaded[data.key]

    def train_once(config, images):
        small = {"width": 4, "units": (8,), "size": "tiny"}
        fields = type(config.model).model_fields
        sizes = {name: x for name, x in small.items() if name in fields}
        narrow = config.model_copy(update={"model": config.model.model_copy(update=sizes)})
        kind = f"{narrow.model} {config.training} {config.data.name}"
        if kind not in known:
            known[kind] = train(narrow, images)
        return known[kind]

    with pytest.MonkeyPatch.context() as patch:
        true_formats.save_all(tmp_path_factory.mktemp("data"), patch)
        patch.setattr(cost, "_train", train_once)
        patch.setattr(cost, "_second_call", lambda function: 0.1)
        patch.setattr(cost, "source", load_once)
        patch.setattr(cost, "Trainer", Untrained)
        patch.setitem(published.RGF["data"], "per_class", 80)
        patch.setattr(cost, "MEASURED_SECONDS", 1e-9)
        yield


@pytest.mark.usefixtures("_files")
@pytest.mark.parametrize("scale", reproduce.SCALES)
@pytest.mark.parametrize("paper", [*reproduce.PAPERS])
def test_a_dry_run_of_every_item(paper, scale, tmp_path):
    for title, kind, name in reproduce.items(paper):
        arguments = ["reproduce", paper, f"--{kind}", name, "--scale", scale, "--dry-run", "--json"]
        done = CliRunner().invoke(app, [*arguments, "--workspace", str(tmp_path)])
        assert done.exit_code == 0, f"{title}: {done.exception}"
        plan = json.loads(done.stdout)
        assert plan["runs"] == [*reproduce.find(paper, scale=scale, **{kind: name}).runs], title
        assert plan["cost"]["steps"] > 0, title
    assert not any(tmp_path.iterdir())
