"""Does anything keep a GAN from memorizing a rare colour?

Question: which spectral decoupling, memorization rejection and dropout together memorize least on
          digits whose "1" is always green and whose others are red, with a Fréchet distance at
          most 1.1 times the unmitigated model's?
Cost:     about 20 minutes on two CPU cores (TensorFlow; from half as many trials): two oracles,
          nine balanced GANs, 24 trials, and the best and the baseline with six fresh seeds.
Command:  rgf study run studies/rare_colour_gan.py --workers 2
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

EPOCHS = 12  # of 8,000 digits: 1,500 steps

BASELINE = AssessConfig(
    data=DataConfig(name="mnist-10k", factor="colour", rare_class=1),
    model=GANConfig(architecture="mlp", latent_dim=64, units=(256, 512), dropout=0.3),
    training=TrainingConfig(epochs=EPOCHS, optimizer=OptimizerConfig(learning_rate=3e-4)),
    oracle=OracleConfig(epochs=16),
    evaluation=EvaluationConfig(num_samples=1000, reference="shared"),
)


def suggest(trial: optuna.Trial) -> AssessConfig:
    values = {
        "model.dropout": trial.suggest_categorical("dropout", [0.0, 0.3, 0.5]),
        "spectral_decoupling.weight": trial.suggest_float("weight", 0.001, 10.0, log=True),
        "spectral_decoupling.stop_epoch": trial.suggest_int("stop_epoch", 4, EPOCHS, step=4),
    }
    if trial.suggest_categorical("rejects", [False, True]):
        values |= {
            "rejection.threshold": "auto",
            "rejection.factor": trial.suggest_float("factor", 0.25, 1.5),
            "rejection.embedding": trial.suggest_categorical("space", ["pixels", "oracle"]),
        }
    return BASELINE.with_values(values)


study = Study(
    name="rare_colour_gan",
    question="Does anything keep a GAN from memorizing a rare colour at equal quality?",
    baseline=BASELINE,
    suggest=suggest,
    num_trials=24,
    repeats=6,
    candidates=1,
)
