"""Does memorization rejection keep a GAN that sees few images from copying them?

Question: which rejection threshold τ (its space, multiple of the mean nearest-neighbour distance d̄,
          warm-up) and which spectral decoupling λ copy least, with a Fréchet distance at most 1.5
          times the unmitigated model's?
Cost:     about 8 minutes on two CPU cores (TensorFlow): two oracles, a balanced GAN, 5 trials, and
          the best and the baseline with three fresh seeds.
Command:  rgf study run studies/quickstart.py --workers 2
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

EPOCHS = 18  # of 100 passes over 25 digits: 1,800 steps, after which the GAN copies them

BASELINE = AssessConfig(
    data=DataConfig(name="mnist-10k", factor="colour", rarity=0.5, num_train=25),
    model=GANConfig(architecture="conv", latent_dim=64, width=16),
    training=TrainingConfig(
        epochs=EPOCHS,
        passes_per_epoch=100,
        batch_size=25,
        optimizer=OptimizerConfig(learning_rate=1e-3),
    ),
    oracle=OracleConfig(num_train=8000, epochs=6),  # which 25 digits could not train
    # Copying is asked about, not verdicts, for which one reference would be too few.
    evaluation=EvaluationConfig(num_samples=1000, reference="shared", test="two_sample"),
)


def suggest(trial: optuna.Trial) -> AssessConfig:
    return BASELINE.with_values(
        {
            "rejection.threshold": "auto",  # d̄
            "rejection.factor": trial.suggest_float("factor", 1.0, 1.4),
            "rejection.embedding": trial.suggest_categorical("space", ["pixels", "oracle"]),
            "rejection.warm_up_epochs": trial.suggest_int("warm_up_epochs", 0, 4, step=2),
            # The mode "resample" takes half as long again, and one training of four diverged.
            "rejection.mode": "mask",
            "spectral_decoupling.weight": trial.suggest_categorical("weight", [0.0, 0.003, 0.03]),
        }
    )


study = Study(
    name="quickstart",
    question="Which rejection and which spectral decoupling copy least at equal quality?",
    baseline=BASELINE,
    suggest=suggest,
    minimize="copying/deficit",  # in the worst of pixels and the oracle's features
    worst=1e6,
    # The distances of two trainings of the baseline differ by as much.
    subject_to=(Bound("quality/frechet_oracle", at_most=1.5, relative=True),),
    num_trials=5,
    repeats=3,
    candidates=1,
)
