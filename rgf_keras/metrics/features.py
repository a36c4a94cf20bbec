"""Feature extractors: what images are embedded with before they are compared.

All take images (n, H, W, C) in [−1, 1] and give (n, dim); what else a network wants is done inside.
Unlike the other metrics they are Keras code, which training can trace: import this module itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from rgf_keras import archive, plugins
from rgf_keras.backend.protocol import require_settings
from rgf_keras.cache import Cache
from rgf_keras.errors import ArgumentError, RgfError, unknown_name
from rgf_keras.metrics import inception
from rgf_keras.metrics.embeddings import APPLICATIONS
from rgf_keras.models import Oracle, to_float
from rgf_keras.runtime.machine import visible_gpus


def _large_batch() -> int:
    """For networks that see hundreds of pixels a side.

    On PyTorch they take 130 MB for each image; on a CPU more images at a time are no faster.
    """
    return 50 if visible_gpus() else 10


class FeatureExtractor(ABC):
    """An embedding of images.

    Features are kept by its name, its class and the weights of its networks: what changes its code
    otherwise changes its name.

    Attributes:
        name: for figures and file names.
        networks: what it runs; their weights are not trained.
        batch_size: images at a time.
        traceable: whether it takes images of any size, so that training can use it.
    """

    name: str
    networks: tuple[keras.Model, ...] = ()
    batch_size: int = 250
    traceable: bool = True

    @abstractmethod
    def __call__(self, images: Any) -> Any:
        """Images (n, H, W, C) in [−1, 1] to features (n, dim), as backend tensors."""

    def prepare(self, images: np.ndarray) -> np.ndarray:
        """Images (n, H, W, C) uint8 to what is called with: in [−1, 1], perhaps resized."""
        return ops.convert_to_numpy(to_float(images))

    @property
    def key(self) -> dict[str, str]:
        """What its features depend on beside the images."""
        weights = [weight for network in self.networks for weight in network.get_weights()]
        arrays = {f"{i:04d}": weight for i, weight in enumerate(weights)}
        key = {"name": self.name, "weights": archive.digest(arrays)}
        if type(self).__module__ != __name__:  # e.g. a guest's
            key["class"] = f"{type(self).__module__}.{type(self).__qualname__}"
        return key

    def extract(
        self, images: np.ndarray, cache: Cache | None = None, batch_size: int | None = None
    ) -> np.ndarray:
        """Features of many images, from the cache if they were computed before.

        Args:
            images: (n, H, W, C) uint8.
            cache: where features are kept; None to keep nothing.
            batch_size: images at a time; the extractor's own if None.

        Returns:
            (n, dim) float32.

        Raises:
            ArgumentError: no images.
            RgfError: features that are not finite; Keras' settings are not float32 with channels
                last.
        """
        require_settings()
        if not len(images):
            raise ArgumentError(f"{self.name}: there are no images to extract features of")

        def compute() -> dict[str, np.ndarray]:
            network = self._compiled(self.prepare(images[:1]).shape[1:])
            size = batch_size or self.batch_size
            parts = [
                network.predict_on_batch(self.prepare(images[i : i + size]))
                for i in range(0, len(images), size)
            ]
            return {"features": np.concatenate(parts).astype(np.float32)}

        if cache is None:
            arrays = compute()
        else:
            description = {"images": archive.digest({"images": images}), "extractor": self.key}
            arrays = cache.get("features", description, compute)
        features = arrays["features"]
        if not np.isfinite(features).all():
            raise RgfError(f"{self.name}: some features are not finite; check images and weights")
        return features

    def _compiled(self, shape: tuple[int, ...]) -> keras.Model:
        """What is run on images of a shape; JAX needs half a minute to compile an Inception."""
        models = vars(self).setdefault("_models", {})
        if shape not in models:
            entry = keras.Input(shape)
            models[shape] = keras.Model(entry, self(entry))
        return models[shape]


class Pixels(FeatureExtractor):
    """Pixels in [0, 1], perhaps of smaller images.

    Args:
        downsample: side of the squares that are averaged; a divisor of height and width.
    """

    def __init__(self, downsample: int = 1):
        self.downsample = downsample
        self.name = "pixels" if downsample == 1 else f"pixels/{downsample}"

    def __call__(self, images: Any) -> Any:
        images = images / 2 + 0.5
        if self.downsample > 1:
            images = ops.average_pool(images, self.downsample, self.downsample, "valid")
        return ops.reshape(images, (-1, int(np.prod(images.shape[1:]))))


class KerasFeatures(FeatureExtractor):
    """The output of any Keras model that takes images in [−1, 1].

    Args:
        network: (n, H, W, C) to (n, dim).
        name: for figures and file names.
    """

    def __init__(self, network: keras.Model, name: str):
        self.networks, self.name = (network,), name

    def __call__(self, images: Any) -> Any:
        return self.networks[0](images, training=False)


class OracleFeatures(KerasFeatures):
    """The hidden dense layer of an oracle."""

    def __init__(self, oracle: Oracle):
        super().__init__(oracle.network, "oracle")

    def __call__(self, images: Any) -> Any:
        return super().__call__(images)[0]


class Application(KerasFeatures):
    """A network of ``keras.applications`` without its head, averaged over positions.

    Images are resized (bilinear, antialiased) to the side the network was trained on, made RGB, and
    scaled as its ``preprocess_input`` does. ``inception_v3`` gives 2048 features like those of FID,
    but with Keras' weights, not the original ones: their distances are no FID (``fid``'s are).

    Args:
        name: a key of ``APPLICATIONS``.
        weights: ``"imagenet"`` (Keras downloads them), a weights file, or None (random, for tests).
        side: height and width the network sees; what it was trained on if None.

    Raises:
        ArgumentError: unknown name.
        RgfError: weights that cannot be had.
    """

    def __init__(self, name: str, weights: str | None = "imagenet", side: int | None = None):
        if name not in APPLICATIONS:
            raise unknown_name("network", name, APPLICATIONS)
        class_name, usual = APPLICATIONS[name]
        self.side = side or usual
        shape = (self.side, self.side, 3)
        build = getattr(keras.applications, class_name)
        try:
            network = build(include_top=False, weights=weights, input_shape=shape, pooling="avg")
        except Exception as error:  # downloads and weight files fail in many ways
            raise RgfError(
                f"cannot load the weights '{weights}' of {name} ({error}); "
                "give a weights file that Keras saved for it, without the head"
            ) from error
        super().__init__(network, name)
        self.batch_size = _large_batch()
        self._preprocess = getattr(keras.applications, name).preprocess_input

    def __call__(self, images: Any) -> Any:
        images = ops.image.resize(_rgb(images), (self.side, self.side), antialias=True)
        return super().__call__(self._preprocess((images + 1.0) * 127.5))


class FIDFeatures(KerasFeatures):
    """The 2048 features whose Fréchet distance is the FID (Heusel et al. 2017).

    Args:
        resize: how images become 299×299: ``"tf1"`` as published FIDs have it, see
            :func:`inception.bilinear`, or ``"clean"`` as Clean-FID does, see
            :func:`inception.clean`, outside of Keras.
        weights: see :func:`inception.fid_network`.

    Raises:
        ArgumentError: unknown resizing.
        RgfError: weights that cannot be had.
    """

    NAMES: ClassVar = {"tf1": "fid", "clean": "clean_fid"}

    def __init__(self, resize: str = "tf1", weights: str | None = None):
        if resize not in self.NAMES:
            raise unknown_name("resize", resize, self.NAMES)
        super().__init__(inception.fid_network(weights), self.NAMES[resize])
        self.batch_size = _large_batch()
        self.traceable = resize == "tf1"

    def prepare(self, images: np.ndarray) -> np.ndarray:
        if self.traceable:
            return super().prepare(images)
        return inception.clean(images) / np.float32(127.5) - 1

    def __call__(self, images: Any) -> Any:
        if self.traceable:
            images = inception.bilinear(images)
        elif images.shape[1:3] != (inception.SIDE, inception.SIDE):
            raise ArgumentError(
                f"{self.name} resizes images by Pillow, which training cannot trace; use fid"
            )
        return super().__call__(((_rgb(images) + 1.0) * 127.5 - 128.0) / 128.0)


class TorchvisionInception(KerasFeatures):
    """The 2048 features of torchvision's ImageNet InceptionV3, as arXiv 2210.12231 uses them.

    Images are resized (bilinear, corners aligned) and normalized by ImageNet's mean and standard
    deviation. That training images of CIFAR-10 have a mean cosine distance of about 0.15 to their
    nearest others is the sign that it is the network which that paper's thresholds refer to.

    Args:
        weights: see :func:`inception.torchvision_network`.

    Raises:
        RgfError: weights that cannot be had.
    """

    MEAN = np.array([0.485, 0.456, 0.406], np.float32)
    DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)

    def __init__(self, weights: str | None = None):
        super().__init__(inception.torchvision_network(weights), "torchvision_inception")
        self.batch_size = _large_batch()

    def __call__(self, images: Any) -> Any:
        images = _rgb(inception.bilinear(images, align_corners=True)) / 2 + 0.5
        return super().__call__((images - self.MEAN) / self.DEVIATION)


def _rgb(images: Any) -> Any:
    return ops.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images


# Inception networks whose weights come from files, by name.
INCEPTIONS: dict[str, Callable[[str | None], FeatureExtractor]] = {
    "fid": partial(FIDFeatures, "tf1"),
    "clean_fid": partial(FIDFeatures, "clean"),
    "torchvision_inception": TorchvisionInception,
}


def extractor(
    name: str, weights: str = "imagenet", oracle: Oracle | None = None
) -> FeatureExtractor:
    """An embedding by its name.

    Args:
        name: ``"oracle"``, ``"pixels"``, a key of ``INCEPTIONS`` or ``APPLICATIONS``, or a guest's,
            see :mod:`rgf_keras.plugins`: a feature extractor, or what makes one without arguments.
        weights: of such a network: a file, or ``"imagenet"`` for those that it usually has.
        oracle: the class oracle, for its features.

    Raises:
        ArgumentError: unknown name, or no class oracle.
        RgfError: weights that cannot be had; a guest's code fails or makes something else.
    """
    if name == "oracle":
        if oracle is None:
            raise ArgumentError(
                "there is no class oracle to embed images with; name another embedding"
            )
        return OracleFeatures(oracle)
    file = None if weights == "imagenet" else weights
    ours: dict[str, Callable[[], FeatureExtractor]] = {
        **{each: partial(make, file) for each, make in INCEPTIONS.items()},
        **{each: partial(Application, each, weights) for each in APPLICATIONS},
    }
    make = plugins.resolve("features", name, {"oracle": None, "pixels": Pixels, **ours})
    made = make if isinstance(make, FeatureExtractor) else plugins.attempt(name, make)
    if not isinstance(made, FeatureExtractor):
        raise RgfError(
            f"'{name}' makes a {type(made).__name__}; it must be a "
            "rgf_keras.metrics.features.FeatureExtractor, or make one without arguments"
        )
    return made
