"""DiffAugment and flips, on every backend."""

import keras
import numpy as np
import pytest
from gradients import value_and_gradient
from keras import ops

from rgf_keras.models import augmentation

pytestmark = pytest.mark.backend

SHAPE = (6, 16, 12, 3)
IMAGES = np.random.default_rng(0).uniform(-1, 1, SHAPE).astype(np.float32)
CHANGES = ("brightness", "saturation", "contrast", "translation", "cutout", "diff_augment")


def apply(name, images, seed=0):
    change = getattr(augmentation, name)
    return ops.convert_to_numpy(
        change(ops.convert_to_tensor(images), keras.random.SeedGenerator(seed))
    )


@pytest.mark.parametrize("name", [*CHANGES, "flip"])
def test_shapes_stay_and_each_image_has_its_own_change(name):
    same = np.repeat(IMAGES[:1], 64, axis=0)
    changed = apply(name, same)
    assert changed.shape == same.shape
    assert changed.dtype == np.float32
    assert len(np.unique(changed.reshape(64, -1).round(4), axis=0)) > (1 if name == "flip" else 8)
    np.testing.assert_array_equal(changed, apply(name, same))
    assert not np.array_equal(changed, apply(name, same, seed=1))


@pytest.mark.parametrize("name", ["brightness", "saturation", "contrast"])
def test_colours_change_nothing_on_average(name):
    many = np.repeat(IMAGES[:1], 20_000, axis=0)[:, :4, :4]
    np.testing.assert_allclose(apply(name, many).mean(axis=0), many[0], atol=0.02)


def test_brightness_adds_one_number_to_an_image():
    added = apply("brightness", IMAGES) - IMAGES
    np.testing.assert_allclose(added, np.broadcast_to(added[:, :1, :1, :1], SHAPE), atol=1e-6)
    assert (np.abs(added) <= 0.5).all()


def test_saturation_keeps_the_grey_and_contrast_the_mean():
    np.testing.assert_allclose(
        apply("saturation", IMAGES).mean(axis=-1), IMAGES.mean(axis=-1), atol=1e-5
    )
    np.testing.assert_allclose(
        apply("contrast", IMAGES).mean(axis=(1, 2, 3)), IMAGES.mean(axis=(1, 2, 3)), atol=1e-5
    )


def test_translation_shifts_by_whole_pixels_and_fills_with_zeros():
    """Up to 16/8 = 2 rows and round(12/8) = 2 columns."""
    for image, moved in zip(IMAGES, apply("translation", IMAGES), strict=True):
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
        shifts = [padded[i : i + 16, j : j + 12] for i in range(5) for j in range(5)]
        assert sum(np.allclose(moved, shift, atol=1e-6) for shift in shifts) == 1


def test_translation_reaches_every_shift():
    dot = np.zeros((2000, 16, 12, 1), np.float32)
    dot[:, 8, 6] = 1
    positions = np.unique(np.argwhere(apply("translation", dot))[:, 1:3], axis=0)
    np.testing.assert_array_equal(positions, [(i, j) for i in range(6, 11) for j in range(4, 9)])


def test_cutout_removes_a_rectangle_of_half_the_size():
    ones = np.ones((4000, 16, 12, 1), np.float32)
    kept = apply("cutout", ones)
    assert set(np.unique(kept)) == {0, 1}
    removed = 1 - kept[..., 0]
    rows, columns = removed.max(axis=2), removed.max(axis=1)
    np.testing.assert_array_equal(removed, rows[:, :, None] * columns[:, None])
    # Centred on a border half of it is lost, further inside nothing.
    assert set(rows.sum(axis=1)) == {4, 5, 6, 7, 8}
    assert set(columns.sum(axis=1)) == {3, 4, 5, 6}
    assert (np.abs(np.diff(rows, axis=1)).sum(axis=1) <= 2).all()


def test_flips_mirror_about_half_of_the_images():
    many = np.repeat(IMAGES[:1], 400, axis=0)
    flipped = apply("flip", many)
    mirrored = np.array([np.array_equal(x, IMAGES[0][:, ::-1]) for x in flipped])
    same = np.array([np.array_equal(x, IMAGES[0]) for x in flipped])
    assert (mirrored ^ same).all()
    assert 140 < mirrored.sum() < 260


@pytest.mark.parametrize("name", CHANGES)
def test_gradients_are_exact(name):
    """All changes are affine: f(x) − f(0) = ⟨∇f, x⟩, for a weighted sum f and the same draws."""
    weights = ops.convert_to_tensor(np.random.default_rng(1).normal(size=SHAPE), "float32")
    change = getattr(augmentation, name)

    def at(images):
        seed = keras.random.SeedGenerator(0)
        x = keras.Variable(images)
        return value_and_gradient(lambda: ops.sum(change(x.value, seed) * weights), x, [seed.state])

    value, gradient = at(IMAGES)
    at_zero, _ = at(np.zeros(SHAPE, np.float32))
    assert value - at_zero == pytest.approx(float((gradient * IMAGES).sum()), rel=1e-3, abs=1e-3)
    assert np.abs(gradient).max() > 0.1
