"""Which factors does a GAN memorize?

Question: is a rare colour memorized more than a rare shape? One unmitigated GAN per factor of the
          paper (colour, thinning, thickening, swelling, fracture), against its own balanced model.
Cost:     about 10 minutes (estimated) on two CPU cores (TensorFlow): per factor two
          oracles and two GANs.
Command:  rgf study run studies/factors.py
"""

import optuna

from rgf_keras.experiments import (
    AssessConfig,
    DataConfig,
    EvaluationConfig,
    GANConfig,
    OptimizerConfig,
    OracleConfig,
    Study,
    TrainingConfig,
)

SHAPES = ["thinning", "thickening", "swelling", "fracture"]

BASELINE = AssessConfig(
    data=DataConfig(name="mnist-10k", factor="colour", rare_class=1),
    model=GANConfig(architecture="mlp", latent_dim=64, units=(256, 512), dropout=0.3),
    training=TrainingConfig(epochs=16, optimizer=OptimizerConfig(learning_rate=3e-4)),
    oracle=OracleConfig(epochs=24),
    evaluation=EvaluationConfig(num_samples=1000, every=8),
)


def suggest(trial: optuna.Trial) -> AssessConfig:
    return BASELINE.with_values({"data.factor": trial.suggest_categorical("factor", SHAPES)})


study = Study(
    name="factors",
    question="Is a rare colour memorized more than a rare shape?",
    baseline=BASELINE,
    suggest=suggest,
    subject_to=(),  # distances of different factors cannot be compared
    num_trials=1 + len(SHAPES),
    sampler=lambda seed: optuna.samplers.GridSampler({"factor": SHAPES}, seed=0),
)
