"""Folds, groups of fits and the epochs at which they are scored: NumPy only."""

import pickle

import numpy as np
import pytest

from rgf_keras.config import ScoreConfig
from rgf_keras.errors import Diverged, RgfError
from rgf_keras.experiments.scores.folds import Fit, fit_groups, folds

LABELS = np.repeat([0, 1, 2], [40, 33, 30])


def config(**values):
    return ScoreConfig().with_values({"num_folds": 5, **values})


@pytest.mark.parametrize("stratified", [False, True])
def test_folds_cover_every_image_once_and_evenly(stratified):
    assigned = folds(config(stratified=stratified), LABELS, repeat=0)
    assert sorted(np.bincount(assigned)) == [20, 20, 21, 21, 21]
    spread = [np.ptp(np.bincount(assigned[c == LABELS], minlength=5)) for c in range(3)]
    assert (max(spread) <= 1) == stratified


def test_folds_depend_on_seed_and_repeat_alone():
    first = folds(config(), LABELS, 0)
    np.testing.assert_array_equal(first, folds(config(num_samples=3), LABELS, 0))
    assert (first != folds(config(), LABELS, 1)).any()
    assert (first != folds(config(seed=1), LABELS, 0)).any()


def test_leave_one_out_has_a_fold_per_image():
    assigned = folds(config(num_folds="leave-one-out"), LABELS, 0)
    assert sorted(assigned) == list(range(len(LABELS)))


@pytest.mark.parametrize("num_folds", [0, 1, 104])
def test_folds_that_cannot_be(num_folds):
    with pytest.raises(RgfError, match=rf"\[2, 103\].* received {num_folds}"):
        folds(config(num_folds=num_folds), LABELS, 0)


def test_groups_hold_fits_with_equally_many_steps():
    # 103 images in 5 folds: 82 or 83 to train on, of which a batch takes 83
    groups = list(fit_groups(config(**{"training.batch_size": 83}), LABELS, 2, size=2))
    assert [fit.fold for group in groups for fit in group] == [0, 1, 2, 3, 4]
    assert {fit.repeat for group in groups for fit in group} == {2}
    assert [len(group) for group in groups] == [2, 1, 2]


def test_seeds_of_fits_differ():
    fits = [Fit(r, k) for r in range(10) for k in [None, *range(10)]]
    assert len({fit.seed(0) for fit in fits} | {fit.seed(0, 5) for fit in fits}) == 220


@pytest.mark.parametrize(
    ("every", "epochs", "expected"),
    [(5, 12, [5, 10, 12]), (None, 3, [3]), (1, 3, [1, 2, 3]), (5, 10, [5, 10]), (9, 2, [2])],
)
def test_scored_epochs(every, epochs, expected):
    assert config(every=every, **{"training.epochs": epochs}).scored_epochs == expected


def test_a_divergence_may_come_from_another_process():
    error = pickle.loads(pickle.dumps(Diverged("loss/vae", 7)))
    assert (error.metric, error.step, str(error)) == ("loss/vae", 7, str(Diverged("loss/vae", 7)))
