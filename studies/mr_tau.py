"""Does memorization rejection keep a GAN from copying its training images?

Question: which threshold τ (as a multiple of the training set's mean nearest-neighbour distance),
          from which epoch on and in which mode, copies least, with a Fréchet distance at most 1.1
          times the unmitigated model's?
Cost:     about 40 minutes on two CPU cores (TensorFlow; from four trials on busy ones): two
          oracles, and a balanced model and 10 trials of a convolutional GAN that sees 100 digits
          for so long that it copies them.
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

EPOCHS = 1500  # of 100 digits: 4,500 steps

BASELINE = AssessConfig(
    data=DataConfig(name="mnist-10k", factor="colour", rarity=0.5, num_train=100),
    model=GANConfig(architecture="conv", latent_dim=64, width=32),
    training=TrainingConfig(
        epochs=EPOCHS, batch_size=32, optimizer=OptimizerConfig(learning_rate=1e-3)
    ),
    oracle=OracleConfig(num_train=8000, epochs=16),  # which 100 digits could not train
    evaluation=EvaluationConfig(num_samples=1000, reference="shared"),
)


def suggest(trial: optuna.Trial) -> AssessConfig:
    return BASELINE.with_values(
        {
            "rejection.threshold": "auto",
            "rejection.factor": trial.suggest_float("factor", 0.25, 1.5),
            "rejection.warm_up_epochs": trial.suggest_int("warm_up_epochs", 0, 500, step=250),
            "rejection.mode": trial.suggest_categorical("mode", ["mask", "resample"]),
        }
    )


study = Study(
    name="mr_tau",
    question="Which rejection threshold copies least at equal quality?",
    baseline=BASELINE,
    suggest=suggest,
    minimize="copying/deficit",
    worst=1e6,
    subject_to=(Bound("quality/frechet_oracle", at_most=1.1, relative=True),),
    num_trials=10,
)
