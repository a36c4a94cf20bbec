"""The paper's four shape factors: thinning, thickening, swelling and fracture of digits.

What a perturbation makes of the images does not depend on which images receive it. It is therefore
made once for all images, for every factor that is asked for in one pass, and kept in a cache; a
planted set of any rare class and rarity is then a selection.
"""

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import numpy as np

from rgf_keras import archive
from rgf_keras.cache import Cache
from rgf_keras.datasets import morphology
from rgf_keras.datasets.dataset import Dataset, uniform
from rgf_keras.datasets.factors.base import Progress
from rgf_keras.datasets.factors.colour import Colour
from rgf_keras.errors import RgfError

COMMON = ("plain", "raw")

# Starting processes takes longer than a few thousand digits do.
IMAGES_FOR_PROCESSES = 4096

Layer = partial[np.ndarray]


@dataclass(frozen=True)
class ShapeFactor:
    """A change of a digit's shape, at one strength or several.

    Its parameters take a number, or numbers that grow: then the factor has that many values beside
    the common one, and the strongest is the rare one.

    Args:
        common: digits with f = 0, which the paper leaves open: ``"plain"`` (binarised and reduced
            as the perturbed ones are, so that the factor is the shape alone) or ``"raw"``.
        coloured: every image is red or green at random, half and half, as in the paper; if False
            images stay grey.
    """

    common: str = field(default="plain", kw_only=True)
    coloured: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        if self.common not in COMMON:
            raise RgfError(f"{self.name}: common must be plain or raw, received '{self.common}'")
        strengths = self.strengths
        numbers = all(isinstance(strength, int | float) for strength in strengths)
        if not strengths or not numbers or np.any(np.diff((0, *strengths)) <= 0):
            raise RgfError(
                f"{self.name}: strengths must be numbers above 0 that grow, "
                f"received {', '.join(map(str, strengths)) or 'none'}"
            )

    @property
    @abstractmethod
    def strengths(self) -> tuple[float, ...]:
        """One per value but the common one."""

    @abstractmethod
    def perturbation(self, strength: float, seed: int) -> Layer:
        """The function that gives digits this strength."""

    @property
    def name(self) -> str:
        return type(self).__name__.lower()

    @property
    def values(self) -> tuple[str, ...]:
        if len(self.strengths) == 1:
            return self.common, self.name
        return self.common, *(f"{self.name} {strength:g}" for strength in self.strengths)

    def layers(self, seed: int) -> tuple[Layer | None, ...]:
        """What makes the images of each value; None leaves them as they are."""
        common = partial(morphology.plain) if self.common == "plain" else None
        return common, *(self.perturbation(strength, seed) for strength in self.strengths)

    def apply(
        self,
        images: np.ndarray,
        assignment: np.ndarray,
        indices: np.ndarray,
        seed: int,
        cache: Cache | None = None,
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Change the shape of each image, and colour it: (N, 28, 28, 1) to (N, 28, 28, 3)."""
        if images.shape[1:] != (28, 28, 1):
            raise RgfError(f"{self.name} needs digits (N, 28, 28, 1), received {images.shape}")
        grey = images[..., 0]
        shaped = np.empty_like(grey)
        for value, layer in enumerate(_rendered(self.layers(seed), grey, indices, cache, progress)):
            chosen = assignment == value
            shaped[chosen] = layer[chosen]
        shaped = shaped[..., None]
        if not self.coloured:
            return shaped
        green = (uniform(indices, seed, "random colour") < 0.5).astype(np.int64)
        return Colour().apply(shaped, green, indices, seed)


@dataclass(frozen=True)
class Thinning(ShapeFactor):
    """See :func:`rgf_keras.datasets.morphology.thin`."""

    amount: float | Sequence[float] = 0.7

    @property
    def strengths(self) -> tuple[float, ...]:
        return _numbers(self.amount)

    def perturbation(self, strength: float, seed: int) -> Layer:
        return partial(morphology.thin, amount=strength)


@dataclass(frozen=True)
class Thickening(ShapeFactor):
    """See :func:`rgf_keras.datasets.morphology.thicken`."""

    amount: float | Sequence[float] = 1.0

    @property
    def strengths(self) -> tuple[float, ...]:
        return _numbers(self.amount)

    def perturbation(self, strength: float, seed: int) -> Layer:
        return partial(morphology.thicken, amount=strength)


@dataclass(frozen=True)
class Swelling(ShapeFactor):
    """See :func:`rgf_keras.datasets.morphology.swell`."""

    strength: float | Sequence[float] = 3.0
    radius: float = 7.0

    @property
    def strengths(self) -> tuple[float, ...]:
        return _numbers(self.strength)

    def perturbation(self, strength: float, seed: int) -> Layer:
        return partial(morphology.swell, strength=strength, radius=self.radius, seed=seed)


@dataclass(frozen=True)
class Fracture(ShapeFactor):
    """See :func:`rgf_keras.datasets.morphology.fracture`."""

    num_fractures: int | Sequence[int] = 3

    @property
    def strengths(self) -> tuple[float, ...]:
        return _numbers(self.num_fractures)

    def perturbation(self, strength: float, seed: int) -> Layer:
        return partial(morphology.fracture, num_fractures=cast(int, strength), seed=seed)


def prepare(
    factors: Sequence[ShapeFactor],
    dataset: Dataset,
    seed: int,
    cache: Cache,
    progress: Progress | None = None,
) -> None:
    """Make and keep what planting these factors will need, in one pass over the images.

    Args:
        factors: any number.
        dataset: digits (N, 28, 28, 1).
        seed: that will be planted with.
        cache: where it is kept.
        progress: called as progress(done, total), in images.
    """
    layers = [layer for factor in factors for layer in factor.layers(seed)]
    _rendered(layers, dataset.images[..., 0], dataset.indices, cache, progress)


def _rendered(
    layers: Sequence[Layer | None],
    images: np.ndarray,
    indices: np.ndarray,
    cache: Cache | None,
    progress: Progress | None,
) -> list[np.ndarray]:
    """The images (N, 28, 28) as each layer makes them, from the cache as far as they are there."""
    digest = archive.digest({"images": images, "indices": indices})
    with cache.lock("shape", {"images": digest}) if cache else nullcontext():
        return _render(layers, images, indices, digest, cache, progress)


def _render(
    layers: Sequence[Layer | None],
    images: np.ndarray,
    indices: np.ndarray,
    digest: str,
    cache: Cache | None,
    progress: Progress | None,
) -> list[np.ndarray]:
    descriptions = {_text(layer): {"layer": _text(layer), "images": digest} for layer in layers}
    rendered = {_text(None): images}
    for text, description in descriptions.items():
        kept = cache.load("shape", description) if cache and text not in rendered else None
        if kept is not None:
            rendered[text] = kept["images"]
    missing = {_text(layer): layer for layer in layers if layer and _text(layer) not in rendered}
    if missing:
        num_jobs = 1 if len(images) < IMAGES_FOR_PROCESSES else -1
        made = morphology.apply(images, missing, indices, num_jobs=num_jobs, progress=progress)
        for text, array in made.items():
            if cache:
                cache.store("shape", descriptions[text], {"images": array})
        rendered.update(made)
    return [rendered[_text(layer)] for layer in layers]


def _text(layer: Layer | None) -> str:
    """A layer as text, e.g. ``thin(amount=0.7)``."""
    if layer is None:
        return "raw"
    arguments = ", ".join(f"{key}={value!r}" for key, value in layer.keywords.items())
    return f"{layer.func.__name__}({arguments})"


def _numbers(values: float | Sequence[float]) -> tuple[float, ...]:
    return (values,) if isinstance(values, int | float) else tuple(values)
