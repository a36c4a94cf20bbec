"""Shape factors: the right digits change, and what was made once is not made again."""

import numpy as np
import pytest

from rgf_keras import datasets
from rgf_keras.cache import Cache
from rgf_keras.datasets import Fracture, Swelling, Thickening, Thinning, morphology
from rgf_keras.errors import RgfError

FACTORS = [Thinning(), Thickening(), Swelling(), Fracture()]


@pytest.fixture(scope="module")
def digits():
    return datasets.load("mnist-10k").split(200)[0]


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path)


def ink(dataset):
    """Grey images (N, 28, 28) of coloured ones."""
    return dataset.images.max(axis=-1)


@pytest.mark.parametrize("factor", FACTORS, ids=lambda factor: factor.name)
def test_digits_with_the_factor_are_changed_and_the_others_plain(digits, factor):
    planted = datasets.balanced(digits, factor, seed=3)
    grey, ones = digits.images[..., 0], planted.factor == 1
    changed = factor.layers(3)[1](grey, **seeds(factor, digits))
    np.testing.assert_array_equal(ink(planted)[ones], changed[ones])
    np.testing.assert_array_equal(ink(planted)[~ones], morphology.plain(grey)[~ones])
    assert planted.factor_values == ("plain", factor.name)


def seeds(factor, digits):
    return {"indices": digits.indices} if isinstance(factor, Swelling | Fracture) else {}


def test_raw_digits_stay_as_they_are(digits):
    planted = datasets.balanced(digits, Thinning(common="raw"), seed=0)
    zeros = planted.factor == 0
    np.testing.assert_array_equal(ink(planted)[zeros], digits.images[zeros][..., 0])


def test_half_of_the_images_are_green_whatever_their_class_and_factor(digits):
    planted = datasets.skewed(digits, Thickening(), rare_class=1, seed=0)
    assert planted.image_shape == (28, 28, 3)
    red, green, blue = (planted.images[..., channel].any(axis=(1, 2)) for channel in range(3))
    assert (red ^ green).all()
    assert not blue.any()
    # 200 images and 22 ones: four standard errors of a share of one half.
    assert green.mean() == pytest.approx(0.5, abs=0.15)
    assert green[planted.labels == 1].mean() == pytest.approx(0.5, abs=0.43)


def test_images_can_stay_grey(digits):
    planted = datasets.balanced(digits, Thinning(coloured=False), seed=0)
    assert planted.image_shape == (28, 28, 1)


def test_several_strengths_are_several_values(digits):
    planted = datasets.balanced(digits, Thickening([0.3, 0.6, 1.0]), seed=0)
    assert planted.factor_values == ("plain", *(f"thickening {a}" for a in ("0.3", "0.6", "1")))
    thickness = morphology.measure(ink(planted)).thickness
    means = [thickness[planted.factor == value].mean() for value in range(4)]
    assert (np.diff(means) > 0.3).all()


def test_planting_does_not_depend_on_order_or_subset(digits):
    factor = Fracture()
    whole = datasets.balanced(digits, factor, seed=0)
    order = np.random.default_rng(0).permutation(len(digits))
    mixed = datasets.balanced(digits.take(order), factor, seed=0)
    np.testing.assert_array_equal(mixed.images, whole.images[order])


def test_what_is_in_the_cache_is_not_made_again(digits, cache, monkeypatch):
    first = datasets.balanced(digits, Swelling(), 0, cache)
    assert [entry.kind for entry in cache.entries()] == ["shape", "shape"]
    monkeypatch.setattr(morphology, "apply", None)
    assert datasets.balanced(digits, Swelling(), 0, cache).fingerprint == first.fingerprint
    # Neither another rare class nor another rarity needs anything new.
    datasets.skewed(digits, Swelling(), 2, 0, 0.8, cache)


@pytest.mark.parametrize(
    ("factor", "seed"), [(Swelling(), 1), (Swelling(2.0), 0), (Swelling(radius=5.0), 0)]
)
def test_another_seed_or_strength_is_another_entry(digits, cache, factor, seed):
    datasets.balanced(digits, Swelling(), 0, cache)
    datasets.balanced(digits, factor, seed, cache)
    assert len(list(cache.entries())) == 3  # plain digits are shared


def test_a_damaged_entry_is_made_again(digits, cache):
    first = datasets.balanced(digits, Thinning(), 0, cache)
    for entry in cache.entries():
        entry.path.write_bytes(entry.path.read_bytes()[:-100])
    assert datasets.balanced(digits, Thinning(), 0, cache).fingerprint == first.fingerprint


def test_prepare_makes_everything_in_one_pass(digits, cache, monkeypatch):
    calls, told = [], []
    apply = morphology.apply
    monkeypatch.setattr(morphology, "apply", lambda *a, **k: calls.append(1) or apply(*a, **k))
    datasets.prepare(FACTORS, digits, 0, cache, lambda done, total: told.append((done, total)))
    assert len(calls) == 1
    assert told[-1] == (200, 200)
    for factor in FACTORS:
        datasets.balanced(digits, factor, 0, cache)
    assert len(calls) == 1


def test_the_cache_can_be_cleared(digits, cache):
    datasets.prepare([Thinning()], digits, 0, cache)
    size = sum(entry.size for entry in cache.entries())
    assert cache.clear(("oracle",)) == 0
    assert cache.clear(("shape",)) == size > 10_000
    assert not list(cache.entries())


def test_shape_factors_need_digits(digits):
    small = datasets.Dataset(
        "small", digits.images[:, :20], digits.labels, digits.indices, digits.class_names
    )
    with pytest.raises(RgfError, match=r"thinning needs digits .* received \(200, 20, 28, 1\)"):
        datasets.balanced(small, Thinning(), 0)


def test_a_fraction_of_a_fracture_is_refused():
    with pytest.raises(RgfError, match=r"num_fractures must be a whole number from 1, got 2.5"):
        Fracture(2.5)


@pytest.mark.parametrize("radius", [0, "wide", None])
def test_a_bad_radius_is_refused_before_anything_is_planted(radius):
    with pytest.raises(RgfError, match=f"radius must be a number above 0, got {radius!r}"):
        datasets.factor("swelling", {"radius": radius})
