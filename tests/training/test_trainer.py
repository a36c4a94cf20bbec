"""The loop, on every backend."""

import keras
import numpy as np
import pytest
from keras import ops
from recipes import FAMILIES, small, trainer

from rgf_keras.errors import ArgumentError, Diverged
from rgf_keras.models.base import Loss
from rgf_keras.training import Evaluate, ReportProgress, SampleGrid, SpectralDecoupling, Trainer

pytestmark = pytest.mark.backend


def values(variables):
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in variables]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_state_variable_moves_but_constant_learning_rates(family, skewed_digits):
    training = trainer(family, skewed_digits.images)
    before = values(training.variables)
    training.fit(1)
    still = [
        v.path
        for v, old, new in zip(training.variables, before, values(training.variables), strict=True)
        if np.array_equal(old, new)
    ]
    assert [path for path in still if "learning_rate" not in path] == []


def test_history_has_a_row_per_step_and_means_per_epoch(skewed_digits):
    history = trainer("gan", skewed_digits.images).fit(2)
    assert history.steps.shape == (40, len(history.names))
    column = history.names.index("loss/generator")
    assert history.epochs[1]["loss/generator"] == pytest.approx(history.steps[20:, column].mean())


def test_training_does_not_depend_on_how_it_is_cut_into_calls(skewed_digits, monkeypatch):
    whole = trainer("gan", skewed_digits.images).fit(2)
    monkeypatch.setattr(Trainer, "_next_chunk", lambda self, chunk, seconds: 3)
    cut = trainer("gan", skewed_digits.images).fit(2)
    np.testing.assert_array_equal(whole.steps, cut.steps)


def test_a_turn_changes_only_its_player(skewed_digits):
    training = trainer("gan", skewed_digits.images, ema_decay=None, regularizers=[])
    training.optimizers["generator"].learning_rate = keras.optimizers.schedules.PolynomialDecay(
        0.0, 1, 0.0
    )
    model = training.model
    before = values(model.generator.trainable_variables)
    training.fit(1)
    for old, new in zip(before, values(model.generator.trainable_variables), strict=True):
        np.testing.assert_array_equal(old, new)


def test_moving_average_is_that_of_the_weights(skewed_digits):
    training = trainer("vae", skewed_digits.images[:32], ema_decay=0.75)
    start = values(training.model.trainable_variables)
    training.fit(1)  # one step
    end = values(training.model.trainable_variables)
    with training.averaged_weights():
        average = values(training.model.trainable_variables)
    for first, last, mean in zip(start, end, average, strict=True):
        np.testing.assert_allclose(mean, 0.75 * first + 0.25 * last, atol=1e-6)
    for last, again in zip(end, values(training.model.trainable_variables), strict=True):
        np.testing.assert_array_equal(last, again)


def test_moving_average_may_start_late(skewed_digits):
    training = trainer("vae", skewed_digits.images[:32], ema_decay=0.75, ema_start=1)
    weights = []
    for epochs in (1, 2):  # of one step
        training.fit(epochs)
        weights.append(values(training.model.trainable_variables))
    for first, last, mean in zip(*weights, values(training.averages), strict=True):
        np.testing.assert_allclose(mean, 0.75 * first + 0.25 * last, atol=1e-6)


@pytest.mark.parametrize(("reduction", "expected"), [("mean", 0.4 * 7), ("sum", 0.4 * 14)])
def test_spectral_decoupling_by_hand(reduction, expected):
    hook = SpectralDecoupling(0.8, reduction=reduction)
    loss = Loss(ops.zeros(2), {"real_logits": ops.convert_to_tensor([[1.0], [13**0.5]])})
    assert float(hook(loss, {}, 0).penalty) == pytest.approx(expected)
    with pytest.raises(ArgumentError, match="reduction"):
        SpectralDecoupling(0.8, reduction="max")


def test_spectral_decoupling_follows_its_schedule(skewed_digits):
    history = trainer("gan", skewed_digits.images).fit(1)
    penalty = history.steps[:, history.names.index("discriminator/spectral_decoupling")]
    assert (penalty[:15] > 0).all()
    np.testing.assert_allclose(penalty[15:], 0, atol=1e-6)


def test_a_loss_that_is_not_finite_stops_training(skewed_digits):
    training = trainer("gan", skewed_digits.images)
    weights = training.model.generator.trainable_variables[0]
    weights.assign(np.full(weights.shape, np.nan))
    with pytest.raises(Diverged, match="not finite at step"):
        training.fit(5)


def test_callbacks_see_epochs_and_their_numbers_are_kept(skewed_digits):
    grids, progress = [], []
    callbacks = [
        Evaluate(lambda model: {"quality/one": 1.0}, every=2),
        SampleGrid(lambda epoch, images: grids.append((epoch, images)), num_images=5, every=2),
        ReportProgress(lambda done, total: progress.append((done, total))),
    ]
    history = trainer("vae", skewed_digits.images).fit(3, callbacks)
    assert ["quality/one" in epoch for epoch in history.epochs] == [False, True, True]
    assert [epoch for epoch, _ in grids] == [2]
    assert grids[0][1].shape == (5, 28, 28, 3)
    assert progress[-1] == (60, 60)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 0}, "batch_size must lie in"),
        ({"batch_size": 641}, r"batch_size must lie in \[1, 640\], .* received 641"),
        (
            {"batch_size": 321, "turns": {"discriminator": 2}},
            r"\[1, 320\], the number of images for a player's turn, received 321",
        ),
        ({"regularizers": [SpectralDecoupling(1.0, player="critic")]}, "needs the player 'critic'"),
    ],
)
def test_bad_settings_are_named(skewed_digits, change, message):
    with pytest.raises(ArgumentError, match=message):
        trainer("gan", skewed_digits.images, **change)


def test_a_missing_optimizer_is_named(skewed_digits):
    with pytest.raises(ArgumentError, match=r"optimizers must be given for \['vae'\]"):
        Trainer(small("vae"), {"images": skewed_digits.images}, {})


def test_negative_weight_is_refused():
    with pytest.raises(ArgumentError, match="weight ≥ 0"):
        SpectralDecoupling(-0.1)


def test_the_old_name_of_report_progress_warns():
    with pytest.warns(DeprecationWarning, match="now called ReportProgress"):
        from rgf_keras.training import Progress
    assert Progress is ReportProgress
    with pytest.raises(ImportError):
        from rgf_keras.training import Nothing  # noqa: F401
