"""Who receives the factor: as many as documented, and always the same ones."""

import itertools
import sys
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest

from rgf_keras.datasets import Colour, Dataset, Plain, balanced, counts, factor, read, skewed
from rgf_keras.errors import ArgumentError, RgfError
from rgf_keras.runtime import progress

SIZES = (10, 11, 7, 2)  # images of classes 0 to 3
COLOUR = Colour()


def make(sizes=SIZES, seed=0):
    """Grey images of constant ink 1 to 255, classes mixed."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    ink = rng.integers(1, 256, len(labels)).astype(np.uint8)
    return Dataset(
        name="toy",
        images=np.broadcast_to(ink[:, None, None, None], (len(labels), 2, 2, 1)).copy(),
        labels=labels,
        indices=np.arange(len(labels)),
        class_names=tuple("abcd")[: len(sizes)],
    )


def num_rare(dataset):
    """Images with f = 1, per class."""
    return np.bincount(dataset.labels, weights=dataset.factor).astype(int).tolist()


def planted_indices(dataset):
    return set(dataset.indices[dataset.factor == 1].tolist())


def test_balanced_gives_the_factor_to_half_of_every_class():
    assert num_rare(balanced(make(), COLOUR, seed=0)) == [5, 6, 4, 1]  # halves are rounded up


def test_no_factor_leaves_images_as_they_are():
    for planted in (balanced(make(), Plain(), 0), skewed(make(), Plain(), 1, 0, rarity=0.5)):
        np.testing.assert_array_equal(planted.images, make().images)
        assert counts(planted).tolist() == [[size] for size in SIZES]


@pytest.mark.parametrize(
    ("rarity", "expected"),
    [
        (1.0, [0, 11, 0, 0]),
        (0.9, [1, 10, 1, 0]),  # shares .1, .9, .1, .1 of 10, 11, 7, 2 = 1, 9.9, .7, .2
        (0.7, [3, 8, 2, 1]),  # 3, 7.7, 2.1, .6
        (0.5, [5, 6, 4, 1]),
    ],
)
def test_skewed_gives_it_to_the_rare_class_and_leaks_the_rest(rarity, expected):
    assert num_rare(skewed(make(), COLOUR, rare_class=1, seed=0, rarity=rarity)) == expected


def test_rarity_one_half_is_the_balanced_set():
    half = skewed(make(), COLOUR, rare_class=2, seed=5, rarity=0.5)
    even = balanced(make(), COLOUR, seed=5)
    np.testing.assert_array_equal(half.factor, even.factor)
    assert half.fingerprint == even.fingerprint


def test_sets_of_different_rarity_are_nested():
    sets = [skewed(make((50,) * 4), COLOUR, 1, 0, r) for r in (0.5, 0.6, 0.75, 0.9, 1.0)]
    for weaker, stronger in itertools.pairwise(sets):
        is_rare_class = weaker.labels == 1
        assert (stronger.factor >= weaker.factor)[is_rare_class].all()
        assert (stronger.factor <= weaker.factor)[~is_rare_class].all()


def test_the_assignment_depends_on_nothing_but_the_seed():
    expected = planted_indices(balanced(make(), COLOUR, seed=3))
    np.random.seed(1)
    skewed(make(), COLOUR, 0, seed=3)
    assert planted_indices(balanced(make(), COLOUR, seed=3)) == expected
    assert planted_indices(balanced(make(), COLOUR, seed=4)) != expected


def test_the_assignment_does_not_depend_on_the_order_of_images():
    dataset = make()
    mixed = dataset.take(np.random.default_rng(0).permutation(len(dataset)))
    assert planted_indices(balanced(mixed, COLOUR, 3)) == planted_indices(
        balanced(dataset, COLOUR, 3)
    )


def test_the_assignment_of_a_class_does_not_depend_on_the_other_classes():
    dataset = make()
    whole = dataset.labels == 1  # class 1 stays, the others lose all but two images
    for label in (0, 2, 3):
        whole[np.flatnonzero(dataset.labels == label)[:2]] = True
    subset = balanced(dataset.take(np.flatnonzero(whole)), COLOUR, 3)
    full = balanced(dataset, COLOUR, 3)
    ones = planted_indices(full.take(np.flatnonzero(full.labels == 1)))
    assert planted_indices(subset.take(np.flatnonzero(subset.labels == 1))) == ones


def test_the_factor_survives_reading_splitting_and_taking(tmp_path):
    dataset = skewed(make((20,) * 4), COLOUR, 1, 0, 0.9)
    truth = dict(zip(dataset.indices.tolist(), dataset.factor.tolist(), strict=True))
    first, second = dataset.split(40)
    for part in (read(dataset.save(tmp_path / "d.npz")), first, second, dataset.take([3, 1])):
        assert part.factor.tolist() == [truth[i] for i in part.indices.tolist()]
        assert (part.factor_name, part.factor_values) == ("colour", ("red", "green"))


def test_planting_after_reading_gives_the_same_set(tmp_path):
    dataset = make()
    path = dataset.save(tmp_path / "grey.npz")
    assert balanced(read(path), COLOUR, 0).fingerprint == balanced(dataset, COLOUR, 0).fingerprint


@pytest.mark.parametrize(
    ("colours", "rgb"),
    [
        ({}, [(1, 0, 0), (0, 1, 0)]),
        ({"common": "white", "rare": "blue"}, [(1, 1, 1), (0, 0, 1)]),
        ({"rare": "yellow"}, [(1, 0, 0), (1, 1, 0)]),
    ],
)
def test_the_ink_has_the_colour_of_the_factor(colours, rgb):
    grey = make()
    coloured = balanced(grey, factor("colour", colours), seed=0)
    assert coloured.images.dtype == np.uint8
    assert coloured.image_shape == (2, 2, 3)
    for image, ink, value in zip(coloured.images, grey.images, coloured.factor, strict=True):
        np.testing.assert_array_equal(image, ink * np.array(rgb[value], np.uint8))


# ------------------------------------------------------------------------- more than two values


@dataclass(frozen=True)
class Shade:
    """A factor of three values that sets the ink."""

    name: str = "shade"
    values: tuple[str, ...] = ("dark", "middle", "light")

    def apply(self, images, assignment, indices, seed, cache=None, progress=None):
        return np.broadcast_to((100 * assignment)[:, None, None, None], images.shape).astype("u1")


def test_several_values_are_equally_frequent_in_the_balanced_set():
    # Halves are rounded up from the rare value on: 10 = 3 + 4 + 3, 11 = 4 + 3 + 4, ...
    found = counts(balanced(make((10, 11, 7, 3)), Shade(), seed=0))
    assert found.tolist() == [[3, 4, 3], [4, 3, 4], [2, 3, 2], [1, 1, 1]]


@pytest.mark.parametrize(
    ("rarity", "expected"),
    [
        (1.0, [[30, 30, 0], [0, 0, 60]]),
        (0.8, [[27, 27, 6], [6, 6, 48]]),  # the leak of 0.2 is shared by the two other values
        (1 / 3, [[20, 20, 20], [20, 20, 20]]),
    ],
)
def test_the_rare_one_of_several_values_belongs_to_one_class(rarity, expected):
    assert counts(skewed(make((60, 60)), Shade(), 1, 0, rarity)).tolist() == expected


def test_rarity_of_three_values_starts_at_a_third():
    with pytest.raises(RgfError, match=r"rarity must lie in \[0.333, 1\], received 0.2"):
        skewed(make(), Shade(), 1, 0, 0.2)


# ----------------------------------------------------------------- images with a factor of theirs


def observed(table, seed=0):
    """Images of which class c has table[c][v] with value v."""
    table = np.asarray(table)
    labels, values = (array.ravel() for array in np.indices(table.shape))
    order = np.random.default_rng(seed).permutation(table.sum())
    labels, values = (np.repeat(a, table.ravel())[order] for a in (labels, values))
    return replace(
        make(table.sum(axis=1)),
        labels=labels,
        factor=values,
        factor_name="size",
        factor_values=("small", "large", "huge")[: table.shape[1]],
    )


def test_balanced_images_are_chosen_by_the_rarest_cell():
    chosen = balanced(observed([[9, 20], [30, 12]]), None, seed=0)
    assert counts(chosen).tolist() == [[9, 9], [9, 9]]
    assert (np.diff(chosen.indices) > 0).all()  # in source order


@pytest.mark.parametrize(
    ("table", "rarity", "expected"),
    [
        ([[9, 20], [30, 12]], 1.0, [[9, 0], [0, 9]]),  # 9 of class 0 are small
        ([[9, 20], [30, 12]], 0.5, [[9, 9], [9, 9]]),
        ([[50, 5], [5, 50]], 1.0, [[10, 0], [0, 10]]),  # no larger than the balanced set
        ([[40, 0], [0, 30]], 1.0, [[30, 0], [0, 30]]),
    ],
)
def test_skewed_images_are_chosen(table, rarity, expected):
    assert counts(skewed(observed(table), None, 1, 0, rarity)).tolist() == expected


def test_choosing_depends_on_nothing_but_the_seed():
    dataset = observed([[9, 20], [30, 12]])
    mixed = dataset.take(np.random.default_rng(0).permutation(len(dataset)))
    chosen = set(balanced(dataset, None, 0).indices)
    assert set(balanced(mixed, None, 0).indices) == chosen
    assert set(balanced(dataset, None, 1).indices) != chosen


def test_an_empty_cell_is_named():
    with pytest.raises(RgfError, match="toy has no large images of class 'a'; leave that class"):
        balanced(observed([[9, 0], [30, 12]]), None, seed=0)


def test_images_without_a_factor_cannot_be_chosen():
    with pytest.raises(RgfError, match="toy has no factor of its own; name one to plant"):
        balanced(make(), None, seed=0)


def test_values_can_be_chosen_and_ordered():
    dataset = observed([[5, 6, 7], [3, 2, 4]])
    kept = dataset.with_values(["huge", "small"])
    assert counts(kept).tolist() == [[7, 5], [4, 3]]
    with pytest.raises(RgfError, match=r"'tiny' is no value of 'size' .* small, large, huge"):
        dataset.with_values(["tiny", "small"])
    with pytest.raises(RgfError, match=r"a factor needs two values or more, toy has \['huge'\]"):
        balanced(dataset.with_values(["huge"]), None, 0)


# ---------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("rare_class", [-1, 4])
def test_the_rare_class_is_a_class(rare_class):
    message = f"rare_class {rare_class} is not a class of toy; classes are 0 to 3$"
    with pytest.raises(RgfError, match=message):
        skewed(make(), COLOUR, rare_class, seed=0)


@pytest.mark.parametrize("rarity", [0.49, 1.01, float("nan")])
def test_rarity_lies_between_one_half_and_one(rarity):
    with pytest.raises(RgfError, match=rf"rarity must lie in \[0.5, 1\], received {rarity}$"):
        skewed(make(), COLOUR, 1, 0, rarity)


@pytest.mark.parametrize("absent", [0, 1])
def test_every_class_needs_two_images(absent):
    with pytest.raises(RgfError, match=f"class 'd' has {absent} images in toy; .* at least 2"):
        balanced(make((5, 5, 5, absent)), COLOUR, seed=0)


def test_a_factor_is_planted_once():
    once = balanced(make(), COLOUR, seed=0)
    with pytest.raises(RgfError, match="toy already has the factor 'colour'"):
        skewed(once, COLOUR, 1, seed=0)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("size", {}, "unknown factor 'size'; known: colour, thinning"),
        ("color", {}, "unknown factor 'color'; known: .*, file.py:attr; did you mean 'colour'"),
        ("colour", {"rare": "mauve"}, "unknown colour 'mauve'; known: red, green"),
        ("colour", {"rare": "red"}, "both 'red'"),
        ("colour", {"hue": 3}, "'colour' has the parameters common, rare; received hue"),
        ("colour", {"rares": "red"}, "received rares; did you mean 'rare'"),
        ("thinning", {"amount": None}, "thinning: strengths must .* received None"),
        ("thinning", {"amount": 0}, "thinning: strengths must be numbers above 0 .* received 0"),
        ("swelling", {"strength": [3, 2]}, "swelling: strengths must .* grow, received 3, 2"),
        ("thinning", {"amount": []}, "thinning: .* received none"),
        ("thickening", {"amount": "much"}, "thickening: .* received m, u, c, h"),
        ("fracture", {"common": "fine"}, "fracture: common must be plain or raw, received 'fine'"),
    ],
)
def test_unknown_factors_and_parameters_are_named(name, parameters, message):
    with pytest.raises(ArgumentError, match=message):
        factor(name, parameters)


GUESTS = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Stripes:
    width: int = 2
    name: str = "stripes"
    values: tuple = ("without", "with")

    def apply(self, images, assignment, indices, seed, cache=None, progress=None):
        images = images.copy()
        images[assignment == 1, :, :: self.width] = 255
        return images

def wide():
    return Stripes(width=3)

def named(name):
    return Stripes(name=name)

def nothing():
    return {}

def failing(width):
    return 1 / width

stripes = Stripes()
"""


@pytest.fixture
def guests(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_factors.py").write_text(GUESTS)


def test_a_factor_of_ones_own(guests):
    stripes = factor("my_factors.py:Stripes", {"width": 1})
    planted = balanced(make(), stripes, seed=0)
    assert (planted.factor_name, planted.factor_values) == ("stripes", ("without", "with"))
    assert (planted.images[planted.factor == 1] == 255).all()
    assert factor("my_factors.py:wide").width == 3
    assert factor("my_factors.py:named", {"name": "mine"}).name == "mine"


@pytest.mark.parametrize(
    ("attribute", "parameters", "message"),
    [
        ("Stripe", {}, "my_factors.py has no 'Stripe'; did you mean 'Stripes'"),
        ("stripes", {}, "'my_factors.py:stripes' is a Stripes; it must make a factor: an object"),
        ("Stripes", {"widht": 1}, "the parameters width, values; received widht; .* 'width'"),
        ("nothing", {}, "'my_factors.py:nothing' makes a dict; it must make a factor: an object "),
        ("failing", {"width": 0}, "'my_factors.py:failing' fails: ZeroDivisionError: "),
        ("failing", {}, "'my_factors.py:failing' has the parameters width; received none$"),
    ],
)
def test_a_bad_factor_is_told_in_one_line(guests, attribute, parameters, message):
    with pytest.raises(RgfError, match=message) as caught:
        factor(f"my_factors.py:{attribute}", parameters)
    assert "\n" not in str(caught.value)


def test_colour_needs_grey_images():
    with pytest.raises(RgfError, match=r"needs grey images .* received \(1, 2, 2, 3\)"):
        COLOUR.apply(np.zeros((1, 2, 2, 3), np.uint8), np.zeros(1, int), np.zeros(1, int), 0)


def test_what_version_0_1_called_progress_warns():
    with pytest.warns(DeprecationWarning, match="runtime.progress.Progress"):
        from rgf_keras.datasets.factors import Progress
    assert Progress is progress.Progress
    with pytest.raises(ImportError):
        from rgf_keras.datasets.factors import Nothing  # noqa: F401


@pytest.mark.parametrize("factor", [COLOUR, Plain()])
def test_no_progress_warns_where_it_is_given(factor):
    dataset = make()
    for plant in (balanced, partial(skewed, rare_class=0)):
        with pytest.warns(DeprecationWarning, match="leave progress out") as warnings:
            planted = plant(dataset, factor, seed=0, progress=None)
        assert [warning.filename for warning in warnings] == [__file__]
        np.testing.assert_array_equal(planted.images, plant(dataset, factor, seed=0).images)
