"""Names that users choose, as names of folders, and addresses of databases."""

import json

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st

from rgf_keras import strict_json
from rgf_keras.errors import RgfError
from rgf_keras.names import check_name, file_name, sqlite_url


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", "../x", "../../x", "/tmp/x", "a/b", "a\\b", ".hidden", "-rf", "x."),
        *("a\nb", "a\0b", "con", "NUL.txt", "Com1", "x" * 201, "ü" * 101, "x "),
        "\ud800",
    ],
)
def test_names_that_lead_elsewhere_or_nowhere_are_refused_in_one_line(name):
    with pytest.raises(RgfError, match=r"^--name ") as caught:
        check_name(name, "--name")
    message = str(caught.value)
    assert "use letters, digits" in message
    assert message.isascii()
    assert "\n" not in message
    assert len(message) < 250


@pytest.mark.parametrize(
    "name", ["toy-tensorflow", "a b [2]", "größe", "x" * 200, "console", "a%20", "?", "a:b"]
)
def test_other_names_are_kept(name):
    assert check_name(name, "--name") == name


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=220))
def test_a_name_is_a_folder_in_its_own_folder_or_refused(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp()
    try:
        check_name(name, "--name")
    except RgfError:
        return
    assert (folder / name).resolve().parent == folder.resolve()
    (folder / name).mkdir(exist_ok=True)
    (folder / name).rmdir()


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1))
def test_the_address_of_a_sqlite_file_is_that_file(tmp_path_factory, name):
    file = tmp_path_factory.getbasetemp() / name / "optuna.db"
    assert sqlalchemy.make_url(sqlite_url(file)).database == str(file.resolve())


def test_the_address_of_an_ordinary_path_is_what_it_was(tmp_path):
    assert sqlite_url(tmp_path / "optuna.db") == f"sqlite:///{tmp_path / 'optuna.db'}"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(JSON)
def test_json_is_strict(value):
    def refuse(constant):
        raise AssertionError(constant)

    json.loads(strict_json.dumps(value), parse_constant=refuse)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sets(st.text(max_size=120) | st.text("a/-.", max_size=4), min_size=1))
def test_files_of_any_two_texts_are_two_files(tmp_path_factory, texts):
    folder = tmp_path_factory.getbasetemp()
    names = {file_name(text) for text in texts}
    assert len(names) == len(texts)
    for name in names:
        assert (folder / name).parent == folder
        (folder / f"{name}-0.npy").touch()


def test_no_text_has_the_name_that_another_was_given():
    assert file_name(file_name("a/b")) != file_name("a/b")
