"""Models that bring their own training: ``keras.Model.fit``, with the face of a Trainer."""

import inspect
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import keras
import numpy as np

from rgf_keras.backend.seeds import set_random_seed
from rgf_keras.errors import Diverged, RgfError, first_line
from rgf_keras.models.base import to_float
from rgf_keras.training.trainer import History


class FitTrainer:
    """Trains a model by its own ``fit``, without checkpoints and hooks.

    Args:
        model: compiled; its ``fit(images, epochs=, callbacks=)`` gets images (N, H, W, C) float32
            in [−1, 1], and labels (N,) if the data has them. ``batch_size`` and ``verbose`` are
            passed if it takes them.
        data: ``images`` (N, H, W, C) uint8, perhaps ``labels``.
        batch_size: images per step.
        seed: of the data order, and of what the model draws from Keras' global generator.
    """

    def __init__(
        self,
        model: keras.Model,
        data: Mapping[str, np.ndarray],
        batch_size: int = 64,
        seed: int = 0,
    ):
        self.model, self.batch_size, self.seed = model, batch_size, seed
        images = keras.ops.convert_to_numpy(to_float(data["images"]))
        self._data = [images, *(data[name] for name in data if name != "images")]
        self.history = History([], np.zeros((0, 0), np.float32))

    def fit(self, epochs: int, callbacks: Iterable[keras.callbacks.Callback] = ()) -> History:
        """Train for so many epochs; what callbacks add to an epoch's logs is kept in the history.

        Raises:
            Diverged: a logged value is not finite.
            RgfError: the model's ``fit`` fails.
        """
        options = {"batch_size": self.batch_size, "verbose": 0}
        parameters = inspect.signature(self.model.fit).parameters
        options = {name: value for name, value in options.items() if name in parameters}
        set_random_seed(self.seed)
        try:
            self.model.fit(
                *self._data, epochs=epochs, callbacks=[*callbacks, _Record(self.history)], **options
            )
        except RgfError:
            raise
        except Exception as error:  # whatever the guest's code raises
            name = type(self.model).__name__
            raise RgfError(
                f"model.target: fit of {name} fails: {type(error).__name__}: {first_line(error)}"
            ) from error
        return self.history

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Inside, the model has the weights that it is to be sampled with: its own."""
        yield


class _Record(keras.callbacks.Callback):
    def __init__(self, history: History):
        super().__init__()
        self.history = history

    def on_epoch_end(self, epoch, logs=None):
        logs = {name: float(value) for name, value in (logs or {}).items()}
        for name, value in logs.items():
            if not math.isfinite(value):  # a fit that is not Keras' may not tell its steps
                steps = (self.params or {}).get("steps") or 1
                raise Diverged(name, (epoch + 1) * steps - 1)
        self.history.epochs.append(logs)
