"""A memorization score as files and a record in MLflow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rgf_keras import archive, outputs, strict_json
from rgf_keras.errors import RgfError
from rgf_keras.experiments.scores.result import QUANTILES, Score, spread
from rgf_keras.figures import scores as figures
from rgf_keras.tracking.tracker import Run

SCORES = "scores.npz"
OWN = "this run"  # what its scores are called beside those of others


def answer(score: Score) -> str:
    """The configured quantile with its interval, in one line."""
    m, q = score.metrics, score.config.quantile
    text = f"{q} quantile of M: {m['memorization/quantile']:.2f} nats"
    if "memorization/quantile_low" not in m:
        return f"{text} (one repeat: no interval)"
    low, high = m["memorization/quantile_low"], m["memorization/quantile_high"]
    return f"{text}, 95 % interval over repeats [{low:.2f}, {high:.2f}]"


def summary(score: Score) -> dict[str, Any]:
    """The numbers of a score, JSON-able."""
    return {
        "num_images": len(score.images),
        "num_repeats": score.num_repeats,
        "num_folds": str(score.config.num_folds),
        "metrics": score.metrics,
        "by_epoch": _by_epoch(score),
        "losses": score.losses.mean(axis=0).tolist(),
        "elbo": _elbo(score),
    }


def _elbo(score: Score) -> dict[str, list[float]]:
    """ELBOs of the full run by epoch, by what they are of."""
    curves = score.full.curves if score.full else []
    names = (("train", "all images"), ("held_out", "held out"))
    return {label: [epoch[f"elbo/{name}"] for epoch in curves] for name, label in names if curves}


def _by_epoch(score: Score) -> dict[int, dict[str, float]]:
    return {
        epoch: {**spread(at.score), "quality/held_out_log_prob": float(at.log_prob_out.mean())}
        for epoch, at in score.by_epoch.items()
    }


def record(score: Score, run: Run, work: Path, others: Mapping[str, np.ndarray]) -> list[Path]:
    """Write tables and pictures, and log them and all numbers.

    Args:
        score: to be recorded.
        run: where it is logged.
        work: folder for the files.
        others: scores of other runs by name, to be shown beside.
    """
    for epoch, at in score.by_epoch.items():
        run.log_metrics(spread(at.score), step=epoch)
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


def _columns(score: Score) -> dict[str, np.ndarray]:
    """The numbers of every image, by name."""
    final = score.final
    columns = {
        "score": final.score,
        "log_prob_in": final.log_prob_in,
        "log_prob_out": final.log_prob_out,
    }
    return columns | ({"rho": score.full.rho} if score.full else {})


def to_csv(score: Score) -> str:
    """One line per image."""
    images, columns = score.images, _columns(score)
    rows: list[list] = [["index", "label", *columns]]
    for i, (index, label) in enumerate(zip(images.indices, images.labels, strict=True)):
        numbers = (f"{values[i]:.6g}" for values in columns.values())
        rows.append([index, images.class_names[label], *numbers])
    return outputs.csv_text(rows)


def most_memorized_csv(score: Score) -> str:
    """The top 5 %, largest M first, for ``data.without`` of another score."""
    values, indices = score.final.score, score.images.indices
    chosen = np.flatnonzero(score.highly_memorized)
    chosen = chosen[np.argsort(-values[chosen], kind="stable")]
    rows = [[indices[i], f"{values[i]:.6g}"] for i in chosen]
    return outputs.csv_text([["index", "score"], *rows])


def _texts(score: Score, work: Path) -> list[Path]:
    texts = {
        "config.yaml": score.config.to_yaml(),
        "scores.csv": to_csv(score),
        "most_memorized.csv": most_memorized_csv(score),
        "score.json": strict_json.dumps(summary(score), indent=1),
    }
    for name, text in texts.items():
        outputs.write_text(work / name, text)
    images = {"index": score.images.indices, "label": score.images.labels}
    return [*(work / name for name in texts), archive.save(work / SCORES, images | _columns(score))]


def _pictures(score: Score, work: Path, others: Mapping[str, np.ndarray]) -> list[Path]:
    values, full = score.final.score, score.full
    by_epoch = {epoch: at.score for epoch, at in score.by_epoch.items()}
    log_prob = score.final.log_prob_in
    files = [
        figures.plot_gallery(work / "gallery.png", score.images.images, values),
        figures.plot_log_prob(
            work / "log_prob.png", log_prob, score.highly_memorized, score.images.images
        ),
        figures.plot_quantiles(work / "quantiles.png", by_epoch, QUANTILES),
        figures.plot_densities(work / "densities.png", {OWN: values, **others}),
        figures.plot_losses(work / "losses.png", score.losses, _elbo(score)),
    ]
    if full:
        files.append(figures.plot_neighbour_ratio(work / "rho.png", values, full.rho))
    return files
