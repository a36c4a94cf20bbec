"""A study on a formula: the gap falls with λ, quality breaks beyond λ = 0.5."""

from dataclasses import replace

import optuna

from rgf_keras.config import EvaluationConfig
from rgf_keras.experiments import AssessConfig, Assessment, Study

BASELINE = AssessConfig(evaluation=EvaluationConfig(reference="shared"))


def suggest(trial):
    weight = trial.suggest_float("weight", 0.0, 1.0)
    return BASELINE.with_values({"spectral_decoupling.weight": weight})


def assessment(config):
    weight = config.spectral_decoupling.weight
    metrics = {
        "rgf/gap": 0.5 - weight / 4,
        "rgf/class_coverage": 1.0,
        "quality/frechet_oracle": 10.0 + 2 * weight,
        "quality/frechet_oracle_low": 9.0,
        "quality/frechet_oracle_high": 12.0 + 2 * weight,
    }
    return Assessment([], metrics, {})


STUDY = Study("toy", "Does the toy work?", BASELINE, suggest, num_trials=6, repeats=0)

# What it suggests to a trial depends on the trial's number alone.
RANDOM = replace(STUDY, sampler=lambda seed: optuna.samplers.RandomSampler(seed))
