"""Shares of a factor's values by class, from samples alone."""

import audited_digits
import numpy as np
import pytest
from PIL import Image

from rgf_keras.cache import Cache
from rgf_keras.datasets.image_sets import Canvas
from rgf_keras.datasets.image_sources import open_source
from rgf_keras.errors import ArgumentError, RgfError
from rgf_keras.experiments.audit import shares
from rgf_keras.experiments.audit.audit import audit
from rgf_keras.experiments.audit.shares import ImageLabels
from rgf_keras.metrics.trainings import compare_trainings

CANVAS = Canvas(28, 28, 1)


def drawn(share: float, seed: int, num: int = 400) -> ImageLabels:
    """Samples of two classes; of the dogs ``share`` are red."""
    rng = np.random.default_rng(seed)
    classes = np.where(rng.random(num) < 0.5, "dog", "cat")
    red = rng.random(num) < np.where(classes == "dog", share, 0.5)
    return ImageLabels(classes.tolist(), np.where(red, "red", "green").tolist())


def counted(images: ImageLabels) -> np.ndarray:
    """(3, 2): cats, dogs and both, green and red."""
    pairs = list(zip(images.classes, images.values, strict=True))
    rows = np.array([[pairs.count((c, v)) for v in ("green", "red")] for c in ("cat", "dog")])
    return np.concatenate([rows, rows.sum(0, keepdims=True)])


def test_a_skewed_generator_is_told_from_three_balanced_ones():
    references = [drawn(0.5, seed) for seed in range(3)]
    [table] = shares.tables([drawn(0.95, 7)], references, rare="red", rare_class="dog")
    by_name = {row.name: row for row in table}
    assert list(by_name) == ["cat", "dog", "all"]
    assert by_name["dog"].rare
    assert by_name["dog"].verdict == "memorized"
    assert by_name["dog"].p_r == pytest.approx(0.95, abs=0.04)
    counts, known = (np.stack(list(map(counted, each))) for each in ([drawn(0.95, 7)], references))
    expected = compare_trainings(counts, known, 1)
    assert by_name["dog"].p_value == pytest.approx(expected.p_value[1])
    assert by_name["cat"].difference == pytest.approx(expected.difference[0])


def test_fewer_references_give_no_verdict():
    [table] = shares.tables([drawn(0.95, 7)], [drawn(0.5, 0)], rare="red")
    assert {row.verdict for row in table} == {"too few trainings"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rare": "blue"}, "blue"),
        ({"rare_class": "dgo"}, "did you mean 'dog'"),
    ],
)
def test_unknown_names_are_refused(change, message):
    with pytest.raises(ArgumentError, match=message):
        shares.tables([drawn(0.5, 1)], [drawn(0.5, 2)], **change)


def test_a_single_value_is_no_factor():
    images = ImageLabels(["a"] * 20, ["red"] * 20)
    with pytest.raises(ArgumentError, match="all images show 'red'"):
        shares.tables([images], [images])


def write(folder, values: list[str]) -> None:
    rows = []
    for i, value in enumerate(values):
        path = folder / ("dog" if i % 2 else "cat") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((28, 28), i, np.uint8)).save(path)
        rows.append(f"{path.parent.name}/{path.name},{value}")
    (folder / "factors.csv").write_text("\n".join(["file,colour", *rows]))


def test_classes_come_from_folders_and_values_from_the_table(tmp_path):
    write(tmp_path / "d", ["red", "green", "green", "red"])
    told = shares.label(open_source(tmp_path / "d"), CANVAS)
    assert told == ImageLabels(["cat", "cat", "dog", "dog"], ["red", "green", "green", "red"])


def test_what_nothing_tells_is_asked_for(tmp_path):
    write(tmp_path / "d", ["red", "green"])
    (tmp_path / "d" / "factors.csv").unlink()
    with pytest.raises(RgfError, match=r"values of the factor.*factors\.csv.*or give an oracle"):
        shares.label(open_source(tmp_path / "d"), CANVAS)


def test_an_oracle_tells_them(tmp_path):
    write(tmp_path / "d", ["red", "green", "red", "red"])
    oracle = tmp_path / "oracle.py"
    oracle.write_text(
        "def tell(images):\n"
        "    levels = images[:, 0, 0, 0]\n"
        "    return ['odd' if x % 2 else 'even' for x in levels], levels > 1\n"
    )
    told = shares.label(open_source(tmp_path / "d"), CANVAS, f"{oracle}:tell")
    assert told == ImageLabels(["even", "even", "odd", "odd"], ["False", "True", "False", "True"])


def test_an_oracle_of_other_answers_is_refused(tmp_path):
    write(tmp_path / "d", ["red", "green"])

    for answers in ((["a"], ["b"]), None, 3, ["a", "b", "c"], (1, 2)):

        def short(images, answers=answers):
            return answers

        with pytest.raises(RgfError, match="'short' must return 2 classes and 2 values"):
            shares.label(open_source(tmp_path / "d"), CANVAS, short)


def test_a_table_of_several_factors_is_asked_about_only_where_it_is_used(tmp_path):
    write(tmp_path / "d", ["red", "green"])
    (tmp_path / "d" / "factors.csv").write_text("file,colour,size\ncat/0.png,red,1\n")
    source = open_source(tmp_path / "d")
    assert len(source) == 2
    with pytest.raises(RgfError, match=r"no row for 'dog/1\.png'"):
        shares.label(source, CANVAS)
    (tmp_path / "d" / "factors.csv").write_text(
        "file,colour,size\ncat/0.png,red,1\ndog/1.png,red,2\n"
    )
    with pytest.raises(RgfError, match="has the factors colour, size; give a table of one"):
        shares.label(open_source(tmp_path / "d"), CANVAS)


@pytest.mark.parametrize("name", ["oracle", "rare", "rare_class"])
def test_options_about_shares_need_references(name):
    train, test, generated, _, _ = audited_digits.make()
    with pytest.raises(ArgumentError, match="which need references"):
        audit(train, generated, test, **{name: "x"})


def test_an_audit_has_the_table(tmp_path):
    train, test, generated, _, _ = audited_digits.make()

    def tell(images):
        dark = images.mean(axis=(1, 2, 3)) < 30
        return np.where(images[:, 14, 14, 0] > 127, "full", "hollow"), np.where(
            dark, "thin", "bold"
        )

    result = audit(
        train,
        generated,
        test,
        references=[test, generated[:100], train[:150]],
        oracle=tell,
        rare="bold",
        features=["pixels"],
        cache=Cache(tmp_path),
    )
    [sample] = result.samples
    assert [row.name for row in sample.table] == ["full", "hollow", "all"]
    assert 0 <= sample.metrics["rgf/gap"] < 0.2
    assert result.record()["samples"][0]["table"][0]["name"] == "full"
    assert (
        "rgf/gap"
        not in audit(train, generated, test, features=["pixels"], cache=Cache(tmp_path))
        .samples[0]
        .metrics
    )
