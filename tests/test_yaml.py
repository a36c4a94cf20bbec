"""YAML as people mean it: in configuration files and in ``--set``."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgf_keras.cli.options import parse_settings
from rgf_keras.config import AssessConfig, ScoreConfig, read
from rgf_keras.errors import RgfError

AS_TEXT = ["no", "yes", "on", "off", "012", "1e5", "1:30", "2020-01-01", "null", "~", "1_000",
           "0x1F", "3", "1.10", "True", ".nan", "n", "NA", "None"]  # fmt: skip


@pytest.mark.parametrize("text", AS_TEXT)
def test_a_field_of_text_takes_what_was_written(tmp_path, text):
    (tmp_path / "c.yaml").write_text(f"data: {{name: {text}}}\nevaluation: {{metrics: [{text}]}}")
    from_file = read(tmp_path / "c.yaml", AssessConfig)
    given = [f"data.name={text}", f"evaluation.metrics=[{text}]"]
    for config in (from_file, AssessConfig().with_values(parse_settings(given))):
        assert config.data.name == text
        assert config.evaluation.metrics == (text,)


@pytest.mark.parametrize("text", AS_TEXT)
def test_values_of_a_factor_are_what_was_written(text):
    for key in (f"data.factor_parameters.values=[{text}, 'x']",
                f"data.factor_parameters={{values: [{text}, 'x']}}"):  # fmt: skip
        data = AssessConfig().with_values(parse_settings([key])).data
        assert [str(value) for value in data.factor_parameters["values"]] == [text, "x"]


@pytest.mark.parametrize(
    ("text", "expected"), [("012", 12), ("1e1", 10), ("+7", 7), ("1_0", 10), ("0x10", 16)]
)
def test_numbers_are_read_as_people_do(text, expected):
    values = parse_settings(
        [f"training.epochs={text}", f"training.optimizer.arguments={{a: {text}}}"]
    )
    training = AssessConfig().with_values(values).training
    assert training.epochs == expected
    assert training.optimizer.arguments["a"] == expected


@pytest.mark.parametrize("text", ["1:30", "2020-01-01", "1__0", "many", "1.5"])
def test_what_is_no_number_is_none(text):
    with pytest.raises(RgfError, match=r"training\.epochs: "):
        AssessConfig().with_values(parse_settings([f"training.epochs={text}"]))


@pytest.mark.parametrize(("text", "expected"), [("no", False), ("yes", True), ("true", True)])
def test_switches_take_words(text, expected):
    assert (
        AssessConfig().with_values(parse_settings([f"evaluation.fast={text}"])).evaluation.fast
        is expected
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seed: 1\nseed: 2", 2),
        ("data:\n  name: a\n  factor: b\n  name: c", 4),
        ("{seed: 1, seed: 1}", 1),
    ],
)
def test_a_key_that_is_given_twice_is_refused_by_name(tmp_path, text, line):
    (tmp_path / "c.yaml").write_text(text)
    key = "name" if "name" in text else "seed"
    with pytest.raises(RgfError, match=rf"line {line}: the key '{key}' is given twice"):
        read(tmp_path / "c.yaml", AssessConfig)


def test_a_configuration_that_is_written_is_read_again(tmp_path):
    values = {
        "data.name": "012",
        "data.factor": "no",
        "evaluation.metrics": ["1e5", "null", "~", ""],
    }
    config = AssessConfig().with_values(values)
    (tmp_path / "c.yaml").write_text(config.to_yaml(), encoding="utf-8")
    assert read(tmp_path / "c.yaml", AssessConfig) == config


KEYS = st.sampled_from(
    [*AssessConfig().flat(), *ScoreConfig().flat(), "data", "model", "x", "", "a.b"]
)
VALUES = st.text(max_size=30) | st.sampled_from(
    [*AS_TEXT, "{a: 1}", "[1, [2]]", "&a [*a]", "- 1", "!!x y"]
)


SETTINGS = st.lists(st.builds("{}={}".format, KEYS, VALUES) | st.text(max_size=20), max_size=3)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(SETTINGS)
def test_whatever_is_set_is_a_configuration_or_one_line(given):
    check_settings(given)


@pytest.mark.slow
@settings(max_examples=10_000, deadline=None, derandomize=True)
@given(SETTINGS)
def test_whatever_is_set_often(given):
    check_settings(given)


def check_settings(given):
    try:
        config = AssessConfig().with_values(parse_settings(given))
    except RgfError:  # which the command line shows in one line
        return
    assert isinstance(config, AssessConfig)
    assert AssessConfig.model_validate(config.model_dump()) == config


@pytest.mark.parametrize("text", ["yes", "no", "true", "on"])
def test_a_word_is_no_number(text):
    with pytest.raises(RgfError, match=rf"seed: .*received '{text}'"):
        AssessConfig().with_values(parse_settings([f"seed={text}"]))
