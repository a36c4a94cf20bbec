"""What an experiment is, checked before anything runs. Importing imports no Keras."""

from rgf_keras.config.assess import AssessConfig, EvaluationConfig, ExperimentConfig, OracleConfig
from rgf_keras.config.base import Config, explain, parse, read
from rgf_keras.config.data import DataConfig, ImagesConfig
from rgf_keras.config.mitigation import (
    Mitigation,
    PrivacyConfig,
    RegularizerConfig,
    RejectionConfig,
    Setting,
    SpectralDecouplingConfig,
)
from rgf_keras.config.model import (
    BigGANConfig,
    CustomConfig,
    DiffusionConfig,
    GANConfig,
    SAGANConfig,
    VAEConfig,
)
from rgf_keras.config.score import ScoreConfig
from rgf_keras.config.training import OptimizerConfig, ScheduleConfig, TrainingConfig

__all__ = [
    "AssessConfig",
    "BigGANConfig",
    "Config",
    "CustomConfig",
    "DataConfig",
    "DiffusionConfig",
    "EvaluationConfig",
    "ExperimentConfig",
    "GANConfig",
    "ImagesConfig",
    "Mitigation",
    "OptimizerConfig",
    "OracleConfig",
    "PrivacyConfig",
    "RegularizerConfig",
    "RejectionConfig",
    "SAGANConfig",
    "ScheduleConfig",
    "ScoreConfig",
    "Setting",
    "SpectralDecouplingConfig",
    "TrainingConfig",
    "VAEConfig",
    "explain",
    "parse",
    "read",
]
