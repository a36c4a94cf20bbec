"""What a researcher runs: an assessment, a study, their records."""

from rgf_keras.experiments.assess import Assessment, assess
from rgf_keras.experiments.config import (
    AssessConfig,
    BigGANConfig,
    DataConfig,
    DiffusionConfig,
    EvaluationConfig,
    GANConfig,
    OptimizerConfig,
    OracleConfig,
    RejectionConfig,
    SAGANConfig,
    SpectralDecouplingConfig,
    TrainingConfig,
    VAEConfig,
)
from rgf_keras.experiments.study import Bound, Study, run_study

__all__ = [
    "AssessConfig",
    "Assessment",
    "BigGANConfig",
    "Bound",
    "DataConfig",
    "DiffusionConfig",
    "EvaluationConfig",
    "GANConfig",
    "OptimizerConfig",
    "OracleConfig",
    "RejectionConfig",
    "SAGANConfig",
    "SpectralDecouplingConfig",
    "Study",
    "TrainingConfig",
    "VAEConfig",
    "assess",
    "run_study",
]
