"""What a generative model must do to be assessed, and to be scored."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
from keras import ops

from rgf_keras.models import Player, load_model, sample_uint8, to_float
from rgf_keras.models.base import Tensor
from rgf_keras.training import FitTrainer, Trainer

Make = Callable[[], keras.Model]

BATCH_SIZE = 4
TOLERANCE = 1e-3  # of samples, whose range is 2


def check_generative_model(make: Make, image_shape: Sequence[int], num_classes: int = 1) -> None:
    """Check a model that is to be assessed, with ``players()`` or with a ``fit`` of its own.

    Args:
        make: makes the model, new and always the same; as small as possible, for it is trained.
        image_shape: (H, W, C).
        num_classes: of the labels in training batches.

    Raises:
        AssertionError: samples that are no images or depend on more than the seed; weights that do
            not hold all of a trained model; losses that are not one finite number per image, or
            without the metrics announced; random or other state that the Trainer cannot see.
    """
    model = make()
    data = make_data(model, image_shape, num_classes)
    check_samples(model, tuple(image_shape))
    if hasattr(model, "players"):
        check_players(model, data)
        check_training(make, data)
    else:
        history = FitTrainer(model, data, BATCH_SIZE).fit(2)
        assert len(history.epochs) == 2, "fit must call its callbacks at the end of every epoch"
    check_weights(model, make())


def check_likelihood_model(make: Make, image_shape: Sequence[int]) -> None:
    """Check ``log_prob(images, num_samples, seed)`` of a model that is to be scored.

    Args:
        make: makes the model; as small as possible.
        image_shape: (H, W, C).

    Raises:
        AssertionError: it is not one finite number per image that depends on the image,
            ``num_samples`` and the seed alone.
    """
    model = make()
    images = make_data(model, image_shape)["images"][:5]
    before = images.copy()
    log_prob = np.asarray(model.log_prob(images, num_samples=3, seed=1))
    assert log_prob.shape == (5,), f"log_prob must be (5,) for 5 images, received {log_prob.shape}"
    assert log_prob.dtype.kind == "f", f"log_prob must be floating, received {log_prob.dtype}"
    assert np.isfinite(log_prob).all(), f"log_prob must be finite, received {log_prob}"
    assert np.array_equal(images, before), "log_prob must leave the images as they are"
    again = np.asarray(model.log_prob(images, num_samples=3, seed=1))
    _assert_close(log_prob, again, "log_prob must be the same again with the same seed")
    others = np.asarray(model.log_prob(images[::-1][:3], num_samples=3, seed=1))
    _assert_close(log_prob[::-1][:3], others, "log_prob must not depend on the images beside it")


def check_samples(model: keras.Model, image_shape: tuple[int, ...]) -> None:
    """``sample(n, seed)``: images of the right shape and range, decided by the seed."""
    images = sample_uint8(model, 5, seed=1)  # which refuses values that are not finite or in range
    assert images.shape == (5, *image_shape), (
        f"sample(5, seed) must be {(5, *image_shape)}, received {images.shape}"
    )
    first = _sample(model, 5, seed=1)
    _assert_equal(first, _sample(model, 5, seed=1), "sample must be the same with the same seed")
    _assert_equal(first[:3], _sample(model, 3, seed=1), "sample(3) must begin sample(5)")
    assert not np.allclose(first, _sample(model, 5, seed=2)), "sample must depend on the seed"


def check_players(model: keras.Model, data: dict[str, np.ndarray]) -> None:
    """``players()``: names, variables, losses."""
    players: list[Player] = model.players()
    names = [player.name for player in players]
    assert names, "players() must name a player or more"
    assert len(set(names)) == len(names), f"players' names must be unique, received {names}"
    owned = [id(variable) for player in players for variable in player.variables]
    known = {id(variable) for variable in model.trainable_variables}
    assert len(set(owned)) == len(owned), "a variable must not belong to two players"
    assert set(owned) <= known, "players' variables must be among model.trainable_variables"
    for player in players:
        assert player.variables, f"the player {player.name} must have variables"
        loss = player.loss(first_batch(data))
        shape = tuple(loss.per_example.shape)
        assert shape == (BATCH_SIZE,), (
            f"the loss of {player.name} must be {(BATCH_SIZE,)} for {BATCH_SIZE} images, "
            f"received {shape}"
        )
        losses = ops.convert_to_numpy(loss.per_example)
        assert np.isfinite(losses).all(), f"the loss of {player.name} must be finite"
        assert set(loss.metrics) == set(player.metrics), (
            f"{player.name} must deliver the metrics {player.metrics}, received {[*loss.metrics]}"
        )


def check_training(make: Make, data: dict[str, np.ndarray]) -> None:
    """A training that goes on from a checkpoint in a new model ends as one that was not cut."""
    model = make()
    optimizers = {player.name: keras.optimizers.Adam(1e-3) for player in model.players()}
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(model, data, optimizers, BATCH_SIZE)
        whole = trainer.fit(2).steps
        trainer.restart(make(), 0, checkpoint_dir=folder)
        trainer.fit(1)
        trainer.restart(make(), 0, checkpoint_dir=folder)
        steps = trainer.fit(2).steps
    _assert_close(
        whole,
        steps,
        "a training that was cut must have the losses of one that was not: keep all state, that of "
        "random generators too, in variables of the model",
    )


def check_weights(model: keras.Model, other: keras.Model) -> None:
    """A new model with a trained one's weights draws what that one does; so does a saved one."""
    expected = _sample(model, 3, seed=0)
    other.set_weights(model.get_weights())
    _assert_equal(expected, _sample(other, 3, seed=0), "weights must hold all of a trained model")
    if keras.saving.get_registered_name(type(model)) == type(model).__name__:
        return  # its class does not promise that Keras can save it
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder, "model.keras"))
        loaded = load_model(Path(folder, "model.keras"))
    _assert_equal(expected, _sample(loaded, 3, seed=0), "a saved model must draw what it drew")


def make_data(
    model: keras.Model, image_shape: Sequence[int], num_classes: int = 1
) -> dict[str, np.ndarray]:
    """Random images (n, H, W, C) uint8, with labels if the model is conditional."""
    num_images = 4 * BATCH_SIZE
    images = np.random.default_rng(0).integers(0, 256, (num_images, *image_shape), np.uint8)
    if not getattr(model, "conditional", False):
        return {"images": images}
    return {"images": images, "labels": np.arange(num_images) % num_classes}


def first_batch(data: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """A batch as the Trainer gives it to losses."""
    batch = {name: ops.convert_to_tensor(array[:BATCH_SIZE]) for name, array in data.items()}
    return {**batch, "images": to_float(batch["images"])}


def _sample(model: keras.Model, num_samples: int, seed: int) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(model.sample(num_samples, seed)), np.float64)


def _assert_equal(first: np.ndarray, second: np.ndarray, message: str) -> None:
    np.testing.assert_allclose(first, second, rtol=0, atol=TOLERANCE, err_msg=message)


def _assert_close(first: np.ndarray, second: np.ndarray, message: str) -> None:
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-4, err_msg=message)
