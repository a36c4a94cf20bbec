"""*Training with Memorization Rejection* (arXiv 2210.12231): quality and copying over τ.

The paper's τ are multiples of d̄ = 0.15, the mean nearest-neighbour distance of CIFAR-10 in
Inception features; on digits they are the same multiples of d̄ in the oracle's features. What can be
compared is how quality and C_T change with τ, not their values.
"""

import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from rgf_keras import outputs, strict_json
from rgf_keras.config import AssessConfig, parse, published
from rgf_keras.experiments.studies.ranking import FAR_OUTSIDE
from rgf_keras.figures import copying as copying_figures
from rgf_keras.figures import images
from rgf_keras.figures import rejection as figures
from rgf_keras.reports.paper_tables import PaperTable
from rgf_keras.reports.values import number
from rgf_keras.reproduce.reproduction import Reproduction, assess_once, model_name
from rgf_keras.tracking.records import RunRecord

if TYPE_CHECKING:
    from rgf_keras.tracking.tracker import Context

TABLES = ("tau", "modes")
# 5 and 9 are 1 and 6 of other models, and all models are in each.
FIGURES = ("1", "2", "3", "4", "6", "7", "8", "10", "11", "12")
# By figure, the picture of a single model that it joins; 12 is 4 with a third colour.
PICTURES = {"2": "class.png", "3": "class-nearest.png", "4": "tsne.png", "12": "tsne.png"}
# By figure, by what C_T is shown; the mean of classes is what the paper calls C_T.
BARS = {"8": ("class",), "10": ("embedding",), "11": ("reference", "class mean")}
AXES = {"class": "class", "embedding": "embedding", "reference": "test images of"}
C_T_BY = "c_t_by.json"
MEAN_DISTANCE = 0.15
SAMPLES_PER_CLASS = 10_000  # for C_T by class, as published
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
MODES = ("mask", "resample", "weight")
REPEATS = {"smoke": 1, "small": 1, "paper": 4}
TO_TRAINING = "quality/train_frechet"  # as published
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
    needed = PICTURES.get(name, C_T_BY if name in BARS else "")
    return Reproduction(
        name=f"reproduce-mr-{kind or 'table'}-{name}-{scale}{more}",
        question="Do copies become fewer and distances to real images larger as τ grows?"
        if name != "modes"
        else "What could rejected samples still teach?",
        runs=(_modes if name == "modes" else _runs)(scale, repeats),
        tables=lambda runs: [] if kind else [(_modes_table if name == "modes" else _table)(runs)],
        agreement=agreement if name == "tau" else lambda runs: [],
        figures=lambda runs, folder: PLOTS[name](runs, folder) if kind and runs else [],
        minimize="copying/deficit",
        evaluate=assess_and_compare if kind and needed else assess_once,
        needs=needed if kind else "",
        study_options={"worst": FAR_OUTSIDE},
    )


def assess_and_compare(config: AssessConfig, context: "Context") -> Any:
    """Assess, and record what the paper shows of each model beside."""
    if config.evaluation.first_training:  # of which no figure shows anything
        return assess_once(config, context)
    from rgf_keras.experiments.rejection import reject  # with Keras
    from rgf_keras.reports.rejection import write_pictures

    newer = reject.newer_test_images(config.data.name)
    of_class = SAMPLES_PER_CLASS if config.data.name == "cifar10" else None
    # What can be refused is, before anything is trained.
    comparison = reject.ThresholdComparison.of(
        config, context.cache, context.progress, newer, of_class
    )
    assessment = assess_once(config, context)
    path = next(file for name, file in assessment.files.items() if name.startswith("model."))
    threshold = config.rejection.threshold
    point = comparison.point(threshold, assessment.metrics, path, context.progress)
    by = outputs.write_text(path.parent / C_T_BY, strict_json.dumps(point.c_t_by))
    for file in (by, *write_pictures(path.parent, point)):
        context.run.log_artifact(file)
    return assessment


def _runs(scale: str, repeats: int) -> dict[str, AssessConfig]:
    return {
        _label(model, tau) + _seed(seed): _config(settings, tau, seed)
        for model, settings in _models(scale).items()
        for tau in THRESHOLDS[scale]
        for seed in range(repeats)
    }


def _modes(scale: str, repeats: int) -> dict[str, AssessConfig]:
    """All ways to reject at one τ, and none, of the first model."""
    model, settings = next(iter(_models(scale).items()))
    runs = {}
    for seed in range(repeats):
        runs[f"{model} none{_seed(seed)}"] = _config(settings, 0.0, seed)
        for mode in MODES:
            config = _config(settings, MEAN_DISTANCE, seed)
            runs[f"{model} {mode}{_seed(seed)}"] = config.with_values({"rejection.mode": mode})
    return runs


def _seed(seed: int) -> str:
    return f" seed {seed}" if seed else ""


def _modes_table(runs: Sequence[RunRecord]) -> PaperTable:
    rows = [
        [
            run.label,
            number(run.metrics.get(_key(run, QUALITY)), ".1f"),
            *(number(run.metrics.get(f"{COPYING}{end}"), ".1f") for end in ("", "_low", "_high")),
            number(run.metrics.get("generator/acceptance"), ".0%"),
        ]
        for run in runs
    ]
    columns = ["rejection", "Fréchet", "C_T", "low", "high", "accepted"]
    note = (
        "At τ = d̄. mask: rejected samples are dropped, as published; resample: others are drawn; "
        "weight: they count by their distance over τ (ours)."
    )
    return PaperTable("modes", "What rejected samples could still teach (§6)", columns, rows, note)


def _plot_spectrum(runs: Sequence[RunRecord], folder: Path) -> list[Path]:
    """Densities of distances over τ, of each model's first training."""
    paths = []
    for model, own in _by_model(runs).items():
        found = {run.label: _distances(run) for run in own if "seed" not in run.label}
        generated = {label: x["generated"] for label, x in found.items() if x}
        if generated:
            test = next(x["test"] for x in found.values() if x)
            path = folder / f"figure-1-{model}.png"
            paths.append(copying_figures.plot_spectrum(path, generated, test))
    return paths


def _distances(run: RunRecord) -> dict[str, np.ndarray]:
    """Distances to the training images in the space of quality; nothing if the run kept none."""
    content, space = run.file("distances.npz"), run.params.get("evaluation.embedding", "oracle")
    if content is None:
        return {}
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        names = {kind: f"{kind}/{space}" for kind in ("generated", "test")}
        return {kind: file[name] for kind, name in names.items() if name in file.files}


def _plot_tradeoff(runs: Sequence[RunRecord], folder: Path) -> list[Path]:
    """Quality against C_T, with the spread of trainings where there are several."""
    points: dict[str, list[tuple[float, float]]] = {}
    for run in runs:
        name = " ".join(run.label.split()[:2])
        numbers = (run.metrics[_key(run, QUALITY)], run.metrics[COPYING])
        points.setdefault(name, []).append(numbers)
    arrays = {name: np.array(each) for name, each in points.items()}
    labels = "Fréchet distance", "C_T (below 0: copies)"
    return [figures.plot_repeats(folder / "figure-6.png", arrays, *labels)]


def _join(figure: str, picture: str, runs: Sequence[RunRecord], folder: Path) -> list[Path]:
    """A picture of each model's first training, side by side."""
    found = {run.label: run.file(picture) for run in runs if "seed" not in run.label}
    titled = {label: content for label, content in found.items() if content}
    return [images.join(folder / f"figure-{figure}.png", titled)] if titled else []


def _plot_bars(
    figure: str, kinds: Sequence[str], runs: Sequence[RunRecord], folder: Path
) -> list[Path]:
    """C_T of each model's first training by class, embedding or test images."""
    paths = []
    for model, own in _by_model(runs).items():
        found = {run.label: run.file(C_T_BY) for run in own if "seed" not in run.label}
        read = {label: json.loads(content) for label, content in found.items() if content}
        c_t = {
            f"{label.split()[1]} d̄": {
                name if kind == kinds[0] else f"{name}, {kind}": x
                for kind in kinds
                for name, x in by[kind].items()
                if x is not None
            }
            for label, by in read.items()
        }
        if any(c_t.values()):
            path = folder / f"figure-{figure}-{model}.png"
            paths.append(figures.plot_bars(path, c_t, AXES[kinds[0]]))
    return paths


def _by_model(runs: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    models = dict.fromkeys(map(model_name, runs))
    return {model: [run for run in runs if model_name(run) == model] for model in models}


PLOTS: dict[str, Callable[[Sequence[RunRecord], Path], list[Path]]] = {
    "1": _plot_spectrum,
    "6": _plot_tradeoff,
    "7": partial(_join, "7", "samples-skewed.png"),
    **{figure: partial(_join, figure, picture) for figure, picture in PICTURES.items()},
    **{figure: partial(_plot_bars, figure, kinds) for figure, kinds in BARS.items()},
}


def agreement(runs: Sequence[RunRecord]) -> list[str]:
    """Rank correlations with τ, here and in the paper, by model."""
    lines = []
    for model, own in _by_model(runs).items():
        if len(own) > 1:
            lines += [_trend(model, own, *which) for which in COMPARED]
    return lines


def deviations(scale: str) -> list[str]:
    """What differs from the paper, a sentence each."""
    if scale == "paper":
        return [
            "The Fréchet distance is of the last weights, in the same space as C_T; the weights "
            "with the best one are kept beside (model-best.keras, best.json).",
            "C_T is against CIFAR-10's test images; where CIFAR-10.1's are there, Figure 11 has it "
            "against them too, and the mean of classes, with 10,000 samples of each.",
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
        sagan, *others = PAPER[_tau(run)]
        theirs = sagan, FID_BIGGAN[_tau(run)], *others
        rows.append([run.label, *own, *(number(value, ".2f") for value in theirs)])
    columns = ["τ over d̄", "Fréchet", "C_T", "accepted", "FID SAGAN", "FID BigGAN", "FID DiffAug"]
    columns += ["C_T SAGAN", "C_T DiffAug"]
    note = (
        "Fréchet distances are in the features of the run's embedding, C_T against held-out images "
        "of the same data, with intervals of one training's samples. The last five columns are the "
        "paper's: Inception features, C_T against CIFAR-10.1."
    )
    return PaperTable("tau", "Quality and copying over τ (Figures 6, 8, 9)", columns, rows, note)


def _key(run: RunRecord, metric: str) -> str:
    """A metric's name in the embedding of a run; the distance to training images, if measured."""
    if metric == QUALITY and TO_TRAINING in run.metrics:
        return TO_TRAINING
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
