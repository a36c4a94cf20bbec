"""*Training with Memorization Rejection* (arXiv 2210.12231): quality and copying over τ.

The paper's τ are multiples of d̄ = 0.15, the mean nearest-neighbour distance of CIFAR-10 in
Inception features; on digits they are the same multiples of d̄ in the oracle's features. What can be
compared is how quality and C_T change with τ, not their values.
"""

from collections.abc import Sequence

from scipy import stats

from rgf_keras.config import (
    AssessConfig,
    BigGANConfig,
    DataConfig,
    EvaluationConfig,
    GANConfig,
    OptimizerConfig,
    OracleConfig,
    SAGANConfig,
    TrainingConfig,
)
from rgf_keras.reports.paper_tables import PaperTable
from rgf_keras.reports.values import number
from rgf_keras.reproduce.reproduction import Reproduction
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
THRESHOLDS = {"smoke": (0.0, 0.15), "small": (0.0, 0.10, 0.13, 0.15, 0.16)}
Columns = tuple[int, int]
# What is compared: its name, the metric, and its columns in PAPER.
MEASURED: tuple[tuple[str, str, Columns], ...] = (
    ("C_T", "copying/c_t", (2, 3)),
    ("Fréchet distance", "quality/frechet_oracle", (0, 1)),
)
EPOCHS = {"smoke": 150, "small": 1500}  # of 100 digits, three steps each


def reproduction(table: str, scale: str) -> Reproduction:
    """The table at a scale."""
    models = ("SAGAN", "DiffAug") if scale == "paper" else ("GAN",)
    runs = {
        _label(model, tau): _config(model, tau, scale)
        for model in models
        for tau in (PAPER if scale == "paper" else THRESHOLDS[scale])
    }
    return Reproduction(
        name=f"reproduce-mr-{table}-{scale}",
        question="Do copies become fewer and distances to real images larger as τ grows?",
        runs=runs,
        tables=lambda found: [_table(found)],
        agreement=agreement,
        minimize="copying/deficit",
    )


def agreement(runs: Sequence[RunRecord]) -> list[str]:
    """Rank correlations with τ, here and in the paper, by model."""
    lines = []
    for model in dict.fromkeys(_model(run) for run in runs):
        own = [run for run in runs if _model(run) == model]
        if len(own) > 1:
            lines += [_trend(model, own, *which) for which in MEASURED]
    return lines


def _trend(model: str, runs: Sequence[RunRecord], name: str, metric: str, columns: Columns) -> str:
    taus = [_tau(run) for run in runs]
    own = stats.spearmanr(taus, [run.metrics[metric] for run in runs]).statistic
    theirs = [
        stats.spearmanr(taus, [PAPER[tau][column] for tau in taus]).statistic for column in columns
    ]
    agrees = all(own * other > 0 for other in theirs)
    return (
        f"{model}, {name} against τ: rank correlation {number(own, '.2f')}; the paper's SAGAN "
        f"{number(theirs[0], '.2f')}, BigGAN with DiffAugment {number(theirs[1], '.2f')}; "
        + ("the same direction" if agrees else "another direction")
    )


def _table(runs: Sequence[RunRecord]) -> PaperTable:
    rows = []
    for run in runs:
        m, paper = run.metrics, PAPER[_tau(run)]
        bounds = f"[{number(m['copying/c_t_low'], '.1f')}, {number(m['copying/c_t_high'], '.1f')}]"
        rows.append(
            [
                run.label,
                number(m["quality/frechet_oracle"], ".1f"),
                f"{number(m['copying/c_t'], '.1f')} {bounds}",
                number(m.get("generator/acceptance"), ".0%"),
                *(number(value, ".2f") for value in paper),
            ]
        )
    columns = ["τ over d̄", "Fréchet", "C_T", "accepted", "FID SAGAN", "FID DiffAug"]
    columns += ["C_T SAGAN", "C_T DiffAug"]
    note = (
        "Fréchet distances are in the oracle's features, C_T against held-out images of the same "
        "data. The last four columns are the paper's: Inception features, C_T against CIFAR-10.1."
    )
    return PaperTable("tau", "Quality and copying over τ (Figures 6, 8, 9)", columns, rows, note)


def _label(model: str, tau: float) -> str:
    return f"{model} {tau / MEAN_DISTANCE:.2f}"


def _model(run: RunRecord) -> str:
    return run.label.split()[0]


def _tau(run: RunRecord) -> float:
    """What the paper calls it."""
    return next(tau for tau in PAPER if _label(_model(run), tau) == run.label)


def _config(model: str, tau: float, scale: str) -> AssessConfig:
    base = _paper(model) if scale == "paper" else _small(scale)
    if tau == 0:
        return base
    threshold = (
        {"rejection.threshold": tau, "rejection.embedding": "inception_v3"}
        if scale == "paper"
        else {"rejection.threshold": "auto", "rejection.factor": tau / MEAN_DISTANCE}
    )
    return base.with_values(threshold)


def _small(scale: str) -> AssessConfig:
    """A GAN that sees so few digits for so long that it copies them."""
    return AssessConfig(
        data=DataConfig(name="mnist-10k", factor="colour", rarity=0.5, num_train=100),
        model=GANConfig(architecture="conv", width=32),
        training=TrainingConfig(
            epochs=EPOCHS[scale], batch_size=32, optimizer=OptimizerConfig(learning_rate=1e-3)
        ),
        oracle=OracleConfig(num_train=8000, epochs=16),  # which 100 digits could not train
        evaluation=EvaluationConfig(reference="shared"),
    )


def _paper(model: str) -> AssessConfig:
    """On CIFAR-10, with five discriminator turns per step: 156 steps an epoch."""
    training = TrainingConfig(epochs=641, player_turns={"discriminator": 5})  # 100,000 steps
    average = {"epochs": 1282, "ema_decay": 0.9999, "ema_start": 1000}
    return AssessConfig(
        data=DataConfig(name="cifar10", factor="none"),
        model=SAGANConfig(flip=True) if model == "SAGAN" else BigGANConfig(flip=True, augment=True),
        training=training if model == "SAGAN" else training.model_copy(update=average),
        # The oracle only names classes of samples here; on CIFAR-10 it is not as good as on digits.
        oracle=OracleConfig(epochs=50, min_accuracy=0.6),
        evaluation=EvaluationConfig(num_samples=10_000, reference="shared"),
    )
