"""*On Memorization in Probabilistic Deep Generative Models* (NeurIPS 2021): how large M becomes."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rgf_keras.config import ScoreConfig, parse, published, yaml_text
from rgf_keras.experiments.scores.folds import load_images
from rgf_keras.experiments.studies import attempts
from rgf_keras.figures import scores as figures
from rgf_keras.figures.copying import plot_rows_of_pairs
from rgf_keras.metrics import memorization
from rgf_keras.reports.paper_tables import PaperTable
from rgf_keras.reports.values import number
from rgf_keras.reproduce.reproduction import Reproduction
from rgf_keras.tracking.records import RunRecord

if TYPE_CHECKING:
    from rgf_keras.experiments.scores.result import Score
    from rgf_keras.tracking.tracker import Context

QUANTILES = (0.95, 0.999)
HIGHLY_MEMORIZED = 0.95
NUM_PAIRS = 12
TABLES = ("headlines",)
FIGURES = ("2", "3", "4", "5", "A")  # 7 to 13 are as these, of other data
# Smallest, median and largest M in nats, with L = K = 10.
PAPER = {
    "MNIST lr 1e-3": (-18.0, 4.4, 205.0),
    "MNIST lr 1e-4": (-13.0, 3.5, 80.0),
    "CIFAR-10": (-180.0, 97.0, 900.0),
    "CelebA": (-450.0, 60.0, 6500.0),
}
METRICS = ("memorization/min", "memorization/median", "memorization/max")
MNIST = tuple(PAPER)[:2]
FEW_IMAGES = {"num_images": 1000, "num_held_out": 200}
FEW_FITS = {"num_repeats": 1, "num_folds": 2, "num_samples": 8, "every": None}
SETTINGS: dict[str, dict[str, Any]] = {
    "smoke": {"training.epochs": 2, "data": FEW_IMAGES, **FEW_FITS},
    "small": {
        "training.epochs": 40, "num_repeats": 1, "num_folds": 4, "num_samples": 32, "every": 20
    },
}  # fmt: skip
NAMES = dict(zip(PAPER, ("vae-mnist", "vae-mnist-1e-4", "vae-cifar10", "vae-celeba"), strict=True))


def reproduction(item: str, scale: str, trainings: int | None = None) -> Reproduction:
    """A table, or a figure (``"figure 3"``), at a scale.

    Args:
        item: of ``TABLES``, or ``"figure "`` and one of ``FIGURES``.
        scale: one of ``SCALES``.
        trainings: L, if not the scale's.
    """
    names = PAPER if scale == "paper" else MNIST
    kind, _, name = item.rpartition(" ")
    more = f"-L{trainings}" if trainings else ""
    return Reproduction(
        name=f"reproduce-score-{kind or 'table'}-{name.replace('/', '-')}-{scale}{more}",
        question="How much is memorized of the images of which most, typically and least is?",
        runs={name: _config(name, scale, trainings) for name in names},
        tables=lambda runs: [] if kind else [_table(runs)],
        agreement=agreement,
        figures=lambda runs, folder: _plot(name, runs, folder) if kind else [],
        minimize="memorization/quantile",
        evaluate=_evaluate,
        study_options={"worst": 1e6},
    )


def _plot(figure: str, runs: Sequence[RunRecord], folder: Path) -> list[Path]:
    """A figure's pictures: of each run, or of all runs in one."""
    folder.mkdir(parents=True, exist_ok=True)
    if figure == "4":
        return _plot_runs(runs, folder)
    return [
        path
        for i, run in enumerate(runs)
        if (scores := _arrays(run))
        for path in [PLOTS[figure](folder / f"figure-{figure}-{i}.png", run, scores)]
    ]


def _plot_runs(runs: Sequence[RunRecord], folder: Path) -> list[Path]:
    """Losses, quantiles by epoch and densities of several runs."""
    summaries = {run.label: json.loads(run.file("score.json") or b"{}") for run in runs}
    by_epoch = {name: each["by_epoch"] for name, each in summaries.items() if each}
    quantiles = {
        name: {
            q: {int(epoch): numbers[f"memorization/q{q}"] for epoch, numbers in epochs.items()}
            for q in QUANTILES
        }
        for name, epochs in by_epoch.items()
    }
    elbo = {name: each["elbo"] for name, each in summaries.items() if each.get("elbo")}
    scores = {run.label: arrays["score"] for run in runs if (arrays := _arrays(run))}
    return [
        *([figures.plot_losses_of_runs(folder / "figure-4a.png", elbo)] if elbo else []),
        figures.plot_quantiles_of_runs(folder / "figure-4b.png", quantiles),
        figures.plot_densities(folder / "figure-4c.png", scores),
    ]


def _arrays(run: RunRecord) -> dict[str, np.ndarray]:
    """A run's scores and what goes with them; nothing if it has not written them."""
    content = run.file("scores.npz")
    if content is None:
        return {}
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _images(run: RunRecord) -> np.ndarray:
    """What a run has scored, in its order."""
    config = parse(yaml_text.load((run.file("config.yaml") or b"").decode()), ScoreConfig)
    return load_images(config.data)[0].images


def _plot_gallery(path: Path, run: RunRecord, scores: dict[str, np.ndarray]) -> Path:
    return figures.plot_gallery(path, _images(run), scores["score"])


def _plot_log_prob(path: Path, run: RunRecord, scores: dict[str, np.ndarray]) -> Path:
    high = scores["score"] > np.quantile(scores["score"], HIGHLY_MEMORIZED)
    return figures.plot_log_prob(path, scores["log_prob_in"], high, _images(run))


def _plot_ratio(path: Path, run: RunRecord, scores: dict[str, np.ndarray]) -> Path:
    return figures.plot_neighbour_ratio(path, scores["score"], scores["rho"])


def _plot_duplicates(path: Path, run: RunRecord, scores: dict[str, np.ndarray]) -> Path:
    """The nearest pairs of the training set; below each, the larger M of the two."""
    images = _images(run)
    pairs = memorization.duplicates(images, NUM_PAIRS)
    larger = np.maximum(scores["score"][pairs.first], scores["score"][pairs.second])
    title = "nearest pairs of the training set, and the larger M of each"
    return plot_rows_of_pairs(path, images[pairs.first], images[pairs.second], larger, title)


PLOTS: dict[str, Callable[[Path, RunRecord, dict[str, np.ndarray]], Path]] = {
    "2": _plot_gallery,
    "3": _plot_log_prob,
    "5": _plot_ratio,
    "A": _plot_duplicates,
}


def agreement(runs: Sequence[RunRecord]) -> list[str]:
    """Signs of each run, and the order of the runs' largest M."""
    lines = []
    for run in runs:
        low, median, high = (run.metrics[name] for name in METRICS)
        same = low < 0 < median < high and high > -low
        lines.append(
            f"{run.label}: from {number(low, '.1f')} over {number(median, '.1f')} to "
            f"{number(high, '.1f')} nats, {'like' if same else 'unlike'} the paper's, which are "
            "negative for some images, positive for most and far larger for a few"
        )
    if len(runs) > 1:
        by_own = sorted(runs, key=lambda run: run.metrics[METRICS[2]])
        by_paper = sorted(runs, key=lambda run: PAPER[run.label][2])
        order = "the paper's order" if by_own == by_paper else "another order than the paper's"
        lines.append(f"the runs' largest M have {order}")
    return lines


def deviations(scale: str) -> list[str]:
    """What differs from the paper, a sentence each."""
    ours = ["Each image is flipped on its own, where the authors' code flips whole batches."]
    if scale == "paper":
        return ours
    repeats, folds = (SETTINGS[scale][name] for name in ("num_repeats", "num_folds"))
    epochs = SETTINGS[scale]["training.epochs"]
    return [
        f"At this scale L = {repeats} and K = {folds} instead of 10 and 10, with {epochs} of 100 "
        "epochs on bundled digits: scores are larger, as fewer images stand for one another."
    ]


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


def _evaluate(config: ScoreConfig, context: "Context") -> "Score":
    """Score where ``rgf score`` would, importing Keras when the first trial runs."""
    from rgf_keras.experiments.scores.score import default_folder, evaluate

    folder = default_folder(config, context.folder.parents[2])
    attempts.note_folder(folder, context.folder)
    return evaluate(config, replace(context, folder=folder))


def _config(name: str, scale: str, repeats: int | None) -> ScoreConfig:
    config = published.find(f"paper/{NAMES[name]}", ScoreConfig)
    if scale != "paper":
        rate = {"training.optimizer.learning_rate": config.training.optimizer.learning_rate}
        beta = {"training.optimizer.beta_1": 0.9}
        config = ScoreConfig().with_values({**rate, **beta, **SETTINGS[scale]})
    return config.with_values({"num_repeats": repeats} if repeats else {})
