"""One training loop for every model, on every backend."""

from rgf_keras.training.callbacks import Evaluate, Progress, RealLossByFactor, SampleGrid
from rgf_keras.training.regularizers import Regularizer, SpectralDecoupling
from rgf_keras.training.schedules import until
from rgf_keras.training.trainer import History, Trainer

__all__ = [
    "Evaluate",
    "History",
    "Progress",
    "RealLossByFactor",
    "Regularizer",
    "SampleGrid",
    "SpectralDecoupling",
    "Trainer",
    "until",
]
