"""A memorization score as tables, files and a record in MLflow."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from rgf_keras import archive
from rgf_keras.config import ScoreConfig
from rgf_keras.errors import RgfError
from rgf_keras.experiments.scores.result import Score, spread
from rgf_keras.figures import scores as figures
from rgf_keras.tracking.tracker import Run

SCORES = "scores.npz"


def table(score: Score) -> Table:
    """One line per epoch at which log p was taken."""
    title = (
        f"memorization score M (nats) of {len(score.images)} images of {score.images.name}, "
        f"{score.num_repeats} × {_folds(score.config)} fits"
    )
    view = Table(title=title)
    for column in ("epoch", "min", "median", "q0.95", "q0.999", "max", "held-out log p"):
        view.add_column(column, justify="right")
    for epoch, found in score.by_epoch.items():
        values = spread(found.score)
        cells = [values[f"memorization/{name}"] for name in ("min", "median", "q0.95", "q0.999")]
        cells += [values["memorization/max"], found.log_prob_out.mean()]
        view.add_row(str(epoch), *(f"{cell:.1f}" for cell in cells))
    return view


def answer(score: Score) -> str:
    """The configured quantile with its interval, in one line."""
    m, q = score.metrics, score.config.quantile
    text = f"{q} quantile of M: {m['memorization/quantile']:.2f} nats"
    if "memorization/quantile_low" not in m:
        return f"{text} (one repeat: no interval)"
    low, high = m["memorization/quantile_low"], m["memorization/quantile_high"]
    return f"{text}, 95 % interval over repeats [{low:.2f}, {high:.2f}]"


def summary(score: Score) -> dict[str, Any]:
    """What a program wants to know, JSON-able."""
    by_epoch = {
        epoch: {
            **spread(found.score),
            "quality/held_out_log_prob": float(found.log_prob_out.mean()),
        }
        for epoch, found in score.by_epoch.items()
    }
    return {
        "num_images": len(score.images),
        "num_repeats": score.num_repeats,
        "num_folds": _folds(score.config),
        "metrics": score.metrics,
        "by_epoch": by_epoch,
    }


def record(score: Score, run: Run, work: Path, others: Mapping[str, np.ndarray]) -> list[Path]:
    """Write tables and pictures, and log them and all numbers.

    Args:
        score: what was found.
        run: where it is logged.
        work: folder for the files.
        others: scores of other runs by name, to be drawn beside.
    """
    for epoch, found in score.by_epoch.items():
        run.log_metrics(spread(found.score), step=epoch)
    for epoch, values in enumerate(score.full.curves if score.full else [], 1):
        run.log_metrics(values, step=epoch)
    run.log_metrics(score.metrics, step=score.config.training.epochs)
    run.set_tags({"num_repeats": score.num_repeats, "answer": answer(score)})
    files = [*_texts(score, work), *_pictures(score, work, others)]
    for path in files:
        run.log_artifact(path)
    return files


def other_scores(folder: Path) -> np.ndarray:
    """The scores (n,) that another run has written.

    Raises:
        RgfError: there are none, or they are damaged.
    """
    arrays, _ = archive.load(folder / SCORES)
    if "score" not in arrays:
        raise RgfError(f"{folder / SCORES} holds no scores; was it written by rgf score?")
    return arrays["score"]


def to_csv(score: Score) -> str:
    """One line per image."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ["index", "label", "score", "log_prob_in", "log_prob_out"]
    writer.writerow([*names, "rho"] if score.full else names)
    writer.writerows(_rows(score))
    return text.getvalue()


def _rows(score: Score) -> Iterator[list[Any]]:
    images, final = score.images, score.final
    for i in range(len(images)):
        values = [final.score[i], final.log_prob_in[i], final.log_prob_out[i]]
        values += [score.full.rho[i]] if score.full else []
        label = images.class_names[images.labels[i]]
        yield [images.indices[i], label, *(f"{value:.6g}" for value in values)]


def _texts(score: Score, work: Path) -> list[Path]:
    texts = {
        "config.yaml": score.config.to_yaml(),
        "scores.csv": to_csv(score),
        "score.json": json.dumps(summary(score), indent=1),
    }
    for name, text in texts.items():
        (work / name).write_text(text)
    arrays = {
        "index": score.images.indices,
        "label": score.images.labels,
        "score": score.final.score,
        "log_prob_in": score.final.log_prob_in,
        "log_prob_out": score.final.log_prob_out,
    }
    if score.full:
        arrays["rho"] = score.full.rho
    return [*(work / name for name in texts), archive.save(work / SCORES, arrays)]


def _pictures(score: Score, work: Path, others: Mapping[str, np.ndarray]) -> list[Path]:
    files = [
        figures.gallery(work / "gallery.png", score),
        figures.log_prob_histogram(work / "log_prob.png", score),
        figures.quantiles(work / "quantiles.png", score),
        figures.densities(work / "densities.png", {"this run": score.final.score, **others}),
        figures.losses(work / "losses.png", score),
    ]
    if score.full:
        files.append(figures.nearest_neighbours(work / "rho.png", score, score.full))
    return files


def _folds(config: ScoreConfig) -> str:
    return str(config.num_folds)
