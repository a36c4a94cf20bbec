"""Spectral decoupling at the paper's scale: λ, when it stops, and how it falls.

Question: which λ, which last epoch and which schedule memorize least on full MNIST with a green
          "1", with a Fréchet distance at most 1.1 times the unmitigated model's? The paper uses
          λ = 0.8, constant for 80 of 200 epochs (Frontiers in AI 2025).
Cost:     187,000 steps a trial: about 1.2 hours each on two CPU cores, 20 trials.
Command:  rgf study run studies/sd_lambda.py     (MNIST is downloaded, or found in RGF_DATA_DIR)
"""

import optuna

from rgf_keras.experiments import (
    AssessConfig,
    DataConfig,
    EvaluationConfig,
    GANConfig,
    OracleConfig,
    Study,
    TrainingConfig,
)

EPOCHS = 200
PAPERS_STOP = 80

BASELINE = AssessConfig(
    data=DataConfig(name="mnist", factor="colour", rare_class=1),
    model=GANConfig(architecture="mlp"),
    training=TrainingConfig(epochs=EPOCHS),
    oracle=OracleConfig(),
    evaluation=EvaluationConfig(num_samples=1000, every=20, reference="shared"),
)


def suggest(trial: optuna.Trial) -> AssessConfig:
    return BASELINE.with_values(
        {
            "spectral_decoupling.weight": trial.suggest_float("weight", 0.01, 10.0, log=True),
            "spectral_decoupling.stop_epoch": trial.suggest_int(
                "stop_epoch", PAPERS_STOP // 2, EPOCHS, step=PAPERS_STOP // 2
            ),
            "spectral_decoupling.shape": trial.suggest_categorical(
                "shape", ["constant", "linear", "cosine"]
            ),
        }
    )


study = Study(
    name="sd_lambda",
    question="Which spectral decoupling schedule memorizes a rare colour least on full MNIST?",
    baseline=BASELINE,
    suggest=suggest,
    num_trials=20,
)
