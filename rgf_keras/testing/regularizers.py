"""What a hook on a player's loss must do."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from rgf_keras.models.base import Batch, Loss
from rgf_keras.testing.models import BATCH_SIZE, Make, first_batch, make_data
from rgf_keras.training import Regularizer, Trainer, after
from rgf_keras.training.regularizers import Strength

START_STEP = 2  # the first step at which the strength is on


def check_regularizer(
    make: Callable[[Strength], Regularizer], make_model: Make, on: float = 1.0, off: float = 0.0
) -> None:
    """Check a regularizer, alone and in a training.

    Args:
        make: makes it with a strength: a number, or a schedule of the training step.
        make_model: makes a model that it is for, with ``image_shape``; as small as possible.
        on: a strength that changes the loss.
        off: the strength that changes nothing.

    Raises:
        AssertionError: the model has no such player; metrics that were announced are not
            delivered; the loss changes at the strength ``off``, or not at ``on``; it does not
            follow a schedule.
    """
    hook, model = make(after(on, START_STEP, off)), make_model()
    players = {player.name: player for player in model.players()}
    assert hook.player in players, f"the player must be one of {[*players]}, not '{hook.player}'"
    data = make_data(model, model.image_shape)
    batch = first_batch(data)
    batch |= {name: ops.convert_to_tensor(array) for name, array in hook.arrays.items()}
    for number in (0, START_STEP - 1, START_STEP):
        step = ops.convert_to_tensor(number, "int32")
        changed_batch = hook.before(model, batch, step)
        loss = players[hook.player].loss(changed_batch)
        changed_loss = hook(loss, changed_batch, step)
        check_delivery(hook, loss, changed_loss)
        same_images = np.array_equal(_images(batch), _images(changed_batch))
        same_loss = np.isclose(_total(loss), _total(changed_loss), rtol=1e-5)
        if number < START_STEP:
            assert same_images, f"the strength {off} must leave images as they are"
            assert same_loss, f"the strength {off} must leave the loss as it is"
        else:
            assert not (same_images and same_loss), f"the strength {on} must change something"
    optimizers = {name: keras.optimizers.Adam(1e-3) for name in players}
    history = Trainer(model, data, optimizers, BATCH_SIZE, regularizers=[make(on)]).fit(1)
    names = {f"{hook.player}/{name}" for name in hook.metrics}
    assert names <= set(history.names), f"a training must record {sorted(names)}"


def check_delivery(hook: Regularizer, before: Loss, after: Loss) -> None:
    """What a hook adds to a loss."""
    delivered = set(after.metrics) - set(before.metrics)
    assert delivered == set(hook.metrics), (
        f"the metrics {hook.metrics} must be delivered, received {sorted(delivered)}"
    )
    assert np.isfinite(_total(after)), "the loss must be finite"
    assert after.update is None or hook.may_skip, "a hook that sets update must have may_skip"


def _total(loss: Loss) -> float:
    return float(ops.convert_to_numpy(ops.mean(loss.per_example) + loss.penalty))


def _images(batch: Batch) -> np.ndarray:
    return ops.convert_to_numpy(batch["images"])
