"""Everything of one's own in one study: data, factor, mitigation and metrics, of a GAN of ours.

Cost:     about 1 minute a trial on two CPU cores.
Command:  rgf study run study_my_own.py
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

BASELINE = AssessConfig(
    data=DataConfig(name="my_data.py:load_shapes", factor="my_factor.py:Frame"),
    model=GANConfig(),
    training=TrainingConfig(epochs=20, optimizer=OptimizerConfig(learning_rate=3e-4)),
    oracle=OracleConfig(epochs=16),
    evaluation=EvaluationConfig(
        every=10,
        reference="shared",  # the balanced model has no mitigation: it is trained once
        metrics=("my_metric.py:sharpness", "my_metric.py:NEAR_COPIES"),
    ),
)


def suggest(trial: optuna.Trial) -> AssessConfig:
    return BASELINE.with_values(
        {
            "regularizers.smoothing.target": "my_mitigation.py:LabelSmoothing",
            "regularizers.smoothing.arguments.strength": trial.suggest_float("strength", 0.0, 0.5),
        }
    )


study = Study(
    name="my_own",
    question="Which label smoothing keeps a GAN from memorizing a rare frame, as sharp as before?",
    baseline=BASELINE,
    suggest=suggest,
    subject_to=(
        Bound("quality/frechet_oracle", at_most=1.2, relative=True),
        Bound("guest/sharpness", at_least=0.8, relative=True),
    ),
    num_trials=3,
)
