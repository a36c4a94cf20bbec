"""Morpho-MNIST: the authors' results on 200 digits, scikit-image's and SciPy's on shapes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from skimage import morphology as reference
from skimage.transform import pyramid_expand, pyramid_reduce

from rgf_keras.datasets import morphology
from rgf_keras.datasets.morphology.perturbations import _fracture_centres
from rgf_keras.datasets.morphology.resampling import downscale, upscale
from rgf_keras.datasets.morphology.skeleton import medial_axis, squared_distance
from rgf_keras.datasets.morphology.strokes import dilate, sample_points
from rgf_keras.errors import RgfError

MEASUREMENTS = ("area", "length", "thickness", "slant", "width", "height")
PERTURBATIONS = (
    morphology.plain,
    morphology.thin,
    morphology.thicken,
    morphology.swell,
    morphology.fracture,
)


@pytest.fixture(scope="module")
def golden() -> dict[str, NDArray]:
    with np.load(Path(__file__).parents[1] / "golden" / "morpho_mnist.npz") as data:
        return dict(data)


@pytest.fixture(scope="module")
def shapes(golden) -> morphology.Morphology:
    return morphology.Morphology.of(golden["images"])


@pytest.fixture(scope="module")
def blobs() -> NDArray[np.bool_]:
    """Random 112x112 shapes, from specks to wide plateaus, many of them cut by the border."""
    noise = np.random.default_rng(0).normal(size=(24, 112, 112))
    smooth = [ndimage.gaussian_filter(image, 2 + k % 8) for k, image in enumerate(noise)]
    return np.array([image > np.quantile(image, 0.2 + 0.03 * k) for k, image in enumerate(smooth)])


def full_frame_digits() -> NDArray[np.uint8]:
    """Black, one pixel, all white, ink at each border and in the corners, a line, a faint pixel."""
    images = np.zeros((8, 28, 28), np.uint8)
    images[1, 14, 14] = 255
    images[2] = 255
    images[3, :, :3] = images[4, -3:] = images[5, :3, 10:] = 255
    images[6, 10:12] = 200
    images[7, 5, 5] = 1
    return images


# --- the authors' results --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "perturb"),
    [
        ("plain", lambda shapes, data: morphology.plain(shapes)),
        ("thin", lambda shapes, data: morphology.thin(shapes, amount=0.7)),
        ("thick", lambda shapes, data: morphology.thicken(shapes, amount=1.0)),
        ("swell", lambda shapes, data: morphology.swell(shapes, 3, 7, data["swell_centre"])),
        ("frac", lambda shapes, data: morphology.fracture(shapes, centres=data["frac_centres"])),
    ],
)
def test_perturbations_equal_the_authors(golden, shapes, key, perturb):
    result = perturb(shapes, golden)
    assert result.dtype == np.uint8
    difference = np.abs(result.astype(int) - golden[key]).max(axis=(1, 2))
    assert (difference == 0).mean() >= 0.99
    assert difference.max() <= 1


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_measurements_equal_the_authors(golden, shapes, name):
    result = getattr(morphology.measure(shapes), name)
    assert result.dtype == np.float64
    assert np.isclose(result, golden[name], rtol=1e-6, atol=0).mean() >= 0.99


def test_skeletons_have_the_authors_length(golden, shapes):
    assert (shapes.skeleton.sum(axis=(1, 2)) == golden["skeleton_length"]).mean() >= 0.99


# --- scikit-image and SciPy, one image at a time ---------------------------------------------


def test_upscale_is_pyramid_expand(golden):
    noise = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    flat = np.repeat(np.repeat(noise[:, ::7, ::7] // 128 * 255, 7, axis=1), 7, axis=2)
    images = np.concatenate((golden["images"][:20], noise, flat, full_frame_digits()))
    expected = [(255 * pyramid_expand(i, upscale=4, order=3)).astype(np.uint8) for i in images]
    np.testing.assert_array_equal(upscale(images), expected)


def test_downscale_is_pyramid_reduce(blobs):
    expected = [(255 * pyramid_reduce(i, downscale=4, order=3)).astype(np.uint8) for i in blobs]
    np.testing.assert_array_equal(downscale(blobs), expected)


def test_squared_distance_is_the_distance_transform(blobs):
    expected = [np.rint(ndimage.distance_transform_edt(image) ** 2) for image in blobs]
    np.testing.assert_array_equal(squared_distance(blobs), expected)


def test_squared_distance_next_to_one_pixel_of_paper():
    ink = np.ones((2, 112, 112), bool)
    ink[0, 0, 0] = ink[1, 111, 40] = False
    expected = [np.rint(ndimage.distance_transform_edt(image) ** 2) for image in ink]
    np.testing.assert_array_equal(squared_distance(ink), expected)


def test_medial_axis_is_that_of_scikit_image(blobs):
    expected = [reference.medial_axis(image, rng=42) for image in blobs]
    np.testing.assert_array_equal(medial_axis(blobs, squared_distance(blobs)), expected)


def test_dilation_is_that_of_scikit_image(blobs):
    radius = np.arange(len(blobs)) % 9
    pairs = zip(blobs, radius, strict=True)
    expected = [reference.dilation(image, reference.disk(r)) for image, r in pairs]
    np.testing.assert_array_equal(dilate(blobs, radius), expected)


def test_thin_is_erosion(golden, shapes):
    radius = (0.7 * 4 * golden["thickness"] / 2).astype(int)
    for image, r, thin in list(zip(shapes.ink, radius, morphology.thin(shapes), strict=True))[:10]:
        eroded = reference.erosion(image, reference.disk(r))
        np.testing.assert_array_equal(thin, downscale(eroded[np.newaxis])[0])


# --- what is drawn ---------------------------------------------------------------------------


def test_swelling_is_drawn_on_the_skeleton(shapes):
    points = sample_points(shapes.skeleton, 5, 0, shapes.indices)
    assert shapes.skeleton[np.arange(200)[:, np.newaxis], points[..., 0], points[..., 1]].all()


def test_fractures_are_drawn_two_pixels_from_tips(shapes):
    centres = _fracture_centres(shapes, 3, seed=0)
    for skeleton, points in zip(shapes.skeleton[:20], centres[:20], strict=True):
        neighbours = ndimage.correlate(skeleton.astype(int), np.ones((3, 3)), mode="constant") - 1
        to_tip = ndimage.distance_transform_edt(~(skeleton & (neighbours == 1)))
        assert skeleton[tuple(points.T)].all()
        if (neighbours[skeleton] == 1).any():
            assert to_tip[tuple(points.T)].min() > 8


@pytest.mark.parametrize("perturb", [morphology.swell, morphology.fracture])
def test_draws_depend_on_seed_and_source_index(golden, perturb):
    same = np.repeat(golden["images"][:1], 6, axis=0)
    by_index, by_seed = perturb(same), [perturb(same[:1], seed=s)[0] for s in range(6)]
    assert len(np.unique(by_index, axis=0)) > 1
    assert len(np.unique(by_seed, axis=0)) > 1
    np.testing.assert_array_equal(perturb(same, indices=np.full(6, 3)), [by_index[3]] * 6)


# --- independence of how the work is divided -------------------------------------------------


def seven(images, indices=None, **options):
    functions = {f.__name__: f for f in (*PERTURBATIONS, morphology.measure)}
    functions["bolder"] = partial(morphology.thicken, amount=0.5)
    return morphology.apply(images, functions, indices, **options)


def assert_same(first, second, rows=slice(None)):
    for name, value in first.items():
        if isinstance(value, morphology.Measurements):
            for field in MEASUREMENTS:
                one, other = getattr(value, field), getattr(second[name], field)
                np.testing.assert_array_equal(one[rows], other)
        else:
            np.testing.assert_array_equal(value[rows], second[name])


def test_results_do_not_depend_on_processes_and_progress_is_told(golden):
    images, calls = golden["images"][:40], []
    result = seven(images, num_jobs=2, progress=lambda *call: calls.append(call))
    assert_same(seven(images), result)
    assert calls == [(20, 40), (40, 40)]


def test_results_do_not_depend_on_order_or_batch(golden):
    order = np.random.default_rng(0).permutation(40)
    whole, part = seven(golden["images"][:40]), order[:13]
    assert_same(whole, seven(golden["images"][part], indices=part), rows=part)


def test_batches_are_joined_in_order(golden, monkeypatch):
    images = golden["images"][:10]
    whole = seven(images)
    monkeypatch.setattr("rgf_keras.datasets.morphology.batches._BATCH", 4)
    assert_same(whole, seven(images))


def test_shared_stages_give_what_images_give(golden):
    images = golden["images"][:5]
    shapes = morphology.Morphology.of(images)
    for perturb in PERTURBATIONS:
        np.testing.assert_array_equal(perturb(shapes), perturb(images))


# --- odd digits ------------------------------------------------------------------------------


@pytest.mark.parametrize("perturb", PERTURBATIONS)
def test_odd_digits_have_defined_results(perturb):
    images = full_frame_digits()
    black, _, white, *borders, line, faint = perturb(images)
    assert not black.any()
    assert not faint.any()
    if perturb in (morphology.plain, morphology.thicken):
        assert (white == 255).all()
    for image, ink in zip((*borders, line), images[3:7], strict=True):
        assert image.any()
        if perturb is morphology.plain:
            np.testing.assert_array_equal(image > 127, ink > 127)


def test_odd_digits_are_measured():
    images = full_frame_digits()
    result = morphology.measure(images)
    for name in MEASUREMENTS:
        values = getattr(result, name)
        assert np.isfinite(values).all()
        assert values[0] == values[7] == 0
    assert result.area[2] == 28**2
    assert 0 < result.area[1] < 4
    np.testing.assert_allclose(result.slant[[2, 3, 4, 6]], 0, atol=1e-12)
    # The widest square around a pixel of the diagonals: distances 1 to 56, on both.
    np.testing.assert_allclose(result.thickness[2], 2 * 28.5 / 4, rtol=0.01)


def test_thinning_a_full_image_starts_at_its_outside():
    thin = morphology.thin(full_frame_digits()[2:3], amount=0.5)[0]
    assert thin[0].max() == thin[:, -1].max() == 0
    assert (thin[8:-8, 8:-8] >= 254).all()


def test_no_images():
    none = np.zeros((0, 28, 28), np.uint8)
    assert all(perturb(none).shape == (0, 28, 28) for perturb in PERTURBATIONS)
    assert len(morphology.measure(none)) == 0


def test_nothing_to_do_gives_plain(golden):
    images = golden["images"][:10]
    plain = morphology.plain(images)
    np.testing.assert_array_equal(morphology.thin(images, 0), plain)
    np.testing.assert_array_equal(morphology.thicken(images, 0), plain)
    np.testing.assert_array_equal(morphology.swell(images, strength=1), plain)


# --- errors ----------------------------------------------------------------------------------

DIGITS = np.zeros((2, 28, 28), np.uint8)
NOT_DIGITS: Any = None
NOT_UINT8: Any = "float64"
NOT_A_NUMBER: Any = "7"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: morphology.plain(DIGITS.astype(NOT_UINT8)), ("float64 (2, 28, 28)", "astype")),
        (lambda: morphology.thin(DIGITS[0]), ("uint8 (28, 28)", "images[None]")),
        (lambda: morphology.measure(DIGITS[..., np.newaxis]), ("(2, 28, 28, 1)", "channel")),
        (lambda: morphology.swell(DIGITS[:, :20]), ("(2, 20, 28)",)),
        (lambda: morphology.fracture(NOT_DIGITS), ("NoneType", "numpy.asarray")),
        (lambda: morphology.thin(DIGITS, -1), ("amount", "-1", "at least 0")),
        (lambda: morphology.thicken(DIGITS, float("nan")), ("amount", "nan")),
        (lambda: morphology.swell(DIGITS, strength=0), ("strength", "above 0")),
        (lambda: morphology.swell(DIGITS, radius=NOT_A_NUMBER), ("radius", "'7'")),
        (lambda: morphology.swell(DIGITS, centres=[[1, 2]]), ("centres", "(1, 2)", "(2, 2)")),
        (lambda: morphology.swell(DIGITS, centres=np.ones((2, 2))), ("centres", "float64")),
        (lambda: morphology.fracture(DIGITS, centres=[[[0, 112]]] * 2), ("0 to 111", "112")),
        (lambda: morphology.fracture(DIGITS, num_fractures=0), ("num_fractures", "got 0")),
        (lambda: morphology.fracture(DIGITS, seed=-1), ("seed", "-1")),
        (lambda: morphology.fracture(DIGITS, indices=[1]), ("indices", "(1,)")),
        (lambda: morphology.swell(DIGITS, indices=[0, -4]), ("indices", "-4")),
        (lambda: morphology.plain(DIGITS, num_jobs=0), ("num_jobs", "got 0", "-1")),
        (
            lambda: morphology.swell(morphology.Morphology.of(DIGITS), indices=[0, 1]),
            ("indices", "Morphology.of"),
        ),
    ],
)
def test_errors_name_the_value_and_the_remedy(call, words):
    with pytest.raises(RgfError) as error:
        call()
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message
