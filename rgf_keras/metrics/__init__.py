"""Arrays in, named numbers out."""

from rgf_keras.metrics import (
    copies,
    data_copying,
    distribution,
    frechet,
    memorization,
    neighbours,
    rgf,
)

__all__ = ["copies", "data_copying", "distribution", "frechet", "memorization", "neighbours", "rgf"]
