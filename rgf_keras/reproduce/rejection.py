"""*Training with Memorization Rejection* (arXiv 2210.12231): quality and copying over τ.

The paper's τ are multiples of d̄ = 0.15, the mean nearest-neighbour distance of CIFAR-10 in
Inception features; on digits they are the same multiples of d̄ in the oracle's features. What can be
compared is how quality and C_T change with τ, not their values.
"""

from collections.abc import Sequence
from typing import Any

import scipy

from rgf_keras.config import AssessConfig, parse, published
from rgf_keras.experiments.studies.ranking import FAR_OUTSIDE
from rgf_keras.reports.paper_tables import PaperTable
from rgf_keras.reports.values import number
from rgf_keras.reproduce.reproduction import Reproduction, model_name
from rgf_keras.tracking.records import RunRecord

TABLES = ("tau",)
FIGURES = ()
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
FID_BIGGAN = dict(zip(PAPER, (6.35, 6.54, 6.87, 6.91, 7.55, 8.22, 8.91), strict=True))
THRESHOLDS = {"smoke": (0.0, 0.15), "small": (0.0, 0.10, 0.13, 0.15, 0.16), "paper": tuple(PAPER)}
REPEATS = {"smoke": 1, "small": 1, "paper": 4}
QUALITY, COPYING = "quality/frechet_{space}", "copying/c_t"
# What is compared: its name, the metric, and its columns in PAPER.
COMPARED = (("C_T", COPYING, (2, 3)), ("Fréchet distance", QUALITY, (0, 1)))
# A GAN that sees 100 digits, three steps each, for so long that it copies them.
DIGITS: dict[str, Any] = {
    "data": {"name": "mnist-10k", "factor": "colour", "rarity": 0.5, "num_train": 100},
    "model": {"family": "gan", "architecture": "conv", "width": 32},
    "oracle": {"num_train": 8000, "epochs": 16},  # which 100 digits could not train
    # one training of each
    "evaluation": {"reference": "shared", "test": "two_sample"},
}
TRAINING: dict[str, Any] = {"batch_size": 32, "optimizer": {"learning_rate": 1e-3}}
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "smoke": {"GAN": {**DIGITS, "training": {**TRAINING, "epochs": 150}}},
    "small": {"GAN": {**DIGITS, "training": {**TRAINING, "epochs": 1500}}},
}
NAMES = {"SAGAN": "sagan", "BigGAN": "biggan", "DiffAug": "biggan-diffaug"}


def reproduction(item: str, scale: str, trainings: int | None = None) -> Reproduction:
    """A table, or a figure (``"figure 6"``), at a scale.

    Args:
        item: of ``TABLES``, or ``"figure "`` and one of ``FIGURES``.
        scale: one of ``SCALES``.
        trainings: with each τ, of seeds of their own; the scale's if None.
    """
    repeats = REPEATS[scale] if trainings is None else trainings
    kind, _, name = item.rpartition(" ")
    more = f"-x{repeats}" if repeats > 1 else ""
    return Reproduction(
        name=f"reproduce-mr-{kind or 'table'}-{name}-{scale}{more}",
        question="Do copies become fewer and distances to real images larger as τ grows?",
        runs={
            _label(model, tau) + (f" seed {seed}" if seed else ""): config
            for model, settings in _models(scale).items()
            for tau in THRESHOLDS[scale]
            for seed in range(repeats)
            for config in [_config(settings, tau, seed)]
        },
        tables=lambda runs: [] if kind else [_table(runs)],
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


def deviations(scale: str) -> list[str]:
    """What differs from the paper, a sentence each."""
    if scale == "paper":
        return [
            "The Fréchet distance is that to held-out images, of the last weights; the paper's is "
            "that to the training set, of the weights with the best one.",
        ]
    return [
        "At this scale a small GAN copies 100 digits; τ are the paper's multiples of d̄, in an "
        "oracle's features instead of Inception's: what compares is how things change with τ.",
    ]


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
        "Fréchet distances are in the features of the run's embedding, C_T against held-out images "
        "of the same data, with intervals of one training's samples. The last four columns are the "
        "paper's: Inception features, C_T against CIFAR-10.1."
    )
    return PaperTable("tau", "Quality and copying over τ (Figures 6, 8, 9)", columns, rows, note)


def _key(run: RunRecord, metric: str) -> str:
    """A metric's name in the embedding of a run."""
    return metric.format(space=run.params.get("evaluation.embedding", "oracle"))


def _label(model: str, tau: float) -> str:
    return f"{model} {tau / MEAN_DISTANCE:.2f}"


def _tau(run: RunRecord) -> float:
    """The paper's τ of a run."""
    ratio = float(run.label.split()[1])
    return min(PAPER, key=lambda tau: abs(tau / MEAN_DISTANCE - ratio))


def _models(scale: str) -> dict[str, AssessConfig]:
    """What is trained without rejection, by the model's name."""
    if scale == "paper":
        return {
            model: published.find(f"paper/{name}", AssessConfig) for model, name in NAMES.items()
        }
    return {model: parse(tree, AssessConfig) for model, tree in SETTINGS[scale].items()}


def _config(base: AssessConfig, tau: float, seed: int) -> AssessConfig:
    changes: dict[str, Any] = {"evaluation.first_training": seed}
    if tau and base.data.name == "cifar10":
        changes["rejection.threshold"] = tau
    elif tau:
        changes |= {"rejection.threshold": "auto", "rejection.factor": tau / MEAN_DISTANCE}
    return base.with_values(changes)
