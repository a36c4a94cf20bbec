"""What a researcher runs: an assessment, a study, their records."""

from rgf_keras.experiments.assess import Assessment, assess
from rgf_keras.experiments.config import (
    AssessConfig,
    DataConfig,
    EvaluationConfig,
    OptimizerConfig,
    OracleConfig,
    PrivacyConfig,
    RejectionConfig,
    SpectralDecouplingConfig,
    TrainingConfig,
)
from rgf_keras.experiments.model_config import (
    BigGANConfig,
    DiffusionConfig,
    GANConfig,
    SAGANConfig,
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
    "PrivacyConfig",
    "RejectionConfig",
    "SAGANConfig",
    "SpectralDecouplingConfig",
    "Study",
    "TrainingConfig",
    "VAEConfig",
    "assess",
    "run_study",
]
