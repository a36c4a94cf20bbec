"""What the Trainer and the experiments may rely on in every model."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from rgf_keras.backend.protocol import Tensor, require_settings
from rgf_keras.errors import RgfError
from rgf_keras.models.arguments import require, require_range
from rgf_keras.runtime.progress import SILENT, Progress

Batch = Mapping[str, Tensor]

RANGE_TOLERANCE = 1e-3  # by how much rounding may take a pixel out of [−1, 1]


@dataclass(frozen=True)
class Loss:
    """A player's loss on one batch, before regularizers.

    Attributes:
        per_example: (batch,) losses; their mean is minimised.
        tensors: what regularizers may look at, e.g. ``real_logits`` (batch, 1).
        metrics: named scalars to log, as announced by :attr:`Player.metrics`.
        penalty: a scalar that regularizers have added.
        update: a scalar boolean; False leaves the player as it was in this turn.
    """

    per_example: Tensor
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    metrics: Mapping[str, Tensor] = field(default_factory=dict)
    penalty: Tensor = 0.0
    update: Tensor | None = None


@dataclass(frozen=True)
class Player:
    """One optimizer's turn in a training step.

    Attributes:
        name: e.g. ``"discriminator"``; its loss is logged as ``loss/discriminator``.
        variables: what this turn updates, and nothing else.
        loss: batch → :class:`Loss`. A batch holds ``images`` (batch, H, W, C) in [−1, 1] and
            whatever else the data has; noise that it holds is taken instead of new noise.
        metrics: names of the further scalars that ``loss`` reports.
        draw_noise: number of examples → the noise that the loss would draw for them itself, to be
            put into the batch, so that the loss of an example is a function of the weights alone;
            None if the model does not offer this.
    """

    name: str
    variables: list[keras.Variable]
    loss: Callable[[Batch], Loss]
    metrics: tuple[str, ...] = ()
    draw_noise: Callable[[int], Batch] | None = None


class GenerativeModel(keras.Model):
    """A model that can be trained by players' turns and sampled from.

    A model of your own need not be one. It can be assessed if it is a ``keras.Model`` with

    - ``sample(num_samples, seed)``, which draws (num_samples, H, W, C) in [−1, 1] or uint8;
    - ``players()``, to be trained by the :class:`rgf_keras.training.Trainer`, which resumes exactly
      and has regularizers; without it, by its own ``fit``;
    - ``log_prob(images, num_samples, seed)`` as in :class:`LikelihoodModel`, to be scored.

    Subclasses inherit latents and a configuration to be saved with. They build their networks in
    ``__init__``, so that weights exist from the start, keep its arguments as attributes of the same
    names, and write :meth:`players` and :meth:`decode` (or :meth:`sample`).

    Args:
        image_shape: (H, W, C).
        latent_dim: length of a latent vector.
        seed: of the weights and of everything random in training.

    Attributes:
        conditional: whether training batches must hold ``labels`` (batch,).
        noise: the generator of everything random in training; its state is saved in checkpoints.

    Raises:
        ArgumentError: an image or latents without values.
        RgfError: Keras' settings are not float32 with channels last.
    """

    conditional = False

    def __init__(self, image_shape: Sequence[int], latent_dim: int, seed: int = 0, **kwargs):
        require_settings()
        super().__init__(**kwargs)
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.seed = seed
        self.noise = keras.random.SeedGenerator(seed)
        self.built = True
        require(
            len(self.image_shape) == 3 and min(self.image_shape) >= 1,
            f"image_shape must be (H, W, C), received {self.image_shape}",
        )
        require_range("latent_dim", latent_dim, 1)

    def players(self) -> list[Player]:
        """The turns of one training step, in order."""
        raise NotImplementedError

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Latents (n, latent_dim) to images (n, H, W, C) in [−1, 1]."""
        raise NotImplementedError

    def normal(self, num: int) -> Tensor:
        """(num, latent_dim) standard normal latents for training, from the model's own state."""
        return keras.random.normal((num, self.latent_dim), seed=self.noise)

    def sample(
        self, num_samples: int, seed: int, fast: bool = False, progress: Progress = SILENT
    ) -> np.ndarray:
        """Draw images.

        Args:
            num_samples: how many, at least 1.
            seed: of the latents.
            fast: whether a model that draws in many steps shall take few, at some cost in quality.
            progress: called with (done, total) by a model that takes long.

        Returns:
            (num_samples, H, W, C) float32 in [−1, 1].
        """
        return self.decode(self.sample_latents(num_samples, seed))

    def sample_latents(self, num_samples: int, seed: int) -> np.ndarray:
        """(num_samples, latent_dim) standard normal latents for sampling.

        They come from NumPy: a seed gives the same latents on every backend, and the first m of n
        are the m latents of the same seed.
        """
        require_range("num_samples", num_samples, 1)
        rng = np.random.default_rng(seed)
        return rng.standard_normal((num_samples, self.latent_dim), np.float32)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **constructor_arguments(self)}


class LikelihoodModel(GenerativeModel):
    """A model that tells how likely an image is; the K-fold score accepts nothing less."""

    def log_prob(self, images: np.ndarray, num_samples: int, seed: int = 0) -> np.ndarray:
        """log p(x), estimated.

        An image's estimate depends on its pixels, ``num_samples`` and ``seed``, not on the images
        beside it.

        Args:
            images: (n, H, W, C) uint8.
            num_samples: draws per image, at least 1; more are more accurate.
            seed: of the draws.

        Returns:
            (n,) float32 in nats.

        Raises:
            ArgumentError: images of another shape or type, or none; ``num_samples`` below 1.
        """
        raise NotImplementedError

    def check_images(self, images: np.ndarray, num_samples: int) -> None:
        """Raises an ArgumentError if :meth:`log_prob` cannot take them."""
        require(
            images.dtype == np.uint8 and images.shape[1:] == self.image_shape and len(images),
            f"log_prob needs (n, {', '.join(map(str, self.image_shape))}) uint8 images, "
            f"received {images.shape} {images.dtype}",
        )
        require_range("num_samples", num_samples, 1)


def sample_uint8(
    model: keras.Model,
    num_samples: int,
    seed: int,
    fast: bool = False,
    progress: Progress = SILENT,
) -> np.ndarray:
    """Draw images from any model with ``sample``, a guest's too.

    Args:
        model: ours, or one with ``sample(n, seed)`` that draws (n, H, W, C) in [−1, 1], or uint8.
        num_samples: how many.
        seed: of the latents.
        fast: see :meth:`GenerativeModel.sample`, as for ``progress``; guests are not told.
        progress: see above.

    Returns:
        (num_samples, H, W, C) uint8.

    Raises:
        RgfError: a guest's images are not finite, out of range, or of another number or shape.
    """
    if isinstance(model, GenerativeModel):
        return to_uint8(model.sample(num_samples, seed, fast, progress))
    images = keras.ops.convert_to_numpy(model.sample(num_samples, seed))
    name = f"{type(model).__name__}.sample"
    if images.ndim != 4 or len(images) != num_samples:
        raise RgfError(f"{name} must draw ({num_samples}, H, W, C), received {images.shape}")
    if images.dtype == np.uint8:
        return images
    if not np.isfinite(images).all() or np.abs(images).max() > 1 + RANGE_TOLERANCE:
        low, high = images.min(), images.max()
        raise RgfError(f"{name} must draw values in [−1, 1], received {low:.4g} to {high:.4g}")
    return to_uint8(images)


def constructor_arguments(model: keras.Model) -> dict[str, Any]:
    """What a model was built with: its attributes that are named as its constructor's arguments.

    The constructor is the nearest one that does not just pass ``*args`` on; keyword-only arguments
    are for subclasses.
    """
    for kind in type(model).__mro__:
        parameters = inspect.signature(kind.__init__).parameters.values()  # type: ignore[misc]
        if all(p.kind is not p.VAR_POSITIONAL for p in parameters):
            names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
            return {name: getattr(model, name) for name in names if hasattr(model, name)}
    return {}


def load_model(path: str | Path) -> GenerativeModel:
    """A trained model from a ``.keras`` file, whatever backend saved it.

    Raises:
        RgfError: the file is missing, corrupt, or no generative model.
    """
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many types for files that are not its own
        if (cause := _own_error(error)) is not None:
            raise cause from None
        if not Path(path).exists():
            raise RgfError(f"{path} does not exist") from None
        raise RgfError(f"{path} is no model that rgf_keras saved, or is corrupt") from error
    if not isinstance(model, GenerativeModel):
        raise RgfError(f"{path} holds a {type(model).__name__}, not a generative model")
    return model


def _own_error(error: BaseException | None) -> RgfError | None:
    """What Keras made its exception from, if that was ours."""
    while error is not None and not isinstance(error, RgfError):
        error = error.__context__
    return error


def to_float(images):
    """uint8 to float32 in [−1, 1], tensor or array to tensor."""
    return ops.cast(images, "float32") / 127.5 - 1.0


def to_uint8(images: np.ndarray) -> np.ndarray:
    """[−1, 1] to uint8, rounded; values outside are clipped."""
    return np.clip(np.round((np.asarray(images) + 1.0) * 127.5), 0, 255).astype(np.uint8)
