"""One page about a paper, of runs whose numbers follow formulas."""

import dataclasses
import shutil
from types import SimpleNamespace

import pytest
import reported_study

from rgf_keras import reproduce
from rgf_keras.cache import Cache
from rgf_keras.cli.reproduce import _write_page
from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.storage import open_storage
from rgf_keras.reports import render
from rgf_keras.reproduce import page
from rgf_keras.tracking.mlflow_tracker import MlflowTracker
from rgf_keras.tracking.records import Records


@pytest.fixture(scope="module")
def found(tmp_path_factory, mlflow_database):
    """Table 1 at the scale smoke was run: a VAE and a GAN."""
    workspace = tmp_path_factory.mktemp("paper")
    shutil.copy(mlflow_database, workspace)
    uri = f"sqlite:///{workspace}/mlflow.db"
    table = dataclasses.replace(reproduce.find("rgf", "1"), evaluate=reported_study.assess)
    storage = open_storage(f"sqlite:///{workspace}/optuna.db")
    tracker = MlflowTracker(uri, "rgf", workspace / "spool", workspace / "artifacts")
    study = run_study(
        table.study(), table.name, workspace, storage, tracker, Cache(workspace / "cache")
    )
    tracker.close()
    return study, Records(uri)


@pytest.fixture(scope="module")
def parts(found):
    study, records = found
    return find(study, records)


def find(study, records):
    known = {reproduce.find("rgf", "1").name: study}
    return page.parts("rgf", "smoke", None, known.get, records)


def test_what_one_table_has_run_all_have(parts):
    complete = {part.title for part in parts if not part.missing}
    assert complete == {"Table 1", "Table B.1", "Table C.3", "Figure 2", "Figure D.2"}
    by_title = {part.title: part for part in parts}
    assert [*by_title["Table 4"].missing] == ["VAE colour k=2", "GAN colour k=2"]
    assert [run.label for run in by_title["Table 4"].runs] == ["VAE colour k=1", "GAN colour k=1"]
    # ρ = 1 and seed 0 are as Table 1 has them
    assert [*by_title["Table E"].missing] == ["VAE colour ρ=0.8", "GAN colour ρ=0.8"]
    assert [*by_title["Table F"].missing] == ["VAE colour seed 1", "GAN colour seed 1"]


def test_the_page_names_what_is_missing_and_what_differs(parts):
    def price(configs):
        if any(config.data.name == "compcars" for config in configs):
            raise RgfError("CompCars is given on request only")
        return f"{len(configs)} min"

    view = page.paper_page("rgf", "smoke", parts, price, "rgf reproduce rgf --all")
    assert view.answer.startswith(f"5 of {len(parts)} tables and figures are complete, from 2 ")
    assert "8,000 of 60,000 digits" in view.caution
    tables = {table.key: table for table in view.tables}
    missing = {row[0]: row[1:] for row in tables["missing"].rows}
    assert missing["Table 2"] == ["2 of 2", "2 min", "rgf reproduce rgf --table 2 --scale smoke"]
    assert missing["Table 3"][1] == "unknown: CompCars is given on request only"
    assert tables["table-1-z_paper"].columns == ["class", "VAE colour", "GAN colour"]
    assert any("the paper, over all factors" in row[1] for row in tables["agreement"].rows)
    titles = [title for title, _ in view.pictures]
    assert titles[0] == "Figure 2"
    (*_, missing) = page.paper_page("rgf", "smoke", parts, price, "", ["--storage", "a b"]).tables
    assert missing.rows[0][-1].endswith("--table 2 --scale smoke --storage 'a b'")
    text = render.render(view, "html")
    assert "What is missing" in text
    assert text.count("<img") == len(view.pictures)


def test_runs_that_are_gone_and_studies_of_other_settings_count_as_missing(found, monkeypatch):
    study, records = found
    first, second = (trial.user_attrs["mlflow_run_id"] for trial in study.trials)
    run = Records.run

    def gone(self, id, label=None):
        return run(self, "0" * 32 if id == first else id, label)

    with monkeypatch.context() as patched:
        patched.setattr(Records, "run", gone)
        (table,) = (part for part in find(study, records) if part.title == "Table 1")
        assert [run.id for run in table.runs] == [second]
    table = reproduce.find("rgf", "1")
    renamed = dataclasses.replace(table, runs={f"new {x}": y for x, y in table.runs.items()})
    original = reproduce.find
    with monkeypatch.context() as patched:
        patched.setattr(
            reproduce,
            "find",
            lambda paper, table=None, **options: (
                renamed if table == "1" else original(paper, table, **options)
            ),
        )
        (part,) = (part for part in find(study, records) if part.title == "Table 1")
        assert [*part.missing] == ["new GAN colour"]
    other = SimpleNamespace(user_attrs={"key": "of other settings"})
    assert not any(part.runs for part in find(other, records))


def test_a_storage_that_cannot_be_opened_is_not_taken_for_an_empty_one(tmp_path, mlflow_database):
    shutil.copy(mlflow_database, tmp_path)
    (tmp_path / "optuna.db").write_text("no database")
    where = f"sqlite:///{tmp_path}/optuna.db", None, tmp_path
    with pytest.raises(RgfError, match="cannot open the Optuna storage"):
        _write_page("rgf", "smoke", None, "tensorflow", tmp_path / "page.html", *where, [])
