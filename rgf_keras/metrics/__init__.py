"""Arrays in, named numbers out."""

from rgf_keras.metrics import frechet, rgf

__all__ = ["frechet", "rgf"]
