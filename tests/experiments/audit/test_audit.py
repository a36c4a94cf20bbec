"""The audit of samples, end to end on few digits."""

import csv
import io

import audited_digits
import numpy as np
import pytest
from PIL import Image

import rgf_keras
from rgf_keras.cache import Cache
from rgf_keras.datasets import image_sets
from rgf_keras.datasets.image_sources import open_source
from rgf_keras.errors import ArgumentError, RgfError
from rgf_keras.experiments.audit import audit as experiment
from rgf_keras.experiments.audit import spaces, workers
from rgf_keras.experiments.audit.result import differences
from rgf_keras.metrics import catalogue, copying
from rgf_keras.metrics.features import KerasFeatures, Pixels
from rgf_keras.runtime.progress import SILENT

PIXELS = {"features": ["pixels"]}


@pytest.fixture(scope="module")
def report():
    """An audit of samples with eight exact copies, and of some without."""
    train, test, generated, planted, originals = audited_digits.make(8)
    clean = audited_digits.make(0)[2]
    made = rgf_keras.audit(train, {"copying": generated, "clean": clean}, test, **PIXELS)
    return made, planted, originals


def test_planted_copies_are_named_with_what_they_copy(report):
    made, planted, originals = report
    copying, clean = made.result.samples
    named = {(int(copy.generated), int(copy.nearest)) for copy in made.copies}
    assert named == set(zip(planted, originals, strict=True))
    assert {(copy.kind, copy.space, copy.set) for copy in made.copies} == {
        ("exact", "pixels", "copying")
    }
    assert [copy.rank for copy in made.copies] == list(range(1, 9))
    assert copying.metrics["copying/exact/pixels"] == 8 / 200
    assert copying.alarms
    assert not clean.alarms
    assert made.found


def test_metrics_have_the_keys_and_labels_of_the_catalogue(report):
    made, *_ = report
    for row in made.table():
        assert catalogue.find(row["metric"].removesuffix("_low").removesuffix("_high"))
        assert set(row) == {"metric", "label", "copying", "clean"}
    metrics = made.result.samples[0].metrics
    expected = {
        "copying/c_t",
        "copying/tail_p",
        "quality/precision_pixels",
        "copying/leaked/pixels",
    }
    assert expected <= set(metrics)


def test_sets_are_compared_with_intervals(report):
    made, *_ = report
    found = {each.metric: each.value for each in made.result.differences}
    named = found["copying/named/pixels"]
    assert named.value == pytest.approx(-8 / 200)
    assert named.high < 0
    assert differences({"x": 1.0}, {"x": 2.0}) == {}


def test_the_page_is_self_contained_and_says_what_it_finds(report, tmp_path):
    made, *_ = report
    page = made.to_html(tmp_path / "audit.html")
    assert (tmp_path / "audit.html").read_text() == page
    assert "8 of 200 are copies in pixels" in page
    assert "brightened" in page
    assert "pixels alone" in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_same_audit_is_bit_identical(report):
    made, *_ = report
    train, test, generated, *_ = audited_digits.make(8)
    clean = audited_digits.make(0)[2]
    again = rgf_keras.audit(train, {"copying": generated, "clean": clean}, test, **PIXELS)
    assert again.result.record() == made.result.record()
    assert again.to_html() == made.to_html()


@pytest.mark.parametrize("kind", ["flipped", "shifted by two", "JPEG", "brightened"])
def test_disguised_copies_are_found_or_said_not_to_be(kind):
    train, test, generated, planted, _ = audited_digits.make(20, kind)
    made = rgf_keras.audit(train, generated, test, **PIXELS)
    share = np.isin(planted, [int(copy.generated) for copy in made.copies]).mean()
    promised = made.result.samples[0].sensitivity["pixels"][kind]
    assert share == pytest.approx(promised, abs=0.3)
    assert (share == 0) == (kind == "brightened")


def test_without_held_out_images_it_says_what_it_cannot_say():
    train, _, generated, planted, _ = audited_digits.make(4)
    made = rgf_keras.audit(train, generated, **PIXELS)
    assert {int(copy.generated) for copy in made.copies} == set(planted)
    assert not any(key.startswith("copying/c_t") for key in made.result.samples[0].metrics)
    assert "it cannot be said whether" in made.to_html()


def test_a_share_of_the_training_images_may_be_held_out():
    train, test, generated, *_ = audited_digits.make(0)
    everything = np.concatenate([train, test])
    made = rgf_keras.audit(everything, generated, hold_out=0.25, **PIXELS)
    assert made.result.sizes == {"train": 450, "test": 150}
    assert "copying/c_t" in made.result.samples[0].metrics


def test_leaks_and_duplicates_are_told():
    train, test, generated, *_ = audited_digits.make(0)
    train, test = train.copy(), test.copy()
    train[7], test[:5] = train[3], train[20:25]
    made = rgf_keras.audit(train, generated, test, **PIXELS)
    notes = " ".join(made.result.notes)
    assert "5 of 200 held-out images are, or nearly are, training images (0, 1, 2, …)" in notes
    assert "2 of 400 training images are there more than once (3, 7)" in notes


def test_the_training_images_as_samples_are_warned_of():
    train, test, *_ = audited_digits.make(0)
    made = rgf_keras.audit(train, train, test, **PIXELS)
    assert "holds the training images themselves" in made.result.notes[0]
    assert made.found


def test_files_of_mixed_sizes_and_formats_are_named(tmp_path):
    train, test, generated, planted, originals = audited_digits.make(5)
    folders = [tmp_path / name for name in ("train", "generated", "test")]
    audited_digits.write(folders[0], train)
    names = audited_digits.write(folders[1], generated, mixed=True)
    audited_digits.write(folders[2], test)
    made = rgf_keras.audit(*folders, **PIXELS)
    assert {copy.generated for copy in made.copies} == {names[i] for i in planted}
    rows = list(csv.DictReader(io.StringIO(made.result.copies_csv())))
    assert list(rows[0])[:6] == ["generated", "nearest", "distance", "rank", "ratio", "space"]
    assert {row["nearest"] for row in rows} == {f"{i:04d}.png" for i in originals}
    assert any("resized (bicubic" in note for note in made.result.notes)


def test_resized_images_are_not_taken_for_copies(tmp_path):
    train, test, generated, *_ = audited_digits.make(0, sizes=(1000, 500, 500))
    audited_digits.write(tmp_path / "mixed", generated, mixed=True)
    result = rgf_keras.audit(train, tmp_path / "mixed", test, **PIXELS).result
    assert not result.found
    assert result.samples[0].metrics["copying/c_t/pixels"] > -1
    assert any("those of all sets are smoothed" in note for note in result.notes)


def test_resizing_moves_c_t_by_little(tmp_path):
    train, test, generated, *_ = audited_digits.make(0, sizes=(1000, 500, 500))
    audited_digits.write(tmp_path / "mixed", generated, mixed=True)
    audited_digits.write(tmp_path / "large", np.concatenate([generated, generated[:10]]))
    large = Image.fromarray(generated[0, ..., 0]).resize((56, 56))
    large.save(tmp_path / "large" / "0000.png")  # so that this set is smoothed too
    sets = [tmp_path / "mixed", tmp_path / "large"]
    mixed, plain = rgf_keras.audit(train, sets, test, **PIXELS).result.samples
    key = "copying/c_t/pixels"
    assert abs(mixed.metrics[key] - plain.metrics[key]) < 0.15


def test_labelled_images_have_a_c_t_of_each_class(tmp_path):
    train, test, generated, *_ = audited_digits.make(0)
    for name, images in (("train", train), ("generated", generated), ("test", test)):
        (tmp_path / name).mkdir()
        for half, part in zip("ab", np.array_split(images, 2), strict=True):
            audited_digits.write(tmp_path / name / half, part)
    made = rgf_keras.audit(*(tmp_path / n for n in ("train", "generated", "test")), **PIXELS)
    (sample,) = made.result.samples
    assert [test.name for test in sample.classes] == ["a", "b"]
    mean = np.mean([test.c_t.value for test in sample.classes])
    assert mean == pytest.approx(sample.metrics["copying/c_t_mean/pixels"])


@pytest.mark.backend
def test_a_network_is_asked_once_for_each_batch(tmp_path, monkeypatch):
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.AveragePooling2D(4), keras.layers.Flatten(), keras.layers.Dense(16)]
    network = keras.Sequential([keras.Input((28, 28, 1)), *layers])
    computed = []
    extract = KerasFeatures.__call__

    def count(self, images):
        computed.append(images)
        return extract(self, images)

    monkeypatch.setattr(KerasFeatures, "__call__", count)

    def run():
        embedding = KerasFeatures(network, "tiny")
        monkeypatch.setattr(experiment.spaces, "find_extractors", lambda *_: [embedding])
        train, test, generated, *_ = audited_digits.make(4)
        return rgf_keras.audit(train, generated, test, features=["tiny"], cache=Cache(tmp_path))

    first = run()
    assert computed
    computed.clear()
    again = run()
    assert computed == []
    assert again.result.record() == first.result.record()
    (sample,) = first.result.samples
    assert set(sample.findings) == {"pixels", "tiny"}
    assert "quality/frechet_tiny" in sample.metrics
    assert len([copy for copy in first.copies if copy.space == "tiny"]) >= 4


TINY = """
import keras
from rgf_keras.metrics.features import KerasFeatures

def tiny():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.AveragePooling2D(4), keras.layers.Flatten(), keras.layers.Dense(16)]
    return KerasFeatures(keras.Sequential([keras.Input((28, 28, 1)), *layers]), "tiny")
"""


@pytest.mark.backend
def test_workers_share_batches_through_the_cache(tmp_path, monkeypatch):
    (tmp_path / "net.py").write_text(TINY)
    names, cache = (f"{tmp_path}/net.py:tiny",), Cache(tmp_path / "cache")
    arrays = dict(zip(("train", "test", "generated"), audited_digits.make(4), strict=False))
    for name, array in arrays.items():
        np.save(tmp_path / name, array)
    files = {name: tmp_path / f"{name}.npy" for name in arrays}
    monkeypatch.setattr(image_sets, "BATCH", 100)
    canvas = image_sets.survey(open_source(files["train"]))
    ahead = workers.Ahead(names, "imagenet", canvas, cache, {}, num_workers=2)
    kept = []
    for worker in (0, 1):
        for file in files.values():
            ahead.embed((str(file), worker), SILENT)
        kept.append(len([*cache.entries()]))
    assert 0 < kept[0] < kept[1]
    monkeypatch.setattr(KerasFeatures, "_compiled", lambda *_: pytest.fail("computed again"))
    _, space = spaces.make(spaces.find_extractors(names, ""), canvas, cache, tmp_path)
    for name, file in files.items():
        kind = {"train": "training", "test": "held-out"}.get(name, name)
        images = image_sets.read(open_source(file), kind, canvas, tmp_path / name)
        assert space.features(images).shape == (len(arrays[name]), 16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generated": np.zeros((1, 28, 28, 1), np.uint8)}, "1 generated image; an audit takes"),
        ({"generated": np.zeros((20, 28, 28, 1))}, "uint8, received"),
        ({"generated": []}, "no generated images"),
        ({"hold_out": 0.5}, "not both"),
        ({"test": None, "hold_out": 2.0}, "hold_out"),
        ({"features": ["inception"]}, "unknown"),
        ({"features": ["vgg16"], "weights": "none.h5"}, "cannot load the weights"),
    ],
)
def test_bad_arguments_are_named(change, message):
    train, test, generated, *_ = audited_digits.make(0)
    given = {"train": train, "generated": generated, "test": test, **PIXELS}
    with pytest.raises((RgfError, ArgumentError), match=message):
        rgf_keras.audit(**{**given, **change})


def test_channels_must_agree():
    train, test, generated, *_ = audited_digits.make(0)
    colour = generated.repeat(3, axis=-1)
    assert not rgf_keras.audit(train, colour, test, **PIXELS).found  # grey all the same
    colour[..., 0] = 255 - colour[..., 0]
    with pytest.raises(RgfError, match="in colour, but the training images are grey"):
        rgf_keras.audit(train, colour, test, **PIXELS)
    with pytest.raises(RgfError, match="grey, but training images are in colour"):
        rgf_keras.audit(colour.repeat(2, axis=0), generated, **PIXELS)


def test_black_images_do_not_stop_it():
    train, test, generated, *_ = audited_digits.make(0)
    generated = generated.copy()
    generated[:3] = 0
    assert rgf_keras.audit(train, generated, test, **PIXELS).result.samples[0].size == 200


def test_exported_samples_have_the_c_t_of_their_assessment(tmp_path):
    sets = audited_digits.make(20, "noisy", sizes=(25, 400, 300))[:3]
    folders = [tmp_path / name for name in ("train", "test", "generated")]
    for folder, images in zip(folders, sets, strict=True):
        audited_digits.write(folder, images)
    train, test, generated = map(str, folders)
    sample = rgf_keras.audit(
        train, generated, test, features=["pixels"], cache=Cache(tmp_path)
    ).result.samples[0]
    features = (Pixels().extract(images) for images in sets)
    expected = copying.measure(*features, seed=0, space="pixels")
    assert sample.metrics["copying/c_t/pixels"] == pytest.approx(expected.c_t.value)
    assert sample.metrics["copying/tail_p/pixels"] == pytest.approx(expected.tail.p_value)
