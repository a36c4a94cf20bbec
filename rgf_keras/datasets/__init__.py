"""Images with planted factors: NumPy in, NumPy out, no backend."""

from rgf_keras.datasets.dataset import Dataset, read
from rgf_keras.datasets.factors import Colour, Factor, factor
from rgf_keras.datasets.planting import balanced, skewed
from rgf_keras.datasets.sources import load

__all__ = ["Colour", "Dataset", "Factor", "balanced", "factor", "load", "read", "skewed"]
