"""A Dataset stays together: through split, take, save and read."""

import numpy as np
import pytest

from rgf_keras.datasets import Colour, Dataset, balanced, planting, read
from rgf_keras.datasets.dataset import pool, uniform
from rgf_keras.errors import ArgumentError, RgfError


def make(num_images=30, **changes):
    """Grey 2×2 images; the class of image i is i mod 3, its source index 100 + i."""
    fields = {
        "name": "toy",
        "images": np.arange(4 * num_images, dtype=np.uint8).reshape(num_images, 2, 2, 1),
        "labels": np.arange(num_images) % 3,
        "indices": 100 + np.arange(num_images),
        "class_names": ("a", "b", "c"),
    }
    return Dataset(**{**fields, **changes})


def assert_same(first, second):
    for field in ("images", "labels", "indices", "factor"):
        np.testing.assert_array_equal(getattr(first, field), getattr(second, field))
    for field in ("name", "class_names", "factor_name", "factor_values"):
        assert getattr(first, field) == getattr(second, field)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((30, 2, 2), np.uint8)}, "images must be"),
        ({"images": np.zeros((30, 2, 2, 1))}, "images must be .* received .* float64"),
        ({"labels": np.zeros(29, int)}, r"labels must be \(30,\) integers, received \(29,\)"),
        ({"labels": np.full(30, np.nan)}, "labels must be .* received .* float64"),
        ({"indices": np.zeros(30)}, "indices must be"),
        ({"factor": np.zeros(30)}, "factor must be"),
        ({"labels": np.full(30, 3)}, r"labels must lie in \[0, 2\]"),
        ({"labels": np.full(30, -1)}, r"labels must lie in \[0, 2\]"),
    ],
)
def test_bad_arrays_are_named(changes, message):
    with pytest.raises(RgfError, match=f"toy: {message}"):
        make(**changes)


def test_a_data_set_holds_images():
    with pytest.raises(RgfError, match="toy holds no images"):
        make(0)


def test_arrays_are_frozen():
    with pytest.raises(ValueError, match="read-only"):
        make().images[0] = 0


def test_shape_and_size():
    dataset = make()
    assert (len(dataset), dataset.num_classes, dataset.image_shape) == (30, 3, (2, 2, 1))


@pytest.mark.parametrize("num_first", [3, 15, 27])
def test_split_is_stratified_disjoint_and_complete(num_first):
    parts = make().split(num_first)
    for part, size in zip(parts, (num_first, 30 - num_first), strict=True):
        assert np.bincount(part.labels).tolist() == [size // 3] * 3
        assert (np.diff(part.indices) > 0).all(), "source order"
    assert sorted(np.concatenate([part.indices for part in parts])) == list(range(100, 130))


@pytest.mark.parametrize("num_first", range(1, 30))
def test_split_of_any_size_keeps_the_mix_of_classes(num_first):
    first, second = make().split(num_first)
    assert (len(first), len(second)) == (num_first, 30 - num_first)
    assert np.ptp(np.bincount(first.labels, minlength=3)) <= 1


def test_split_depends_on_its_seed_alone():
    first = make().split(15)[0].indices
    np.random.seed(7)
    np.testing.assert_array_equal(first, make().split(15)[0].indices)
    assert (first != make().split(15, seed=1)[0].indices).any()


@pytest.mark.parametrize("num_first", [-1, 0, 30])
def test_split_leaves_no_side_empty(num_first):
    with pytest.raises(RgfError, match=rf"num_first must lie in \[1, 29\], received {num_first}$"):
        make().split(num_first)


@pytest.mark.parametrize("planted", [False, True])
def test_save_and_read(tmp_path, planted):
    dataset = balanced(make(), Colour(), seed=0) if planted else make()
    back = read(dataset.save(tmp_path / "toy.npz"))
    assert_same(back, dataset)
    assert back.fingerprint == dataset.fingerprint


def test_take_keeps_what_belongs_together():
    dataset = balanced(make(), Colour(), seed=0)
    taken = dataset.take(np.array([4, 1]), name="two")
    assert taken.name == "two"
    for field in ("images", "labels", "indices", "factor"):
        np.testing.assert_array_equal(getattr(taken, field), getattr(dataset, field)[[4, 1]])


def test_fingerprint_sees_images_labels_and_factor():
    changed = [make(), make(labels=np.zeros(30, int)), make(factor=np.zeros(30, int)), make(29)]
    assert len({dataset.fingerprint for dataset in changed}) == 4
    assert make().fingerprint == make(name="same images").fingerprint


def test_reading_something_else(tmp_path):
    from rgf_keras import archive

    path = archive.save(tmp_path / "other.npz", {"x": np.zeros(1)}, {"name": "no data set"})
    with pytest.raises(RgfError, match=r"other\.npz is not a data set: it has no 'images'"):
        read(path)


def test_uniform_numbers_belong_to_the_index():
    everything = uniform(np.arange(1000), 0, "test")
    some = np.array([7, 999, 7, 0])
    np.testing.assert_array_equal(uniform(some, 0, "test"), everything[some])
    np.testing.assert_array_equal(uniform(np.array([7]), 0, "test"), everything[[7]])


def test_uniform_numbers_are_uniform_and_independent_of_other_purposes():
    first, second = (uniform(np.arange(10_000), 0, purpose) for purpose in ("one", "two"))
    assert first.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * 10_000))
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0, abs=4 / np.sqrt(10_000))


def test_pooled_splits_are_disjoint_and_equal():
    train, test = make(30, name="toy/train"), make(8, name="toy/test")
    first, second = pool(train, test, 9)
    assert (first.name, second.name) == ("toy/train", "toy/test")
    assert np.bincount(first.labels).tolist() == [9] * 3
    assert sorted([*first.indices, *second.indices]) == [*range(38)]
    images, labels = (
        np.concatenate([getattr(x, name) for x in (train, test)]) for name in ("images", "labels")
    )
    for part in (first, second):
        np.testing.assert_array_equal(part.images, images[part.indices])
        np.testing.assert_array_equal(part.labels, labels[part.indices])
    again, _ = pool(train, test, 8)
    assert {*again.indices} < {*first.indices}, "nested"
    with pytest.raises(ArgumentError, match="class 'c' of toy has 12 images, which leaves none"):
        pool(train, test, 12)


def test_equal_digits_have_equal_values():
    first, _ = pool(make(60), make(30), 20)
    assert planting.counts(balanced(first, Colour(), 0)).tolist() == [[10, 10]] * 3
