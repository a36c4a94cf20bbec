"""*On Memorization in Probabilistic Deep Generative Models* (NeurIPS 2021): how large M becomes."""

from collections.abc import Sequence

from scipy import stats

from rgf_keras.config import ImagesConfig, OptimizerConfig, ScoreConfig, TrainingConfig, VAEConfig
from rgf_keras.experiments.scores.score import evaluate
from rgf_keras.reports.paper_tables import PaperTable
from rgf_keras.reports.values import number
from rgf_keras.reproduce.reproduction import Reproduction
from rgf_keras.tracking.records import RunRecord

TABLES = ("headlines",)
# Smallest, median and largest M in nats, with L = K = 10.
PAPER = {
    "MNIST lr 1e-3": (-18.0, 4.4, 205.0),
    "MNIST lr 1e-4": (-13.0, 3.5, 80.0),
    "CIFAR-10": (-180.0, 97.0, 900.0),
    "CelebA": (-450.0, 60.0, 6500.0),
}
METRICS = ("memorization/min", "memorization/median", "memorization/max")
MNIST = tuple(PAPER)[:2]


def reproduction(table: str, scale: str) -> Reproduction:
    """The table at a scale."""
    names = PAPER if scale == "paper" else MNIST
    return Reproduction(
        name=f"reproduce-score-{table}-{scale}",
        question="How much is memorized of the images of which most, typically and least is?",
        runs={name: _config(name, scale) for name in names},
        tables=lambda runs: [_table(runs)],
        agreement=agreement,
        minimize="memorization/quantile",
        evaluate=evaluate,
        worst=1e6,
    )


def agreement(runs: Sequence[RunRecord]) -> list[str]:
    """Signs of each run, and the order of the runs' largest M."""
    lines = []
    for run in runs:
        low, median, high = (run.metrics[name] for name in METRICS)
        same = low < 0 < median < high and high > -low
        lines.append(
            f"{run.label}: from {number(low, '.1f')} over {number(median, '.1f')} to "
            f"{number(high, '.1f')} nats, "
            + ("like" if same else "unlike")
            + " the paper's, which are negative for some images, positive for most and far larger "
            "for a few"
        )
    if len(runs) > 1:
        own = [run.metrics[METRICS[2]] for run in runs]
        order = stats.spearmanr(own, [PAPER[run.label][2] for run in runs]).statistic
        lines.append(
            "the runs' largest M have "
            + ("the paper's order" if order > 0.99 else "another order than the paper's")
        )
    return lines


def _table(runs: Sequence[RunRecord]) -> PaperTable:
    rows = []
    for run in runs:
        settings = [run.params[name] for name in ("num_repeats", "num_folds", "training.epochs")]
        own = [number(run.metrics[name], ".1f") for name in METRICS]
        rows.append([run.label, *settings, *own, *(number(x, "g") for x in PAPER[run.label])])
    columns = ["run", "L", "K", "epochs", "min M", "median M", "max M"]
    columns += ["paper's min", "median", "max"]
    note = "In nats. The paper's: L = K = 10 and 100 epochs (CelebA 50)."
    return PaperTable("headlines", "Memorization scores", columns, rows, note)


def _config(name: str, scale: str) -> ScoreConfig:
    rate = 1e-4 if name.endswith("1e-4") else 1e-3
    training = TrainingConfig(
        epochs={"smoke": 2, "small": 40, "paper": 50 if name == "CelebA" else 100}[scale],
        optimizer=OptimizerConfig(learning_rate=rate, beta_1=0.9),
    )
    if scale == "smoke":
        small = {"num_repeats": 1, "num_folds": 2, "num_samples": 8, "every": None}
        return ScoreConfig(
            data=ImagesConfig(num_images=1000, num_held_out=200), training=training, **small
        )
    if scale == "small":
        return ScoreConfig(training=training, num_repeats=1, num_folds=4, num_samples=32, every=20)
    data, architecture = {
        "CIFAR-10": ("cifar10", "cifar_conv"),
        "CelebA": ("celeba", "celeba_conv"),
    }.get(name, ("mnist", "mnist_mlp"))
    return ScoreConfig(
        data=ImagesConfig(name=data),
        model=VAEConfig(architecture=architecture),
        training=training,
        num_samples=256 if data == "mnist" else 128,
    )
