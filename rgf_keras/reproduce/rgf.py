"""*Do Generative Models Learn Rare Generative Factors?* (Frontiers in AI 2025).

Factors, oracles, M and the GAN's epochs and spectral decoupling are the paper's; layers, optimizers
and the epochs of the other models, which it does not give, are ours.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import scipy

from rgf_keras.config import AssessConfig, published
from rgf_keras.figures import images
from rgf_keras.metrics.verdicts import MIN_REFERENCES
from rgf_keras.reports.paper_tables import PaperTable, paper_tables, paper_verdicts
from rgf_keras.reports.values import number
from rgf_keras.reproduce.reproduction import Reproduction, model_name
from rgf_keras.tracking.records import RunRecord

VERDICTS = ("verdicts_paper", "differences", "verdicts")
Z = ("z_paper", "z_equation_1", *VERDICTS)
# Which tables of an assessment a table of the paper is, and for which rare classes.
CONTENTS = {
    "1": (Z, (1,)),
    "2": (Z, (2,)),
    "4": (VERDICTS, (1, 2)),
    "3": (("counts", *Z), (0,)),
    "B.1": (("oracles",), (1,)),
    "B.2": (("oracles",), (0,)),
    "C.3": (("p_u",), (1,)),
    "C.4": (("p_u",), (2,)),
    "D": (("p_r",), (1, 2)),
    "lambda": (("lambda", "z_paper"), (1,)),
    "E": (("counts", "z_paper"), (1,)),
    "F": (("z_paper", *VERDICTS), (1,)),
}
COUNTED = ("1", "2", "4", "F")  # where the paper's numbers of learned cases are about the same
TABLES = tuple(CONTENTS)
FIGURES = ("2", "3", "D.2")
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
# The paper does not print the λ, ρ and seeds of its appendices.
LAMBDAS = {"smoke": (0.8,), "small": (0.01, 0.1, 0.8), "paper": (0.01, 0.1, 0.8, 5.0)}
RARITIES = {"smoke": (1.0, 0.8), "small": (1.0, 0.9, 0.7), "paper": (1.0, 0.95, 0.9, 0.8, 0.7)}
SEEDS = {"smoke": (0, 1), "small": (0, 1, 2), "paper": (0, 1, 2)}
TRAININGS = {"smoke": 1, "small": 3, "paper": 1}
BUNDLED = {"data.name": "mnist-10k", "model.dropout": 0.3, "training.optimizer.learning_rate": 3e-4}
SETTINGS: dict[str, dict[str, Any]] = {
    "smoke": {**BUNDLED, "training.epochs": 4, "oracle.epochs": 16},
    "small": {**BUNDLED, "training.epochs": 16, "oracle.epochs": 24},
}
LIKELIHOOD = {"training.optimizer.learning_rate": 1e-3, "training.optimizer.beta_1": 0.9}
# 1,448 cars: so many passes are one of 60,000 digits.
CARS = {"data.name": "compcars", "data.per_class": None, "training.passes_per_epoch": 40}
# Cases (10 digits and all together, 5 factors, k = 1 and 2) that the paper calls learned.
LEARNED = {"VAE": 21, "GAN": 9, "GAN-SD": 12, "DDPM": 1}
CASES = 110
# P_u and P_r of the rare "1" for its GAN and colour.
RARE_ONE = (0.35, 0.87)
NAMES = {"VAE": "rgf-vae", "GAN": "rgf-gan", "GAN-SD": "rgf-gan-sd", "DDPM": "rgf-ddpm"}


def reproduction(item: str, scale: str, trainings: int | None = None) -> Reproduction:
    """A table, or a figure (``"figure 3"``), at a scale.

    Args:
        item: of ``TABLES``, or ``"figure "`` and one of ``FIGURES``.
        scale: one of ``SCALES``.
        trainings: of each model, with seeds of their own; the scale's if None.
    """
    trainings = TRAININGS[scale] if trainings is None else trainings
    kind, _, figure = item.rpartition(" ")
    name = f"figure-{figure}" if kind else f"table-{item}"
    more = f"-x{trainings}" if trainings > 1 else ""
    return Reproduction(
        name=f"reproduce-rgf-{name.replace('.', '')}-{scale}{more}",
        question=f"Does {kind or 'table'} {figure} come out as the paper prints it?",
        runs={label: _compared(config, trainings) for label, config in _runs(item, scale).items()},
        tables=lambda runs: [] if kind else _tables(item, runs),
        agreement=agreement if item in COUNTED else lambda runs: [],
        figures=lambda runs, folder: PLOTS[figure](runs, folder) if kind and runs else [],
    )


def _runs(item: str, scale: str) -> dict[str, AssessConfig]:
    """Configurations by label."""
    models, factors = MODELS[scale], FACTORS[scale]
    if item in ("3", "B.2"):
        models = models if item == "3" else models[:1]
        return {f"{model} cars": _config(model, "colour", 0, scale, CARS) for model in models}
    if item == "lambda":
        plain = {"GAN colour": _config("GAN", "colour", 1, scale)}
        changed = ({"spectral_decoupling.weight": weight} for weight in LAMBDAS[scale])
        return plain | {
            f"GAN-SD colour λ={weight}": _config("GAN-SD", "colour", 1, scale, change)
            for weight, change in zip(LAMBDAS[scale], changed, strict=True)
        }
    if item in ("E", "F"):
        key, sign, grid = {
            "E": ("data.rarity", "ρ", RARITIES[scale]),
            "F": ("seed", "seed ", SEEDS[scale]),
        }[item]
        equals = "=" if sign == "ρ" else ""
        return {
            f"{model} colour {sign}{equals}{value}": _config(
                model, "colour", 1, scale, {key: value}
            )
            for model in ("VAE", "GAN")
            for value in grid
        }
    if item == "figure 3":
        models, factors = ("GAN", "GAN-SD"), ("colour",)
    elif item in ("B.1", "figure D.2"):  # of which all models have the same
        models = models[:1]
    elif item in ("C.3", "C.4"):  # of the balanced models, the plain GAN's is that of both
        models = tuple(model for model in models if model != "GAN-SD")
    _, rare_classes = CONTENTS.get(item, ((), (1,)))
    return {
        f"{model} {factor}" + (f" k={rare}" if len(rare_classes) > 1 else ""): _config(
            model, factor, rare, scale
        )
        for rare in rare_classes
        for factor in factors
        for model in models
    }


def _tables(item: str, runs: Sequence[RunRecord]) -> list[PaperTable]:
    contents = CONTENTS[item][0]
    tables = [*([_sweep(runs)] if item == "lambda" and runs else []), *paper_tables(runs)]
    return sorted(
        (each for each in tables if each.key in contents), key=lambda x: contents.index(x.key)
    )


def _sweep(runs: Sequence[RunRecord]) -> PaperTable:
    """What spectral decoupling changes, by λ."""
    keys = ("rgf/gap", "quality/frechet_oracle", "rgf/class_coverage")
    rows = [
        [
            run.label,
            " of ".join(map(str, count_learned([paper_verdicts(run.table)]))),
            *(number(run.metrics.get(key), spec) for key, spec in zip(keys, SPECS, strict=True)),
        ]
        for run in runs
    ]
    columns = ["run", "learned", "gap", "Fréchet distance", "classes drawn"]
    note = "Learned by the paper's test. λ is of the mean form, see SpectralDecoupling."
    return PaperTable("lambda", "Spectral decoupling over λ", columns, rows, note)


SPECS = (".2f", ".1f", ".0%")


def count_learned(verdicts: Sequence[Sequence[str]]) -> tuple[int, int]:
    """Learned cases, and all that have enough samples to say so."""
    words = [word for own in verdicts for word in own]
    num_learned, num_others = (
        sum(word in kinds for word in words) for kinds in (("learned",), ("memorized", "deviates"))
    )
    return num_learned, num_learned + num_others


def agreement(runs: Sequence[RunRecord]) -> list[str]:
    """How often each model has learned, here and in the paper, and the paper's example."""
    lines = []
    for model in LEARNED:
        tables = [run.table for run in runs if model_name(run) == model and run.table]
        if tables:
            lines.append(_learned(model, [paper_verdicts(table) for table in tables]))
            if any(row.trainings_r for table in tables for row in table):
                own = [[row.verdict for row in table] for table in tables]
                lines.append(_over_trainings(model, own))
    return lines + [
        f"GAN, colour, k = 1: P of the rare colour among '1' goes from {number(row.p_u, '.2f')} to "
        f"{number(row.p_r, '.2f')}; the paper's from {RARE_ONE[0]:.2f} to {RARE_ONE[1]:.2f}"
        for run in runs
        if run.label.split()[:2] == ["GAN", "colour"]
        for row in run.table
        if row.rare and row.name == "1"
    ]


def _learned(model: str, verdicts: Sequence[Sequence[str]]) -> str:
    (learned, num), theirs = count_learned(verdicts), LEARNED[model]
    if num == 0:
        return f"{model}: no case has enough samples"
    words = [word for own in verdicts for word in own]
    p = scipy.stats.fisher_exact([[learned, num - learned], [theirs, CASES - theirs]]).pvalue
    deviating, few = words.count("deviates"), len(words) - num
    return (
        f"{model}: {learned} of {num} cases learned ({learned / num:.0%}); the paper, over "
        f"all factors and k: {theirs} of {CASES} ({theirs / CASES:.0%}); "
        f"{'agrees' if p > 0.05 else 'differs'} (Fisher's p = {p:.2g})"
        + (f"; {deviating} deviate in the other direction" if deviating else "")
        + (f"; {few} more have too few samples" if few else "")
    )


def _over_trainings(model: str, verdicts: Sequence[Sequence[str]]) -> str:
    learned, num = count_learned(verdicts)
    return f"{model}, compared over trainings: {learned} of {num} cases show no difference"


def _pictures(name: str, file: str, runs: Sequence[RunRecord], folder: Path) -> list[Path]:
    """A file of each run, side by side; nothing if no run has it."""
    found = {run.label: run.file(file) for run in runs}
    titled = {label: content for label, content in found.items() if content}
    return [images.join(folder / name, titled)] if titled else []


def _plot_real_loss(runs: Sequence[RunRecord], folder: Path) -> list[Path]:
    """The discriminators' losses of D_u, D_r and D_r with spectral decoupling."""
    curves = {"balanced": runs[0].curves["balanced"]}
    curves |= {f"skewed, {model_name(run)}": run.curves["skewed"] for run in runs}
    return [images.real_loss(folder / "figure-3.png", curves)]


PLOTS: dict[str, Callable[[Sequence[RunRecord], Path], list[Path]]] = {
    "2": partial(_pictures, "figure-2.png", "samples-skewed.png"),
    "3": _plot_real_loss,
    "D.2": partial(_pictures, "figure-D2.png", "examples-skewed.png"),
}


def deviations(scale: str) -> list[str]:
    """What differs from the paper, a sentence each."""
    ours = [
        "Layers, optimizers, the epochs of the VAE and of the diffusion model, ρ, λ and seeds of "
        "the appendices are ours: the paper does not give them.",
        "Its z takes the trainings as they are; beside it are verdicts over trainings, which know "
        "how much they scatter.",
    ]
    if scale == "paper":
        return ours
    return [
        f"At this scale there are 8,000 of 60,000 digits, {SETTINGS[scale]['training.epochs']} of "
        f"200 epochs, a discriminator with dropout, no diffusion model, and of the five factors "
        f"{' and '.join(FACTORS[scale])} alone.",
        *ours,
    ]


def _compared(config: AssessConfig, trainings: int) -> AssessConfig:
    """One training with one, by the paper's test, or several with as many."""
    if trainings == 1:
        return config.with_values({"evaluation.test": "sample"})
    numbers = {"num_trainings": trainings, "num_references": max(trainings, MIN_REFERENCES)}
    several = {"test": "trainings", **numbers}
    return config.with_values({f"evaluation.{key}": value for key, value in several.items()})


def _config(
    model: str, factor: str, rare_class: int, scale: str, changes: dict[str, Any] | None = None
) -> AssessConfig:
    data = {"data.factor": factor, "data.rare_class": rare_class}
    changes = {**data, **(changes or {})}
    if changes.get("data.name") == "compcars":
        changes["oracle.class_epochs"] = 100
    if scale == "paper":
        return published.find(f"paper/{NAMES[model]}", AssessConfig).with_values(changes)
    base = AssessConfig().with_values(SETTINGS[scale])
    shared = {"evaluation.reference": "shared"}  # the plain GAN's P_u
    stop_epoch = base.training.epochs * 2 // 5
    own: dict[str, dict[str, Any]] = {
        "VAE": {"model.family": "vae", **LIKELIHOOD},
        "GAN": {},
        "GAN-SD": {"spectral_decoupling": {"weight": 0.8, "stop_epoch": stop_epoch}, **shared},
    }
    return base.with_values(own[model]).with_values(changes)
