"""*Do Generative Models Learn Rare Generative Factors?* (Frontiers in AI 2025).

Factors, oracles, M and the GAN's epochs and spectral decoupling are the paper's; layers, optimizers
and the epochs of the other models, which it does not give, are ours.
"""

from collections.abc import Sequence

from scipy import stats

from rgf_keras.config import (
    AssessConfig,
    DataConfig,
    DiffusionConfig,
    EvaluationConfig,
    GANConfig,
    OptimizerConfig,
    OracleConfig,
    SpectralDecouplingConfig,
    TrainingConfig,
    VAEConfig,
)
from rgf_keras.reports.paper_tables import PaperTable, paper_tables
from rgf_keras.reports.values import number
from rgf_keras.reproduce.reproduction import Reproduction
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
# Cases (10 digits and all together, 5 factors, k = 1 and 2) that the paper calls learned.
LEARNED = {"VAE": 21, "GAN": 9, "GAN-SD": 12, "DDPM": 1}
CASES = 110
# P_u and P_r of the rare "1" for its GAN and colour.
RARE_ONE = (0.35, 0.87)


def reproduction(table: str, scale: str) -> Reproduction:
    """A table at a scale."""
    contents, rare_classes = CONTENTS[table]
    runs = {
        _label(model, factor, rare, rare_classes): _config(model, factor, rare, scale)
        for rare in rare_classes
        for factor in FACTORS[scale]
        for model in MODELS[scale]
    }
    return Reproduction(
        name=f"reproduce-rgf-{table.replace('.', '')}-{scale}",
        question=f"Does table {table} come out as the paper prints it?",
        runs=runs,
        tables=lambda found: _tables(found, contents),
        agreement=agreement,
    )


def agreement(runs: Sequence[RunRecord]) -> list[str]:
    """How often each model has learned, here and in the paper, and the paper's example."""
    lines = []
    for model in LEARNED:
        own = [run for run in runs if run.label.split()[0] == model]
        verdicts = [row.verdict for run in own for row in run.table]
        if verdicts:
            learned, num = verdicts.count("learned"), len(verdicts)
            tables = [[learned, num - learned], [LEARNED[model], CASES - LEARNED[model]]]
            p = stats.fisher_exact(tables).pvalue
            lines.append(
                f"{model}: {learned} of {num} cases learned ({learned / num:.0%}); the paper, over "
                f"all factors and k: {LEARNED[model]} of {CASES} ({LEARNED[model] / CASES:.0%}); "
                f"{'agrees' if p > 0.05 else 'differs'} (Fisher's p = {p:.2g})"
            )
        if deviating := verdicts.count("deviates"):
            lines[-1] += f"; {deviating} deviate in the other direction"
    for run in runs:
        if run.label.split()[:2] == ["GAN", "colour"]:
            for row in run.table:
                if row.rare and row.name == "1":
                    lines.append(
                        f"GAN, colour, k = 1: P of the rare colour among '1' goes from "
                        f"{number(row.p_u, '.2f')} to {number(row.p_r, '.2f')}; the paper's from "
                        "{:.2f} to {:.2f}".format(*RARE_ONE)
                    )
    return lines


def _tables(runs: Sequence[RunRecord], contents: Sequence[str]) -> list[PaperTable]:
    """Tables of all runs; a value's share or count is of its own run's factor."""
    return [table for table in paper_tables(runs) if table.key in contents]


def _label(model: str, factor: str, rare_class: int, rare_classes: Sequence[int]) -> str:
    return f"{model} {factor}" + (f" k={rare_class}" if len(rare_classes) > 1 else "")


def _config(model: str, factor: str, rare_class: int, scale: str) -> AssessConfig:
    if scale == "paper":
        base = AssessConfig(
            data=DataConfig(name="mnist", factor=factor, rare_class=rare_class),
            training=TrainingConfig(epochs=200),
        )
    else:
        epochs = {"smoke": 4, "small": 16}[scale]
        base = AssessConfig(
            data=DataConfig(name="mnist-10k", factor=factor, rare_class=rare_class),
            model=GANConfig(dropout=0.3),
            training=TrainingConfig(epochs=epochs, optimizer=OptimizerConfig(learning_rate=3e-4)),
            oracle=OracleConfig(epochs={"smoke": 16, "small": 24}[scale]),
        )
    # The paper compares spectral decoupling with the plain GAN's P_u.
    base = base.model_copy(update={"evaluation": EvaluationConfig(reference="shared")})
    likelihood = {"optimizer": OptimizerConfig(learning_rate=1e-3, beta_1=0.9)}
    epochs = base.training.epochs
    changes: dict[str, dict[str, object]] = {
        "VAE": {
            "model": VAEConfig(),
            "training": base.training.model_copy(update=likelihood),
        },
        "GAN": {},
        "GAN-SD": {
            "spectral_decoupling": SpectralDecouplingConfig(weight=0.8, stop_epoch=epochs * 2 // 5)
        },
        "DDPM": {
            "model": DiffusionConfig(prediction="v", noise_schedule="cosine"),
            "training": base.training.model_copy(
                update={**likelihood, "epochs": 50, "ema_decay": 0.999}
            ),
        },
    }
    return base.model_copy(update=changes[model])
