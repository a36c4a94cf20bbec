"""The memorization score: golden values, hand-made cases, its interval, ρ, and bad input."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from rgf_keras.errors import ArgumentError, RgfError
from rgf_keras.metrics import memorization
from rgf_keras.metrics.memorization import (
    leave_one_out_score,
    memorization_score,
    neighbour_ratio,
    quantile_interval,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "memorization_score.npz"


def kfold(num_repeats, num_folds, n, seed=0):
    """Masks of seeded K-fold partitions, (L, K, n)."""
    rng = np.random.default_rng(seed)
    folds = [rng.permutation(np.arange(n) % num_folds) for _ in range(num_repeats)]
    return np.array([[fold == k for k in range(num_folds)] for fold in folds])


# ------------------------------------------------------------------------------------- score


def test_golden_values():
    with np.load(GOLDEN) as golden:
        found = memorization_score(golden["log_probs"], golden["held_out"])
        for name in ("score", "log_prob_in", "log_prob_out"):
            np.testing.assert_allclose(getattr(found, name), golden[name], rtol=0, atol=1e-9)


def test_by_hand():
    # Two folds of one image each; probabilities 1/2, 1/8 (seen) and 1/4, 1/16 (not seen).
    log_probs = np.log([[[1 / 4, 1 / 8], [1 / 2, 1 / 16]]])
    found = memorization_score(log_probs, np.array([[[True, False], [False, True]]]))
    np.testing.assert_allclose(found.log_prob_in, np.log([1 / 2, 1 / 8]))
    np.testing.assert_allclose(found.score, np.log([2, 2]))


def test_means_are_of_probabilities_and_do_not_overflow():
    log_probs = np.array([[[-5000.0], [-7000.0], [4000.0]]])
    found = memorization_score(log_probs, np.array([[[False], [False], [True]]]))
    np.testing.assert_allclose(found.score, -5000 - np.log(2) - 4000)


def test_models_that_do_not_look_at_their_data_score_0():
    log_probs = np.broadcast_to(np.random.default_rng(0).normal(size=9), (3, 4, 9))
    assert np.abs(memorization_score(log_probs, kfold(3, 4, 9)).score).max() < 1e-12


def test_leave_one_out_by_hand():
    full, without = np.log([[1 / 2, 1 / 4], [1 / 4, 1 / 4]]), np.log([[1 / 8, 1 / 4]])
    found = leave_one_out_score(full, without)
    np.testing.assert_allclose(found.score, np.log([3, 1]), atol=1e-12)


MASKS = kfold(2, 3, 6)
ZEROS = np.zeros(MASKS.shape)


@pytest.mark.parametrize(
    ("log_probs", "held_out", "message"),
    [
        (ZEROS[0], MASKS[0], r"must be \(repeats, folds, images\)"),
        (ZEROS[:, :2], MASKS, r"received \(2, 2, 6\) and \(2, 3, 6\)"),
        (ZEROS, MASKS.astype(int), "booleans"),
        (ZEROS[:0], MASKS[:0], "no model"),
        (np.full(MASKS.shape, np.nan), MASKS, r"received nan at \(0, 0, 0\); that model has"),
        (ZEROS, np.ones_like(MASKS), "no model was trained with image 0 .6 such"),
        (ZEROS, np.zeros_like(MASKS), "no model was trained without image 0"),
    ],
)
def test_bad_input_is_named(log_probs, held_out, message):
    with pytest.raises(RgfError, match=message) as caught:
        memorization_score(log_probs, held_out)
    assert "\n" not in str(caught.value)


def test_leave_one_out_needs_the_same_images():
    with pytest.raises(RgfError, match=r"received \(2, 3\) and \(1, 4\)"):
        leave_one_out_score(np.zeros((2, 3)), np.zeros((1, 4)))
    with pytest.raises(RgfError, match="no model"):
        leave_one_out_score(np.zeros((0, 3)), np.zeros((1, 3)))
    with pytest.raises(RgfError, match="diverged"):
        leave_one_out_score(np.zeros((1, 2)), np.array([[0, -np.inf]]))


# ---------------------------------------------------------------------------------- interval


def test_equal_repeats_leave_no_doubt():
    log_probs = np.random.default_rng(0).normal(size=(1, 3, 20))
    masks = np.repeat(kfold(1, 3, 20), 4, axis=0)
    found = quantile_interval(np.repeat(log_probs, 4, axis=0), masks, 0.95, seed=0)
    np.testing.assert_allclose([found.low, found.high], found.value)


def test_the_interval_is_the_bootstrap_over_repeats():
    """Against resampling the whole arrays."""
    masks = kfold(4, 3, 30)
    log_probs = np.random.default_rng(1).normal(size=masks.shape) * 5
    found = quantile_interval(log_probs, masks, 0.9, seed=3, num_resamples=50, level=0.8)
    rng = np.random.default_rng(3)
    draws = []
    for _ in range(50):
        rows = rng.integers(4, size=4)
        draws.append(np.quantile(memorization_score(log_probs[rows], masks[rows]).score, 0.9))
    np.testing.assert_allclose([found.low, found.high], np.quantile(draws, [0.1, 0.9]))
    assert found.value == pytest.approx(
        np.quantile(memorization_score(log_probs, masks).score, 0.9)
    )


def test_the_interval_narrows_with_repeats():
    def width(num_repeats):
        masks = kfold(num_repeats, 3, 40)
        log_probs = np.random.default_rng(2).normal(size=masks.shape)
        found = quantile_interval(log_probs, masks, 0.5, seed=0, num_resamples=200)
        return found.high - found.low

    assert width(100) < width(4) / 2


def test_bad_intervals_are_named():
    with pytest.raises(RgfError, match="at least 2 repeats"):
        quantile_interval(ZEROS[:1], MASKS[:1], 0.5, 0)
    with pytest.raises(RgfError, match=r"quantile must lie in \[0, 1\]"):
        quantile_interval(ZEROS, MASKS, 1.5, 0)
    one_sided = MASKS.copy()
    one_sided[1] = True
    with pytest.raises(RgfError, match="trained with image"):
        quantile_interval(ZEROS, one_sided, 0.5, 0)


# ------------------------------------------------------------------------------------------ ρ


def test_ratio_equals_its_definition():
    rng = np.random.default_rng(0)
    sets = [rng.integers(0, 256, (size, 6, 4, 3), np.uint8) for size in (9, 5, 5)]

    def half(images):
        return (
            sum(images[:, i::2, j::2].astype(float) for i in (0, 1) for j in (0, 1)).reshape(
                len(images), -1
            )
            / 4
        )

    train, validation, samples = map(half, sets)
    expected = cdist(train, validation).min(1) / cdist(train, samples).min(1)
    np.testing.assert_allclose(neighbour_ratio(*sets), expected)


def test_ratio_of_copies():
    rng = np.random.default_rng(0)
    images, other = rng.integers(0, 256, (2, 3, 4, 4, 1), np.uint8)
    assert (neighbour_ratio(images, other, images) == np.inf).all()
    assert (neighbour_ratio(images, images, other) == 0).all()
    assert (neighbour_ratio(images, images, images) == 1).all()


def test_bad_ratios_are_named():
    images = np.zeros((3, 4, 4, 1), np.uint8)
    with pytest.raises(RgfError, match="as many samples as validation images, received 2 and 3"):
        neighbour_ratio(images, images, images[:2])
    with pytest.raises(RgfError, match="of one size"):
        neighbour_ratio(images, images[:, :2], images)
    with pytest.raises(RgfError, match="even"):
        neighbour_ratio(*[np.zeros((2, 3, 4, 1), np.uint8)] * 3)


def test_planted_duplicates_are_the_nearest_pairs():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 8, 8, 3)).astype(np.uint8)
    images[41], images[7] = images[3], images[20]
    images[7, 0, 0] ^= 1  # a near-duplicate
    found = memorization.duplicates(images, 5)
    pairs = list(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert pairs[:2] == [(3, 41), (7, 20)]
    assert found.distances[0] == 0 < found.distances[1] < found.distances[2]
    assert len(pairs) == len(set(pairs)) == 5
    with pytest.raises(ArgumentError, match="two images"):
        memorization.duplicates(images[:1])
