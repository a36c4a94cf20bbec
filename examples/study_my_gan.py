"""Does label smoothing keep my own GAN from memorizing a rare colour?

The GAN is trained by its own `fit`: learning rate and loss are arguments of `make_gan`, and
`training.optimizer` is not used.

Cost:     about 2 minutes a trial on two CPU cores.
Command:  rgf study run study_my_gan.py
"""

import optuna

from rgf_keras.experiments import (
    AssessConfig,
    CustomConfig,
    EvaluationConfig,
    OracleConfig,
    Study,
    TrainingConfig,
)

BASELINE = AssessConfig(
    model=CustomConfig(target="my_gan.py:make_gan", arguments={"learning_rate": 3e-4}),
    training=TrainingConfig(epochs=24),
    oracle=OracleConfig(epochs=16),
    evaluation=EvaluationConfig(every=8),
)


def suggest(trial: optuna.Trial) -> AssessConfig:
    return BASELINE.with_values(
        {
            "model.arguments.learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-3),
            "model.arguments.label_smoothing": trial.suggest_float("label_smoothing", 0.0, 0.4),
        }
    )


study = Study(
    name="my_gan",
    question="Does label smoothing keep my GAN from memorizing a rare colour at equal quality?",
    baseline=BASELINE,
    suggest=suggest,
    num_trials=3,
)
