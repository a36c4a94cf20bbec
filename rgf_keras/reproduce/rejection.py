"""*Training with Memorization Rejection* (arXiv 2210.12231): quality and copying over τ.

The paper's τ are multiples of d̄ = 0.15, the mean nearest-neighbour distance of CIFAR-10 in
Inception features; on digits they are the same multiples of d̄ in the oracle's features. What can be
compared is how quality and C_T change with τ, not their values.
"""

from collections.abc import Sequence
from typing import Any

import scipy

from rgf_keras.config import AssessConfig, parse
from rgf_keras.experiments.studies.ranking import FAR_OUTSIDE
from rgf_keras.reports.paper_tables import PaperTable
from rgf_keras.reports.values import number
from rgf_keras.reproduce.reproduction import Reproduction, model_name
from rgf_keras.tracking.records import RunRecord

TABLES = ("tau",)
MEAN_DISTANCE = 0.15
# By τ: FID of SAGAN and of BigGAN with DiffAugment, mean C_T against CIFAR-10.1 of the same.
PAPER = {
    0.0: (12.41, 5.08, 0.05, -0.70),
    0.10: (12.82, 5.10, 0.02, -0.70),
    0.12: (13.30, 5.30, -0.02, -0.54),
    0.13: (13.36, 5.34, 0.24, -0.53),
    0.14: (13.97, 5.54, 0.27, -0.46),
    0.15: (15.41, 5.76, 0.46, -0.37),
    0.16: (15.87, 6.14, 0.49, -0.27),
}
THRESHOLDS = {"smoke": (0.0, 0.15), "small": (0.0, 0.10, 0.13, 0.15, 0.16), "paper": tuple(PAPER)}
QUALITY, COPYING = "quality/frechet_{space}", "copying/c_t"
# What is compared: its name, the metric, and its columns in PAPER.
COMPARED = (("C_T", COPYING, (2, 3)), ("Fréchet distance", QUALITY, (0, 1)))
# A GAN that sees 100 digits, three steps each, for so long that it copies them.
DIGITS: dict[str, Any] = {
    "data": {"name": "mnist-10k", "factor": "colour", "rarity": 0.5, "num_train": 100},
    "model": {"family": "gan", "architecture": "conv", "width": 32},
    "oracle": {"num_train": 8000, "epochs": 16},  # which 100 digits could not train
}
# On CIFAR-10, with five discriminator turns per step: 156 steps an epoch. The oracle only names
# classes of samples here; it is not as good as on digits.
CIFAR: dict[str, Any] = {
    "data": {"name": "cifar10", "factor": "none"},
    "oracle": {"epochs": 50, "min_accuracy": 0.6},
    "evaluation": {"num_samples": 10_000},
}
TRAINING: dict[str, Any] = {"batch_size": 32, "optimizer": {"learning_rate": 1e-3}}
TURNS: dict[str, Any] = {"player_turns": {"discriminator": 5}}
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "smoke": {"GAN": {**DIGITS, "training": {**TRAINING, "epochs": 150}}},
    "small": {"GAN": {**DIGITS, "training": {**TRAINING, "epochs": 1500}}},
    "paper": {
        "SAGAN": {
            **CIFAR,
            "model": {"family": "sagan", "flip": True},
            "training": {**TURNS, "epochs": 641},  # 100,000 steps
        },
        "DiffAug": {
            **CIFAR,
            "model": {"family": "biggan", "flip": True, "augment": True},
            "training": {**TURNS, "epochs": 1282, "ema_decay": 0.9999, "ema_start": 1000},
        },
    },
}


def reproduction(table: str, scale: str) -> Reproduction:
    """The table at a scale."""
    return Reproduction(
        name=f"reproduce-mr-{table}-{scale}",
        question="Do copies become fewer and distances to real images larger as τ grows?",
        runs={
            _label(model, tau): _config(scale, model, tau)
            for model in SETTINGS[scale]
            for tau in THRESHOLDS[scale]
        },
        tables=lambda runs: [_table(runs)],
        agreement=agreement,
        minimize="copying/deficit",
        study_options={"worst": FAR_OUTSIDE},
    )


def agreement(runs: Sequence[RunRecord]) -> list[str]:
    """Rank correlations with τ, here and in the paper, by model."""
    lines = []
    for model in dict.fromkeys(map(model_name, runs)):
        own = [run for run in runs if model_name(run) == model]
        if len(own) > 1:
            lines += [_trend(model, own, *which) for which in COMPARED]
    return lines


def _trend(
    model: str, runs: Sequence[RunRecord], name: str, metric: str, columns: tuple[int, int]
) -> str:
    taus = [_tau(run) for run in runs]
    values = [[run.metrics[_key(run, metric)] for run in runs]]
    values += [[PAPER[tau][column] for tau in taus] for column in columns]
    own, *theirs = (scipy.stats.spearmanr(taus, each).statistic for each in values)
    agrees = all(own * other > 0 for other in theirs)
    return (
        f"{model}, {name} against τ: rank correlation {number(own, '.2f')}; the paper's SAGAN "
        f"{number(theirs[0], '.2f')}, BigGAN with DiffAugment {number(theirs[1], '.2f')}; "
        f"{'the same' if agrees else 'another'} direction"
    )


def _table(runs: Sequence[RunRecord]) -> PaperTable:
    rows = []
    for run in runs:
        m = run.metrics
        c_t, low, high = (number(m[f"{COPYING}{end}"], ".1f") for end in ("", "_low", "_high"))
        own = [number(m[_key(run, QUALITY)], ".1f"), f"{c_t} [{low}, {high}]"]
        own.append(number(m.get("generator/acceptance"), ".0%"))
        rows.append([run.label, *own, *(number(value, ".2f") for value in PAPER[_tau(run)])])
    columns = ["τ over d̄", "Fréchet", "C_T", "accepted", "FID SAGAN", "FID DiffAug"]
    columns += ["C_T SAGAN", "C_T DiffAug"]
    note = (
        "Fréchet distances are in the oracle's features, C_T against held-out images of the same "
        "data. The last four columns are the paper's: Inception features, C_T against CIFAR-10.1."
    )
    return PaperTable("tau", "Quality and copying over τ (Figures 6, 8, 9)", columns, rows, note)


def _key(run: RunRecord, metric: str) -> str:
    """A metric's name in the embedding of a run."""
    return metric.format(space=run.params.get("evaluation.embedding", "oracle"))


def _label(model: str, tau: float) -> str:
    return f"{model} {tau / MEAN_DISTANCE:.2f}"


def _tau(run: RunRecord) -> float:
    """The paper's τ of a run."""
    return next(tau for tau in PAPER if _label(model_name(run), tau) == run.label)


def _config(scale: str, model: str, tau: float) -> AssessConfig:
    base = parse(SETTINGS[scale][model], AssessConfig)
    base = base.with_values(
        {"evaluation.reference": "shared", "evaluation.test": "two_sample"}  # one training of each
    )
    if tau == 0:
        return base
    threshold: dict[str, Any] = (
        {"rejection.threshold": tau, "rejection.embedding": "inception_v3"}
        if scale == "paper"
        else {"rejection.threshold": "auto", "rejection.factor": tau / MEAN_DISTANCE}
    )
    return base.with_values(threshold)
