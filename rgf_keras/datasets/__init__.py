"""Images with planted factors: NumPy in, NumPy out, no backend."""

from rgf_keras.datasets.dataset import Dataset, read
from rgf_keras.datasets.factors import (
    Colour,
    Factor,
    Fracture,
    Plain,
    Swelling,
    Thickening,
    Thinning,
    factor,
    shape_factors,
)
from rgf_keras.datasets.factors.shape import prepare
from rgf_keras.datasets.planting import balanced, counts, skewed
from rgf_keras.datasets.sources import available, load

__all__ = [
    "Colour",
    "Dataset",
    "Factor",
    "Fracture",
    "Plain",
    "Swelling",
    "Thickening",
    "Thinning",
    "available",
    "balanced",
    "counts",
    "factor",
    "load",
    "prepare",
    "read",
    "shape_factors",
    "skewed",
]
