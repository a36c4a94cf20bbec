"""YAML that is an attack or a slip is one line, quickly."""

import os
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rgf_keras.config import AssessConfig, ScoreConfig, parse, read, yaml_text
from rgf_keras.errors import RgfError

LAUGHS = "a: &a [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n" + "\n".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (LAUGHS, "is no YAML (line 2: the alias *a is not read; write the value out)"),
        ("seed: &seed 1\nmodel: {seed: *seed}", "line 2: the alias *seed is not read"),
        ("[" * 100_000, "nested more than 40 deep"),
        ("a: " + "{a: " * 60 + "1" + "}" * 60, "nested more than 40 deep"),
        (f"seed: {'9' * 5000}", "a number has 5000 digits"),
        (f"seed: 0x{'f' * 5000}", "a number has 5002 digits"),
        ("x" * 300_000, "is longer than 256 KB"),
        ("seed: !!timestamp 2020-13-45", "is no YAML"),
        ("seed: !!int abc", "is no YAML"),
        ("seed: !!bool abc", "is no YAML"),
        ("seed: !!timestamp abc", "is no YAML"),
        ("seed: !!python/object:os.system x", "is no YAML"),
        ("{[1]: 2}", "is no YAML"),
        ("\x00", "is no YAML"),
        ("&a : 1\n*a : 2", "alias"),
    ],
    ids=range(15),
)
def test_what_would_keep_a_reader_busy(tmp_path, text, part):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    begin = time.perf_counter()
    with pytest.raises(RgfError) as caught:
        read(path, AssessConfig)
    assert time.perf_counter() - begin < 5
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value) or "seed: " in str(caught.value)
    assert len(str(caught.value)) < 400


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(RgfError, match="fifo: it is no regular file"):
        read(tmp_path / "fifo", AssessConfig)
    (tmp_path / "latin").write_bytes(b"seed: \xe9")
    with pytest.raises(RgfError, match=r"cannot read .*latin"):
        read(tmp_path / "latin", AssessConfig)


def test_a_byte_order_mark_is_no_key(tmp_path):
    (tmp_path / "c.yaml").write_bytes("\ufeffseed: 3".encode())
    assert read(tmp_path / "c.yaml", AssessConfig).seed == 3


@pytest.mark.parametrize(
    ("tree", "part"),
    [
        ({"seed": 10**5000}, "seed: Input should be less than"),
        ({"training": {"batch_size": 10**5000}}, "received a int of too many digits"),
        ({"training": {"batch_size": 2**31}}, "training.batch_size"),
        ({"data": {"rarity": "x" * 10**6}}, "…"),
    ],
)
def test_values_that_are_too_large(tree, part):
    with pytest.raises(RgfError) as caught:
        parse(tree, AssessConfig)
    assert part in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_key_with_a_line_break_is_named_in_one_line():
    for key in ("training.player_optimizers.\n", "a\nb", "seed.a\nb"):
        with pytest.raises(RgfError) as caught:
            ScoreConfig().with_values({key: None})
        assert "\n" not in str(caught.value)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(
        ["gan", "vae", "conv", "oracle", "auto", "trainings", "leave-one-out", "none"]
    )
)
TREES = st.recursive(
    LEAVES, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=4), x, max_size=3)
)


def key_of(kind):
    return st.sampled_from([*kind().flat(), "model", "training", "data.factor_parameters", "x", ""])


def changes(kind):
    return st.dictionaries(key_of(kind), TREES, min_size=1, max_size=3)


def check_configuration(kind, values):
    """A changed configuration that is refused in a line, or means what it says."""
    try:
        config = kind().with_values(values)
    except RgfError as error:
        message = str(error)
    else:
        assert parse(yaml_text.load(config.to_yaml()), kind) == config
        assert config.key == kind().with_values(values).key
        return
    assert "\n" not in message


def check_text(text):
    try:
        yaml_text.load(text)
    except RgfError as error:
        message = str(error)
    else:
        return
    assert "\n" not in message


YAML_TEXTS = st.text(
    alphabet=st.sampled_from("a1-:,[]{}&*!|>'\"#%@ \n\t\x00é0xe.~?=<"), max_size=40
)
usual = settings(max_examples=150, deadline=None, derandomize=True)
often = settings(
    max_examples=3500,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


@usual
@given(changes(AssessConfig), changes(ScoreConfig), st.text(max_size=30) | YAML_TEXTS)
def test_configurations(assess, score, text):
    check_configuration(AssessConfig, assess)
    check_configuration(ScoreConfig, score)
    check_text(text)


@pytest.mark.slow
@often
@given(changes(AssessConfig), changes(ScoreConfig), st.text(max_size=30) | YAML_TEXTS)
def test_configurations_often(assess, score, text):
    check_configuration(AssessConfig, assess)
    check_configuration(ScoreConfig, score)
    check_text(text)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("assess", "--help"),
        ("reject", "--help"),
        ("data", "list"),
        ("data", "preview", "--factor", "größe"),
        ("assess", "--set", "data.name=folder:日本"),
        ("assess", "--set", "data.factor=größe", "--dry-run"),
    ],
    ids=" ".join,
)
def test_terminals_without_unicode(tmp_path, encoding, arguments):
    found = subprocess.run(
        [sys.executable, "-m", "rgf_keras.cli", *arguments],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": encoding, "LC_ALL": "C", "LANG": "C"},
    )
    assert b"Traceback" not in found.stderr
    assert b"UnicodeEncodeError" not in found.stderr
    assert found.returncode in (0, 2)
