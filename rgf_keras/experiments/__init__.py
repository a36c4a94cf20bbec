"""What a researcher runs: an assessment, a score, a study. Importing imports no Keras."""

import importlib
from typing import TYPE_CHECKING, Any

from rgf_keras.config import (
    AssessConfig,
    BigGANConfig,
    CustomConfig,
    DataConfig,
    DiffusionConfig,
    EvaluationConfig,
    GANConfig,
    ImagesConfig,
    OptimizerConfig,
    OracleConfig,
    PrivacyConfig,
    RegularizerConfig,
    RejectionConfig,
    SAGANConfig,
    ScoreConfig,
    SpectralDecouplingConfig,
    TrainingConfig,
    VAEConfig,
)

if TYPE_CHECKING:
    from rgf_keras.experiments.assessment.assess import Assessment, assess
    from rgf_keras.experiments.scores.result import Score
    from rgf_keras.experiments.scores.score import score
    from rgf_keras.experiments.studies.run import run_study
    from rgf_keras.experiments.studies.study import Bound, Study

# Where names are that are imported when they are first used.
LAZY = {
    "Assessment": "assessment.assess",
    "assess": "assessment.assess",
    "Score": "scores.result",
    "score": "scores.score",
    "run_study": "studies.run",
    "Bound": "studies.study",
    "Study": "studies.study",
}

__all__ = [
    "AssessConfig",
    "Assessment",
    "BigGANConfig",
    "Bound",
    "CustomConfig",
    "DataConfig",
    "DiffusionConfig",
    "EvaluationConfig",
    "GANConfig",
    "ImagesConfig",
    "OptimizerConfig",
    "OracleConfig",
    "PrivacyConfig",
    "RegularizerConfig",
    "RejectionConfig",
    "SAGANConfig",
    "Score",
    "ScoreConfig",
    "SpectralDecouplingConfig",
    "Study",
    "TrainingConfig",
    "VAEConfig",
    "assess",
    "run_study",
    "score",
]


def __getattr__(name: str) -> Any:
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{LAZY[name]}"), name)
