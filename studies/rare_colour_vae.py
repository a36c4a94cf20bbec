"""Does anything keep a VAE from memorizing a rare colour?

Question: which of β, an outlier component, a robust (β-divergence) reconstruction and GECO
          memorizes least on digits whose "1" is always green and whose others are red, with a
          Fréchet distance at most 1.1 times the unmitigated model's?
Cost:     about 50 minutes on two CPU cores (JAX; from half as many trials): two oracles, fifteen
          balanced VAEs, 24 trials, and the best and the baseline with six fresh seeds.
Command:  rgf study run studies/rare_colour_vae.py --backend jax --workers 2
"""

import optuna

from rgf_keras.experiments import (
    AssessConfig,
    DataConfig,
    EvaluationConfig,
    OptimizerConfig,
    OracleConfig,
    Study,
    TrainingConfig,
    VAEConfig,
)

BASELINE = AssessConfig(
    data=DataConfig(name="mnist-10k", factor="colour", rare_class=1),
    model=VAEConfig(),
    training=TrainingConfig(epochs=25, optimizer=OptimizerConfig(learning_rate=1e-3)),
    oracle=OracleConfig(epochs=16),
    evaluation=EvaluationConfig(num_samples=1000, reference="shared"),
)


def suggest(trial: optuna.Trial) -> AssessConfig:
    mitigation = trial.suggest_categorical("mitigation", ["beta", "outlier", "robust", "geco"])
    if mitigation == "beta":
        beta = trial.suggest_categorical("beta", [0.25, 0.5, 2.0, 4.0])
        return BASELINE.with_values({"model.beta": beta})
    if mitigation == "outlier":
        weight = trial.suggest_float("outlier_weight", 1e-6, 0.1, log=True)
        return BASELINE.with_values({"model.outlier_weight": weight})
    if mitigation == "robust":
        divergence = trial.suggest_float("beta_divergence", 1e-4, 1e-2, log=True)
        return BASELINE.with_values({"model.beta_divergence": divergence})
    tolerance = trial.suggest_float("tolerance", 0.05, 0.2, log=True)
    return BASELINE.with_values({"model.geco_tolerance": tolerance})


study = Study(
    name="rare_colour_vae",
    question="Does anything keep a VAE from memorizing a rare colour at equal quality?",
    baseline=BASELINE,
    suggest=suggest,
    num_trials=24,
    repeats=6,
    candidates=1,
)
