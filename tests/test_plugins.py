"""What users bring, found by name; what is wrong with it is told in one line."""

import pickle
import sys
from importlib import metadata

import pytest

from rgf_keras import plugins
from rgf_keras.errors import ArgumentError, RgfError


@pytest.fixture(autouse=True)
def here(tmp_path, tmp_path_factory, monkeypatch):
    """An empty current folder, and no other test's; what tests import is forgotten."""
    monkeypatch.chdir(tmp_path)
    others = str(tmp_path_factory.getbasetemp())
    monkeypatch.setattr(sys, "path", [p for p in sys.path if not p.startswith(others)])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refuse(name, message, kind=RgfError, group="metrics", known=None):
    with pytest.raises(kind, match=message) as caught:
        plugins.resolve(group, name, known)
    assert "\n" not in str(caught.value)
    return caught.value


# ------------------------------------------------------------------------------- ours, unknown


def test_ours_come_first(here):
    (here / "ours.py").write_text("ours = 'a guest'")
    assert plugins.resolve("metrics", "ours:ours", {"ours:ours": 1}) == 1
    assert plugins.resolve("metrics", "ours:ours") == "a guest"


@pytest.mark.parametrize(("group", "noun"), plugins.GROUPS.items())
def test_unknown_names_are_told_what_is_known(group, noun):
    known = {"colour": 1, "thinning": 2}
    message = f"^unknown {noun} 'color'; known: colour, thinning, module:attr, file.py:attr; "
    error = refuse("color", message + "did you mean 'colour'", ArgumentError, group, known)
    assert isinstance(error, ValueError)
    refuse("zebra", "file.py:attr$", group=group, known=known)


@pytest.mark.parametrize("name", ["", ":", "folder:", ":attr"])
def test_half_a_name_is_unknown(name):
    refuse(name, f"unknown metric '{name}'; known: module:attr, file.py:attr$", ArgumentError)


# ------------------------------------------------------------------------------------- modules


def test_an_attribute_of_a_module_in_the_current_folder(here):
    (here / "room").mkdir()
    (here / "room" / "__init__.py").write_text("")
    (here / "room" / "inner.py").write_text("def measure(): return 7")
    assert plugins.resolve("metrics", "room.inner:measure")() == 7


@pytest.mark.parametrize("place", ["nowhere", "nowhere.inner", "json.nowhere", "no where", "a..b"])
def test_a_module_that_does_not_exist(place):
    message = f"'{place}:f': there is no module {place} here or beside the study file$"
    refuse(f"{place}:f", message, ArgumentError)


def test_a_missing_attribute_is_named_with_the_nearest(here):
    (here / "mine.py").write_text("sharpness = 1\n_sharpnes = 2")
    for place in ("mine", "mine.py"):
        message = f"'{place}:sharpnes': {place} has no 'sharpnes'; did you mean 'sharpness'"
        refuse(f"{place}:sharpnes", message, ArgumentError)
    refuse("mine:zebra", "mine has no 'zebra'$")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError: "),
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("from json import nothing", "ImportError: cannot import name 'nothing'"),
        ("raise RuntimeError('first\\nsecond')", "RuntimeError: first$"),
        ("raise ValueError", "ValueError: ValueError$"),
        ("import sys; sys.exit('bye')", "SystemExit: bye$"),
    ],
)
@pytest.mark.parametrize("place", ["bad", "bad.py", "inside.bad"])
def test_what_raises_on_import_is_told_in_one_line(here, place, code, message):
    (here / "inside").mkdir()
    (here / "inside" / "__init__.py").write_text("")
    for folder in (here, here / "inside"):
        (folder / "bad.py").write_text(code)
    error = refuse(f"{place}:f", f"^'{place}:f' fails: {message}")
    assert error.__cause__ is not None
    refuse(f"{place}:f", f"^'{place}:f' fails: {message}")  # nothing half imported is left


def test_a_package_that_raises_is_not_called_missing(here):
    (here / "inside").mkdir()
    (here / "inside" / "__init__.py").write_text("raise OSError('no licence')")
    refuse("inside.module:f", "^'inside.module:f' fails: OSError: no licence$")


def test_checking_runs_no_code(here):
    (here / "mine.py").write_text("raise OSError('no licence')")
    for name in ("mine.py", "mine"):
        plugins.check("metrics", f"{name}:f")
        refuse(f"{name}:f", "no licence")


# --------------------------------------------------------------------------------------- files


def test_a_file_from_the_current_folder_or_beside_the_study_file(here, tmp_path_factory):
    beside = tmp_path_factory.mktemp("study")
    (beside / "mine.py").write_text("import mine_too\nvalue = mine_too.value")
    (beside / "mine_too.py").write_text("value = 3")
    refuse("mine.py:value", r"'mine.py:value': mine.py does not exist here or beside the study")
    assert plugins.resolve("metrics", f"{beside}/mine.py:value") == 3
    plugins.add_folder(beside)
    assert plugins.resolve("metrics", "mine.py:value") == 3
    (here / "mine.py").write_text("value = 4")
    assert plugins.resolve("metrics", "mine.py:value") == 4, "the current folder comes first"


def test_files_of_the_same_name_are_different_modules(here):
    for number, folder in enumerate(("one", "two")):
        (here / folder).mkdir()
        (here / folder / "mine.py").write_text(f"class Mine:\n    number = {number}")
    first, second = (plugins.resolve("models", f"{name}/mine.py:Mine") for name in ("one", "two"))
    assert (first.number, second.number) == (0, 1)
    assert plugins.resolve("models", "one/mine.py:Mine") is first
    assert pickle.loads(pickle.dumps(first)) is first


@pytest.mark.parametrize("name", ["my data.py", "1-mnist.py", "mnist.v2.py", "json.py"])
def test_files_may_have_any_name(here, name):
    (here / name).write_text("value = 5")
    assert plugins.resolve("datasets", f"{name}:value") == 5


def test_a_file_is_run_once(here):
    (here / "mine.py").write_text("open('runs', 'a').write('x')\na = b = 1")
    for name in ("mine.py:a", "mine.py:b", "./mine.py:a", f"{here}/mine.py:a"):
        plugins.resolve("metrics", name)
    assert (here / "runs").read_text() == "x"


def test_add_folder_adds_once(here):
    before = list(sys.path)
    plugins.add_folder(here)
    plugins.add_folder(here)
    assert sys.path == [*before, str(here.resolve())]


# -------------------------------------------------------------------------------- entry points


@pytest.fixture
def installed(here):
    """An installed package that declares two metrics, one of them broken."""
    info = here / "site" / "guest-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1.0\n")
    points = "[rgf_keras.metrics]\nsharpness = guest_metrics:sharpness\nbroken = nowhere:f\n"
    (info / "entry_points.txt").write_text(points)
    (here / "site" / "guest_metrics.py").write_text("def sharpness(): return 9")
    sys.path.insert(0, str(here / "site"))
    return here / "site"


def test_entry_points_of_installed_packages(installed):
    assert {point.name for point in metadata.entry_points(group="rgf_keras.metrics")} >= {"broken"}
    assert plugins.resolve("metrics", "sharpness", {"ours": 1})() == 9
    refuse("broken", "^'broken' fails: ModuleNotFoundError: No module named 'nowhere'$")


def test_entry_points_are_of_one_group_and_known(installed):
    refuse("sharpness", "unknown model 'sharpness'; known: module:attr", group="models")
    refuse("sharpnes", "known: .*sharpness.* did you mean 'sharpness'", known={"ours": 1})


# -------------------------------------------------------------------------------------- calling


def test_call_offers_what_there_are_parameters_for():
    offered = {"seed": 1, "shape": (2,)}
    assert plugins.call(lambda: "nothing", {}, **offered) == "nothing"
    assert plugins.call(lambda seed: seed, {}, **offered) == 1
    assert plugins.call(lambda seed: seed, {"seed": 5}, **offered) == 5, "arguments come first"
    assert plugins.call(lambda **all_: all_, {"x": 0}, **offered) == {"x": 0, **offered}


def test_attempts_fail_in_one_line():
    assert plugins.attempt("mine", int, "12", base=8) == 10
    with pytest.raises(RgfError, match=r"^.mine. fails: ValueError: invalid literal"):
        plugins.attempt("mine", int, "x")

    def refuse():
        raise ArgumentError("ours")

    with pytest.raises(ArgumentError, match=r"^ours$"):
        plugins.attempt("mine", refuse)
