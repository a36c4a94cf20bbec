"""What makes a diffusion model memorize a rare colour less?

Question: which capacity, training time, noise schedule, dropout, moving average and augmentation
          memorize least on digits whose "1" is always green and whose others are red, with a
          Fréchet distance at most 1.1 times the unmitigated model's?
Cost:     about 4 hours (estimated) on two idle CPU cores (TensorFlow): two oracles, 12 trials with
          a balanced and a skewed model each. The baseline alone took an hour on two busy ones.
Command:  rgf study run studies/diffusion.py
"""

import optuna

from rgf_keras.experiments import (
    AssessConfig,
    DataConfig,
    DiffusionConfig,
    EvaluationConfig,
    OptimizerConfig,
    OracleConfig,
    Study,
    TrainingConfig,
)

BASELINE = AssessConfig(
    data=DataConfig(name="mnist-10k", factor="colour", rare_class=1),
    model=DiffusionConfig(
        size="small",
        backbone="keras",  # of any width
        prediction="v",
        noise_schedule="cosine",
        num_steps=50,
    ),
    training=TrainingConfig(
        epochs=12,  # of 8,000 digits: 3,000 steps
        batch_size=32,
        optimizer=OptimizerConfig(learning_rate=1e-3, beta_1=0.9),
        ema_decay=0.995,
    ),
    oracle=OracleConfig(epochs=16),
    evaluation=EvaluationConfig(num_samples=1000, fast=True, reference="shared"),
)

AUGMENTATIONS = {"none": (), "translation": ("translation",), "contrast": ("contrast",)}


def suggest(trial: optuna.Trial) -> AssessConfig:
    augment = trial.suggest_categorical("augment", [*AUGMENTATIONS])
    return BASELINE.with_values(
        {
            "model.width": trial.suggest_int("width", 16, 48, step=8),
            "model.noise_schedule": trial.suggest_categorical(
                "noise_schedule", ["linear", "cosine"]
            ),
            "model.dropout": trial.suggest_float("dropout", 0.0, 0.3),
            "model.augment": AUGMENTATIONS[augment],
            "training.epochs": trial.suggest_int("epochs", 6, 18, step=3),
            "training.ema_decay": trial.suggest_categorical("ema_decay", [0.98, 0.995, 0.999]),
        }
    )


study = Study(
    name="diffusion",
    question="What makes a diffusion model memorize a rare colour less at equal quality?",
    baseline=BASELINE,
    suggest=suggest,
    num_trials=12,
)
