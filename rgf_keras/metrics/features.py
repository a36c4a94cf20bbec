"""Feature extractors: what images are embedded with before they are compared.

All take images (n, H, W, C) in [−1, 1] and give (n, dim); what else a network wants is done inside.
Unlike the other metrics they are Keras code, which training can trace: import this module itself.
"""

from abc import ABC, abstractmethod
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from rgf_keras import archive, plugins
from rgf_keras.cache import Cache
from rgf_keras.errors import ArgumentError, RgfError, unknown_name
from rgf_keras.models import Oracle, to_float

# keras.applications by the name of their module: the class, and the side they were trained on.
APPLICATIONS = {
    "inception_v3": ("InceptionV3", 299),
    "resnet50": ("ResNet50", 224),
    "vgg16": ("VGG16", 224),
    "mobilenet_v2": ("MobileNetV2", 224),
}


class FeatureExtractor(ABC):
    """An embedding of images.

    Features are kept by its name, its class and the weights of its networks: what changes its code
    otherwise changes its name.

    Attributes:
        name: for figures and file names.
        networks: what it runs; their weights are not trained.
    """

    name: str
    networks: tuple[keras.Model, ...] = ()

    @abstractmethod
    def __call__(self, images: Any) -> Any:
        """Images (n, H, W, C) in [−1, 1] to features (n, dim), as backend tensors."""

    @property
    def key(self) -> dict[str, str]:
        """What its features depend on beside the images."""
        weights = [weight for network in self.networks for weight in network.get_weights()]
        arrays = {f"{i:04d}": weight for i, weight in enumerate(weights)}
        key = {"name": self.name, "weights": archive.digest(arrays)}
        if type(self).__module__ != __name__:  # a guest's
            key["class"] = f"{type(self).__module__}.{type(self).__qualname__}"
        return key

    def extract(
        self, images: np.ndarray, cache: Cache | None = None, batch_size: int = 250
    ) -> np.ndarray:
        """Features of many images, from the cache if they were computed before.

        Args:
            images: (n, H, W, C) uint8.
            cache: where features are kept; None to keep nothing.
            batch_size: images at a time.

        Returns:
            (n, dim) float32.

        Raises:
            ArgumentError: no images.
            RgfError: features that are not finite.
        """
        if not len(images):
            raise ArgumentError(f"{self.name}: there are no images to extract features of")

        def compute() -> dict[str, np.ndarray]:
            entry = keras.Input(images.shape[1:])
            network = keras.Model(entry, self(entry))
            parts = [
                network.predict_on_batch(ops.convert_to_numpy(to_float(images[i : i + batch_size])))
                for i in range(0, len(images), batch_size)
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
    but with Keras' weights, not the original ones: their distances are no FID.

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
        self._preprocess = getattr(keras.applications, name).preprocess_input

    def __call__(self, images: Any) -> Any:
        if images.shape[-1] == 1:
            images = ops.repeat(images, 3, axis=-1)
        images = ops.image.resize(images, (self.side, self.side), antialias=True)
        return super().__call__(self._preprocess((images + 1.0) * 127.5))


def extractor(
    name: str, weights: str = "imagenet", oracle: Oracle | None = None
) -> FeatureExtractor:
    """An embedding by its name.

    Args:
        name: ``"oracle"``, ``"pixels"``, a key of ``APPLICATIONS``, or a guest's, see
            :mod:`rgf_keras.plugins`: a feature extractor, or what makes one without arguments.
        weights: of one of ``APPLICATIONS``.
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
    ours = {each: partial(Application, each, weights) for each in APPLICATIONS}
    make = plugins.resolve("features", name, {"oracle": None, "pixels": Pixels, **ours})
    made = make if isinstance(make, FeatureExtractor) else plugins.attempt(name, make)
    if not isinstance(made, FeatureExtractor):
        raise RgfError(
            f"'{name}' makes a {type(made).__name__}; it must be a "
            "rgf_keras.metrics.features.FeatureExtractor, or make one without arguments"
        )
    return made
