"""Studies that come with the package, and the start of one's own."""

import tomllib
from pathlib import Path

import pytest

from rgf_keras import bundled
from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies.study import load_study

ROOT = Path(__file__).parents[1]


def test_a_wheel_has_all_studies_of_the_checkout():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    files = [f"studies/{file.name}" for file in (ROOT / "studies").glob("*.py")]
    assert included == {file: f"rgf_keras/bundled_{file}" for file in sorted(files)}
    assert bundled.FOLDERS[0].name == "bundled_studies"


def test_studies_are_found_by_name_and_have_titles():
    assert bundled.find(Path("quickstart")) == bundled.studies()["quickstart"]
    assert all(bundled.title(file).strip(".?") for file in bundled.studies().values())


def test_a_file_that_exists_comes_before_names(tmp_path, monkeypatch):
    (tmp_path / "quickstart").write_text("")
    monkeypatch.chdir(tmp_path)
    assert bundled.find(Path("quickstart")) == Path("quickstart")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("quickstrat", "unknown study 'quickstrat'; .*; did you mean 'quickstart'"),
        ("none.py", "study file none.py does not exist"),
        ("studies/none", "study file studies/none does not exist"),
    ],
)
def test_what_is_no_study_is_named(tmp_path, monkeypatch, given, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RgfError, match=message):
        bundled.find(Path(given))


def test_ones_own_begins_with_what_runs(tmp_path):
    file = tmp_path / "mine" / "my_study.py"
    bundled.write_start(file)
    assert load_study(file).num_trials == 6
    with pytest.raises(RgfError, match="is there already; give another name"):
        bundled.write_start(file)
    with pytest.raises(RgfError, match=r"must end in \.py"):
        bundled.write_start(tmp_path / "my_study")
