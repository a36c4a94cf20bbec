"""The paper's four shape factors: thinning, thickening, swelling and fracture of digits.

What a perturbation makes of the images does not depend on which images receive it. It is therefore
made once for all images, for every factor that is asked for in one pass, and kept in a cache; a
planted set of any rare class and rarity is then a selection.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import numpy as np

from rgf_keras import archive
from rgf_keras.cache import Cache
from rgf_keras.datasets import morphology
from rgf_keras.datasets.dataset import Dataset, uniform
from rgf_keras.datasets.factors.colour import Colour
from rgf_keras.errors import ArgumentError
from rgf_keras.runtime.progress import SILENT, Progress

COMMON = ("plain", "raw")

# Starting processes takes longer than a few thousand digits do.
IMAGES_FOR_PROCESSES = 4096

Layer = partial[np.ndarray]


@dataclass(frozen=True)
class ShapeFactor:
    """A change of a digit's shape, at one strength or several.

    The parameter called as ``scale`` says takes a number, or numbers that grow: then the factor has
    that many values beside the common one, and the strongest is the rare one.

    Attributes:
        common: digits with f = 0, which the paper leaves open: ``"plain"`` (binarised and reduced
            as the perturbed ones are, so that the factor is the shape alone) or ``"raw"``.
        coloured: every image is red or green at random, half and half, as in the paper; if False
            images stay grey.
    """

    function: ClassVar[Callable[..., np.ndarray]]
    scale: ClassVar[str]
    common: str = field(default="plain", kw_only=True)
    coloured: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        if self.common not in COMMON:
            raise ArgumentError(
                f"{self.name}: common must be plain or raw, received '{self.common}'"
            )
        strengths = self.strengths
        numbers = all(isinstance(strength, int | float) for strength in strengths)
        if not strengths or not numbers or np.any(np.diff((0, *strengths)) <= 0):
            raise ArgumentError(
                f"{self.name}: strengths must be numbers above 0 that grow, "
                f"received {', '.join(map(str, strengths)) or 'none'}"
            )
        for layer in filter(None, self.layers(seed=0)):
            layer(np.zeros((0, 28, 28), np.uint8))  # refuses other bad parameters

    @property
    def strengths(self) -> tuple[float, ...]:
        """One per value but the common one."""
        values = getattr(self, self.scale)
        return tuple(values) if isinstance(values, Iterable) else (values,)

    def perturbation(self, strength: float, seed: int) -> Layer:
        """The function that gives digits this strength."""
        return partial(type(self).function, **{self.scale: strength})

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
        progress: Progress = SILENT,
    ) -> np.ndarray:
        """Change the shape of each image, and colour it: (N, 28, 28, 1) to (N, 28, 28, 3)."""
        if images.shape[1:] != (28, 28, 1):
            raise ArgumentError(f"{self.name} needs digits (N, 28, 28, 1), received {images.shape}")
        grey = images[..., 0]
        shaped = np.empty_like(images)
        for value, layer in enumerate(_render(self.layers(seed), grey, indices, cache, progress)):
            shaped[assignment == value, ..., 0] = layer[assignment == value]
        if not self.coloured:
            return shaped
        green = (uniform(indices, seed, "random colour") < 0.5).astype(np.int64)
        return Colour().apply(shaped, green, indices, seed)


@dataclass(frozen=True)
class Thinning(ShapeFactor):
    """See :func:`rgf_keras.datasets.morphology.thin`."""

    function = morphology.thin
    scale = "amount"
    amount: float | Sequence[float] = 0.7


@dataclass(frozen=True)
class Thickening(ShapeFactor):
    """See :func:`rgf_keras.datasets.morphology.thicken`."""

    function = morphology.thicken
    scale = "amount"
    amount: float | Sequence[float] = 1.0


@dataclass(frozen=True)
class Swelling(ShapeFactor):
    """See :func:`rgf_keras.datasets.morphology.swell`."""

    function = morphology.swell
    scale = "strength"
    strength: float | Sequence[float] = 3.0
    radius: float = 7.0

    def perturbation(self, strength: float, seed: int) -> Layer:
        return partial(super().perturbation(strength, seed), radius=self.radius, seed=seed)


@dataclass(frozen=True)
class Fracture(ShapeFactor):
    """See :func:`rgf_keras.datasets.morphology.fracture`."""

    function = morphology.fracture
    scale = "num_fractures"
    num_fractures: int | Sequence[int] = 3

    def perturbation(self, strength: float, seed: int) -> Layer:
        return partial(super().perturbation(strength, seed), seed=seed)


def prepare(
    factors: Sequence[ShapeFactor],
    dataset: Dataset,
    seed: int,
    cache: Cache,
    progress: Progress = SILENT,
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
    _render(layers, dataset.images[..., 0], dataset.indices, cache, progress)


def _render(
    layers: Sequence[Layer | None],
    images: np.ndarray,
    indices: np.ndarray,
    cache: Cache | None,
    progress: Progress,
) -> list[np.ndarray]:
    """The images (N, 28, 28) as each layer makes them, from the cache as far as they are there."""
    digest = archive.digest({"images": images, "indices": indices})
    wanted = {_describe(layer): layer for layer in layers if layer}
    descriptions = {text: {"layer": text, "images": digest} for text in wanted}
    rendered: dict[str, np.ndarray] = {}
    with cache.lock("shape", {"images": digest}) if cache else nullcontext():
        if cache:
            kept = {text: cache.load("shape", x) for text, x in descriptions.items()}
            rendered |= {text: arrays["images"] for text, arrays in kept.items() if arrays}
        missing = {text: layer for text, layer in wanted.items() if text not in rendered}
        if missing:
            num_jobs = 1 if len(images) < IMAGES_FOR_PROCESSES else -1
            made = morphology.apply(images, missing, indices, num_jobs=num_jobs, progress=progress)
            rendered |= made
            for text, array in made.items():
                if cache:
                    cache.store("shape", descriptions[text], {"images": array})
    return [rendered[_describe(layer)] if layer else images for layer in layers]


def _describe(layer: Layer) -> str:
    """A layer as text, e.g. ``thin(amount=0.7)``, by which it is kept."""
    arguments = ", ".join(f"{key}={value!r}" for key, value in layer.keywords.items())
    return f"{layer.func.__name__}({arguments})"
