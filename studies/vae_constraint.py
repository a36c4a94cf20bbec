"""How much reconstruction should a VAE give up? A large β, or GECO, against a rare colour.

Question: which β, or which tolerance of the reconstruction (GECO), memorizes least, with a Fréchet
          distance at most 1.1 times the plain VAE's (β = 1)?
Cost:     16 trials of a dense VAE on 8,000 digits, and three balanced models of each: about two
          hours on two CPU cores (TensorFlow; estimated from steps).
Command:  rgf study run studies/vae_constraint.py
"""

import optuna

from rgf_keras.experiments import (
    AssessConfig,
    DataConfig,
    OptimizerConfig,
    OracleConfig,
    Study,
    TrainingConfig,
    VAEConfig,
)

BASELINE = AssessConfig(
    data=DataConfig(name="mnist-10k", factor="colour", rare_class=1),
    model=VAEConfig(architecture="mlp"),
    training=TrainingConfig(epochs=25, optimizer=OptimizerConfig(learning_rate=1e-3, beta_1=0.9)),
    oracle=OracleConfig(epochs=16),
)


def suggest(trial: optuna.Trial) -> AssessConfig:
    if trial.suggest_categorical("constraint", ["beta", "geco"]) == "beta":
        return BASELINE.with_values({"model.beta": trial.suggest_float("beta", 1, 32, log=True)})
    tolerance = trial.suggest_float("tolerance", 0.02, 0.3, log=True)  # nats per value
    return BASELINE.with_values({"model.geco_tolerance": tolerance})


study = Study(
    name="vae_constraint",
    question="Does a VAE that reconstructs less memorize a rare colour less at equal quality?",
    baseline=BASELINE,
    suggest=suggest,
    num_trials=16,
)
