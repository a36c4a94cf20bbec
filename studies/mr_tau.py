"""Does memorization rejection keep a GAN from copying its training images?

Question: which threshold τ (as a multiple of the training set's mean nearest-neighbour distance),
          from which epoch on and in which mode, copies least, with a Fréchet distance at most 1.1
          times the unmitigated model's?
Cost:     about 15 minutes (estimated) on two CPU cores (TensorFlow): two oracles and 10
          trials of a dense GAN
          on 2,000 digits, trained long enough to come near them.
Command:  rgf study run studies/mr_tau.py
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

EPOCHS = 100  # of 2,000 digits: 3,100 steps

BASELINE = AssessConfig(
    data=DataConfig(name="mnist-10k", factor="colour", rarity=0.5, num_train=2000),
    model=GANConfig(architecture="mlp", latent_dim=64, units=(256, 512), dropout=0.3),
    training=TrainingConfig(epochs=EPOCHS, optimizer=OptimizerConfig(learning_rate=3e-4)),
    oracle=OracleConfig(epochs=60),
    evaluation=EvaluationConfig(num_samples=1000, reference="shared"),
)


def suggest(trial: optuna.Trial) -> AssessConfig:
    return BASELINE.with_values(
        {
            "rejection.threshold": "auto",
            "rejection.factor": trial.suggest_float("factor", 0.5, 2.0),
            "rejection.warm_up_epochs": trial.suggest_int("warm_up_epochs", 0, 50, step=25),
            "rejection.mode": trial.suggest_categorical("mode", ["mask", "resample"]),
        }
    )


study = Study(
    name="mr_tau",
    question="Which rejection threshold copies least at equal quality?",
    baseline=BASELINE,
    suggest=suggest,
    minimize="copying/deficit",
    subject_to=(Bound("quality/frechet_oracle", at_most=1.1, relative=True),),
    num_trials=10,
)
