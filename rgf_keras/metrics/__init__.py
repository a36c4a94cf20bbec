"""Arrays in, named numbers out."""

from rgf_keras.metrics import data_copying, distribution, frechet, memorization, neighbours, rgf

__all__ = ["data_copying", "distribution", "frechet", "memorization", "neighbours", "rgf"]
