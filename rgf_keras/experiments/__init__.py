"""What a researcher runs: an assessment, a study, their records."""

from rgf_keras.experiments import quiet  # noqa: F401  # isort: skip (before Keras)
from rgf_keras.experiments.assessment.assess import Assessment, assess
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
from rgf_keras.experiments.scores.config import ImagesConfig, ScoreConfig
from rgf_keras.experiments.scores.result import Score
from rgf_keras.experiments.scores.score import score
from rgf_keras.experiments.studies.run import run_study
from rgf_keras.experiments.studies.study import Bound, Study

__all__ = [
    "AssessConfig",
    "Assessment",
    "BigGANConfig",
    "Bound",
    "DataConfig",
    "DiffusionConfig",
    "EvaluationConfig",
    "GANConfig",
    "ImagesConfig",
    "OptimizerConfig",
    "OracleConfig",
    "PrivacyConfig",
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
