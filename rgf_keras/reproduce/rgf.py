"""*Do Generative Models Learn Rare Generative Factors?* (Frontiers in AI 2025).

Factors, oracles, M and the GAN's epochs and spectral decoupling are the paper's; layers, optimizers
and the epochs of the other models, which it does not give, are ours.
"""

from collections.abc import Sequence
from typing import Any

import scipy

from rgf_keras.config import AssessConfig
from rgf_keras.reports.paper_tables import paper_tables
from rgf_keras.reports.values import number
from rgf_keras.reproduce.reproduction import Reproduction, model_name
from rgf_keras.tracking.records import RunRecord

# Which tables of an assessment a table of the paper is, and for which rare classes.
CONTENTS = {
    "1": (("z", "z_paper", "verdicts"), (1,)),
    "2": (("z", "z_paper", "verdicts"), (2,)),
    "4": (("verdicts",), (1, 2)),
    "B.1": (("oracles",), (1,)),
    "C.3": (("p_u",), (1,)),
    "C.4": (("p_r",), (1,)),
}
TABLES = tuple(CONTENTS)
MODELS = {
    "smoke": ("VAE", "GAN"),
    "small": ("VAE", "GAN", "GAN-SD"),
    "paper": ("VAE", "GAN", "GAN-SD", "DDPM"),
}
FACTORS = {
    "smoke": ("colour",),
    "small": ("colour", "thickening"),
    "paper": ("colour", "fracture", "thinning", "thickening", "swelling"),
}
BUNDLED = {"data.name": "mnist-10k", "model.dropout": 0.3, "training.optimizer.learning_rate": 3e-4}
SETTINGS: dict[str, dict[str, Any]] = {
    "smoke": {**BUNDLED, "training.epochs": 4, "oracle.epochs": 16},
    "small": {**BUNDLED, "training.epochs": 16, "oracle.epochs": 24},
    "paper": {"data.name": "mnist", "training.epochs": 200},
}
LIKELIHOOD = {"training.optimizer.learning_rate": 1e-3, "training.optimizer.beta_1": 0.9}
# Cases (10 digits and all together, 5 factors, k = 1 and 2) that the paper calls learned.
LEARNED = {"VAE": 21, "GAN": 9, "GAN-SD": 12, "DDPM": 1}
CASES = 110
# P_u and P_r of the rare "1" for its GAN and colour.
RARE_ONE = (0.35, 0.87)


def reproduction(table: str, scale: str) -> Reproduction:
    """A table at a scale."""
    contents, rare_classes = CONTENTS[table]
    runs = {
        f"{model} {factor}" + (f" k={rare}" if len(rare_classes) > 1 else ""): _config(
            model, factor, rare, scale
        )
        for rare in rare_classes
        for factor in FACTORS[scale]
        for model in MODELS[scale]
    }
    return Reproduction(
        name=f"reproduce-rgf-{table.replace('.', '')}-{scale}",
        question=f"Does table {table} come out as the paper prints it?",
        runs=runs,
        tables=lambda runs: [each for each in paper_tables(runs) if each.key in contents],
        agreement=agreement,
    )


def agreement(runs: Sequence[RunRecord]) -> list[str]:
    """How often each model has learned, here and in the paper, and the paper's example."""
    lines = []
    for model in LEARNED:
        tables = [run.table for run in runs if model_name(run) == model]
        if tables:
            lines.append(_learned(model, [row.verdict for table in tables for row in table]))
    return lines + [
        f"GAN, colour, k = 1: P of the rare colour among '1' goes from {number(row.p_u, '.2f')} to "
        f"{number(row.p_r, '.2f')}; the paper's from {RARE_ONE[0]:.2f} to {RARE_ONE[1]:.2f}"
        for run in runs
        if run.label.split()[:2] == ["GAN", "colour"]
        for row in run.table
        if row.rare and row.name == "1"
    ]


def _learned(model: str, verdicts: Sequence[str]) -> str:
    learned, num, theirs = verdicts.count("learned"), len(verdicts), LEARNED[model]
    p = scipy.stats.fisher_exact([[learned, num - learned], [theirs, CASES - theirs]]).pvalue
    deviating = verdicts.count("deviates")
    return (
        f"{model}: {learned} of {num} cases learned ({learned / num:.0%}); the paper, over all "
        f"factors and k: {theirs} of {CASES} ({theirs / CASES:.0%}); "
        f"{'agrees' if p > 0.05 else 'differs'} (Fisher's p = {p:.2g})"
        + (f"; {deviating} deviate in the other direction" if deviating else "")
    )


def _config(model: str, factor: str, rare_class: int, scale: str) -> AssessConfig:
    data = {"data.factor": factor, "data.rare_class": rare_class}
    # The paper compares one training with one, and spectral decoupling with the plain GAN's P_u.
    compared = {"evaluation.reference": "shared", "evaluation.test": "two_sample"}
    base = AssessConfig().with_values({**data, **SETTINGS[scale], **compared})
    stop_epoch = base.training.epochs * 2 // 5
    changes: dict[str, dict[str, Any]] = {
        "VAE": {"model.family": "vae", **LIKELIHOOD},
        "GAN": {},
        "GAN-SD": {"spectral_decoupling": {"weight": 0.8, "stop_epoch": stop_epoch}},
        "DDPM": {
            "model": {"family": "diffusion", "prediction": "v", "noise_schedule": "cosine"},
            **LIKELIHOOD,
            "training.epochs": 50,
            "training.ema_decay": 0.999,
        },
    }
    return base.with_values(changes[model])
