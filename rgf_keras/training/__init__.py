"""One training loop for every model, on every backend."""

import warnings
from typing import Any

from rgf_keras.training.callbacks import Evaluate, RealLossByFactor, ReportProgress, SampleGrid
from rgf_keras.training.ensemble import Ensemble, ForEachMember
from rgf_keras.training.fit import FitTrainer
from rgf_keras.training.geco import GECO
from rgf_keras.training.privacy import Privacy
from rgf_keras.training.regularizers import Regularizer, SpectralDecoupling, after, until
from rgf_keras.training.rejection import MemorizationRejection
from rgf_keras.training.trainer import History, Trainer

__all__ = [
    "GECO",
    "Ensemble",
    "Evaluate",
    "FitTrainer",
    "ForEachMember",
    "History",
    "MemorizationRejection",
    "Privacy",
    "RealLossByFactor",
    "Regularizer",
    "ReportProgress",
    "SampleGrid",
    "SpectralDecoupling",
    "Trainer",
    "after",
    "until",
]


def __getattr__(name: str) -> Any:
    if name != "Progress":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    message = "rgf_keras.training.Progress is now called ReportProgress"
    warnings.warn(message, DeprecationWarning, stacklevel=2)
    return ReportProgress
