"""Spectral decoupling and memorization rejection together, on digits with a rare colour.

Question: which λ and τ, and which schedules of both, memorize the rare colour least, with a Fréchet
          distance at most 1.1 times and a data-copying deficit no larger than the unmitigated
          model's?
Cost:     about 20 minutes on two CPU cores (TensorFlow; from five trials on busy ones): two
          oracles, one balanced GAN, 16 trials.
Command:  rgf study run studies/joint.py
"""

import optuna

from rgf_keras.experiments import (
    AssessConfig,
    Bound,
    DataConfig,
    EvaluationConfig,
    GANConfig,
    OptimizerConfig,
    OracleConfig,
    Study,
    TrainingConfig,
)

EPOCHS = 16

BASELINE = AssessConfig(
    data=DataConfig(name="mnist-10k", factor="colour", rare_class=1),
    model=GANConfig(architecture="mlp", latent_dim=64, units=(256, 512), dropout=0.3),
    training=TrainingConfig(epochs=EPOCHS, optimizer=OptimizerConfig(learning_rate=3e-4)),
    oracle=OracleConfig(epochs=16),
    evaluation=EvaluationConfig(num_samples=1000, every=8, reference="shared"),
)


def suggest(trial: optuna.Trial) -> AssessConfig:
    return BASELINE.with_values(
        {
            "spectral_decoupling.weight": trial.suggest_float("weight", 0.003, 1.0, log=True),
            "spectral_decoupling.stop_epoch": trial.suggest_int("stop_epoch", 4, EPOCHS, step=4),
            "rejection.threshold": "auto",
            "rejection.factor": trial.suggest_float("factor", 0.25, 2.0),
            "rejection.warm_up_epochs": trial.suggest_int("warm_up_epochs", 0, 8, step=4),
        }
    )


study = Study(
    name="joint",
    question="Which λ and τ together memorize a rare colour least at equal quality?",
    baseline=BASELINE,
    suggest=suggest,
    subject_to=(
        Bound("quality/frechet_oracle", at_most=1.1, relative=True),
        Bound("rgf/class_coverage", at_least=1.0, relative=True),
        Bound("copying/deficit", at_most=1.0, relative=True),
    ),
    num_trials=16,
)
