"""Names and values that MLflow would refuse, and with them all that is sent at the same time."""

import math
import shutil

import mlflow
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name, _validate_param, _validate_tag

from rgf_keras.errors import RgfError
from rgf_keras.tracking.mlflow_names import (
    MAX_PARAM,
    ORIGINAL,
    allowed_key,
    allowed_name,
    allowed_value,
)
from rgf_keras.tracking.mlflow_tracker import MlflowTracker
from rgf_keras.tracking.records import Records

ODD = [
    *("rgf/z_Benz (CLA)", "rgf/z_Benz [CLA]", "rgf/z_a,b", "a" * 300, "a" * 301, "", ".", ".."),
    *("/lead", "trail/", "a//b", "a/./b", "a/../b", "../up", "new\nline", "a\n", "100 %"),
    *("ü (車)", "/", "x-0123456789abcdef", " ", "..0", "..."),
]


@pytest.mark.parametrize("name", ["rgf/gap", "rgf/z_7", "copying/c_t/mine.py:Net", "größe", "a b"])
def test_names_that_mlflow_takes_stay(name):
    assert allowed_name(name) == name


TEXTS = st.text(max_size=300) | st.sampled_from(ODD) | st.text("a(/.[ -:\n", max_size=6)
usual = settings(max_examples=200, deadline=None, derandomize=True)
often = settings(max_examples=10_000, deadline=None, derandomize=True)


@usual
@given(TEXTS)
@example("\ud800")
def test_every_name_is_allowed(name):
    check_allowed(name)


@usual
@given(st.sets(TEXTS, min_size=2, max_size=20))
def test_no_two_names_become_one(names):
    check_injective(names)


@pytest.mark.slow
@often
@given(TEXTS, st.sets(TEXTS, min_size=2, max_size=20))
def test_names_often(name, names):
    check_allowed(name)
    check_injective(names)


def check_allowed(name):
    new = allowed_name(name)
    _validate_metric_name(new)
    _validate_param(new, allowed_value(name, MAX_PARAM))
    _validate_tag(ORIGINAL + new, allowed_value(name, 8000))
    assert len(ORIGINAL + new) <= 250
    assert allowed_name(name) == new


def check_injective(names):
    assert len({allowed_name(name) for name in names}) == len(names)
    again = {allowed_name(name) for name in names} | names
    assert len({allowed_name(name) for name in again}) == len(again)


@usual
@given(st.sets(st.text(max_size=20), min_size=1))
def test_series_of_pictures_have_names_that_mlflow_takes(keys):
    new = {allowed_key(key) for key in keys}
    assert len(new) == len(keys)
    assert all(key.isascii() and key.strip() for key in new)


@pytest.fixture
def tracker(tmp_path, mlflow_database):
    uri = f"sqlite:///{shutil.copy(mlflow_database, tmp_path)}"
    told = []
    with MlflowTracker(
        uri, "odd", tmp_path / "spool", tmp_path / "artifacts", told.append
    ) as found:
        yield found
    assert told == []  # nothing was refused


def test_odd_names_cost_nothing(tracker):
    run = tracker.start("trial", {"odd (tag)": "x" * 9000})
    run.log_params({"ok": 1, "long": "y" * 7000, **{name: i for i, name in enumerate(ODD)}})
    run.log_metrics({"copying/c_t": -5.0, **{name: i for i, name in enumerate(ODD)}}, step=3)
    run.finish()
    tracker.close()
    stored = mlflow.MlflowClient(tracker.store.uri).get_run(run.id).data
    assert stored.metrics["copying/c_t"] == -5.0
    assert len(stored.metrics) == 1 + len(ODD)
    assert stored.params["long"].endswith("… (of 7000 characters)")
    read = Records(tracker.store.uri).run(run.id)
    assert read.metrics == {"copying/c_t": -5.0, **{name: i for i, name in enumerate(ODD)}}
    assert {name: read.params[name] for name in ODD} == {n: str(i) for i, n in enumerate(ODD)}


def test_numbers_that_are_not_finite_are_said_and_never_false(tracker):
    run = tracker.start("trial", {})
    run.log_metrics({"gap": math.inf, "loss": 0.5, "z (a)": math.nan}, step=3)
    run.finish()
    tracker.close()
    stored = mlflow.MlflowClient(tracker.store.uri).get_run(run.id).data
    assert stored.metrics == {"loss": 0.5}
    assert stored.tags["not_finite/gap"] == "inf at step 3"
    assert Records(tracker.store.uri).run(run.id).tags["not_finite/z (a)"] == "nan at step 3"


def test_a_deleted_experiment_is_told_with_how_to_restore_it(tmp_path, mlflow_database):
    uri = f"sqlite:///{shutil.copy(mlflow_database, tmp_path)}"
    client = mlflow.MlflowClient(uri)
    client.delete_experiment(client.create_experiment("gone"))
    with pytest.raises(RgfError, match=r"'gone' .* is deleted; restore .*restore --exp.*--name"):
        MlflowTracker(uri, "gone", tmp_path / "spool")


def test_a_series_of_pictures_cannot_leave_its_folder(tracker, tmp_path):
    run = tracker.start("trial", {})
    with pytest.raises(RgfError, match=r"the series of pictures '.*x' has '/'"):
        run.log_image(tmp_path / "x.png", "../../x", 0)
