"""How large may my own normalizing flow be before it memorizes a rare colour?

The flow has `players()`: it is trained by rgf_keras' Trainer with the configured optimizer, and a
trial that was killed continues in the middle of its training.

Cost:     about 5 minutes a trial on two CPU cores.
Command:  rgf study run study_my_flow.py
"""

import optuna

from rgf_keras.experiments import (
    AssessConfig,
    CustomConfig,
    EvaluationConfig,
    OptimizerConfig,
    OracleConfig,
    Study,
    TrainingConfig,
)

BASELINE = AssessConfig(
    model=CustomConfig(target="my_flow.py:make_flow"),
    training=TrainingConfig(epochs=20, optimizer=OptimizerConfig(learning_rate=3e-4, beta_1=0.9)),
    oracle=OracleConfig(epochs=16),
    evaluation=EvaluationConfig(every=10),
)


def suggest(trial: optuna.Trial) -> AssessConfig:
    return BASELINE.with_values(
        {
            "model.arguments.num_couplings": trial.suggest_int("num_couplings", 2, 8, step=2),
            "model.arguments.units": trial.suggest_categorical("units", [64, 128, 256]),
        }
    )


study = Study(
    name="my_flow",
    question="Which size of my flow memorizes a rare colour least at equal quality?",
    baseline=BASELINE,
    suggest=suggest,
    num_trials=3,
)
