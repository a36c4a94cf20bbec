"""The RGF assessment: train on balanced and skewed data, sample, label, compare."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from rgf_keras import archive
from rgf_keras.cache import Arrays, Cache, key_of
from rgf_keras.experiments import figures, privacy
from rgf_keras.experiments.assessment import copying, rgf_table
from rgf_keras.experiments.assessment.materials import (
    GRID_SIZE,
    Materials,
    build_trainer,
    draw,
    prepare,
    real_loss_callbacks,
    reference_model,
)
from rgf_keras.experiments.assessment.rgf_table import Row
from rgf_keras.experiments.config import AssessConfig
from rgf_keras.experiments.progress import Advance, Track, silent
from rgf_keras.experiments.tracking.tracker import Run
from rgf_keras.metrics import frechet
from rgf_keras.models import GenerativeModel, to_uint8
from rgf_keras.training import Evaluate, Progress, SampleGrid, Trainer

# What is cheap enough to be measured while training.
INTERMEDIATE = (
    "rgf/gap",
    "rgf/class_coverage",
    "quality/frechet_oracle",
    "quality/oracle_confidence",
)


# Files that are also shown beside the metrics when runs are compared.
PICTURES = {"copies.png", "distances.png", "real_loss.png", "samples-skewed.png"}


@dataclass(frozen=True)
class Assessment:
    """The outcome.

    Args:
        table: one row per class and one for all samples.
        metrics: ``rgf/gap`` (mean over classes of |P_r − P_u|) with its interval,
            ``rgf/num_memorized`` (rows of the table, as the paper counts cases),
            ``rgf/class_coverage`` (share of classes with enough samples),
            ``quality/frechet_oracle`` with its interval, ``quality/oracle_confidence``,
            ``copying/...`` (see :class:`.copying.Copying`), the oracles'
            accuracies, and z, P_r, P_u per row.
        files: the tables, pictures and the trained model (``model.keras``) by name.
    """

    table: list[Row]
    metrics: dict[str, float]
    files: dict[str, Path]


@dataclass(frozen=True)
class Judge:
    """Samples a model, labels the samples and compares them with the balanced model's."""

    config: AssessConfig
    materials: Materials
    reference: Arrays

    def __call__(self, model: GenerativeModel, advance: Advance) -> "Judgement":
        evaluation = self.config.evaluation
        images = draw(model, self.config, advance)
        found = self.materials.oracles.label(images)
        table = rgf_table.build(
            self.materials.count(found),
            self.reference["counts"],
            self.materials.data.skewed.class_names,
            self.config.data.rare_class,
            evaluation,
        )
        metrics = rgf_table.summary(table, evaluation.min_class_samples)
        metrics["quality/oracle_confidence"] = float(found.confidence.mean())
        metrics["quality/frechet_oracle"] = frechet.frechet_distance(
            self.materials.real_features, found.features
        )
        return Judgement(table, metrics, images, found.features)


@dataclass(frozen=True)
class Judgement:
    """What the judge found: table, metrics, images (M, H, W, C) uint8, features (M, d)."""

    table: list[Row]
    metrics: dict[str, float]
    images: np.ndarray
    features: np.ndarray


def assess(
    config: AssessConfig,
    run: Run,
    work: Path,
    cache: Cache,
    track: Track = silent,
) -> Assessment:
    """Assess one model and record it.

    A run that was killed continues from the checkpoint in ``work``.

    Args:
        config: what to assess.
        run: where parameters, metrics and files are logged.
        work: folder for the checkpoint and the files.
        cache: where oracles and the balanced model's results are kept.
        track: given a description, returns where progress is reported.

    Raises:
        Diverged: a loss is not finite.
        RgfError: bad data, or an oracle that is not accurate enough.
    """
    materials = prepare(config, cache, track)
    run.log_params(config.flat())
    run.set_tags({"data_sha256": materials.data.skewed.fingerprint[:16], "seed": config.seed})
    judge = Judge(config, materials, reference_model(config, materials, cache, track))
    checkpoints = work / f"training-{key_of(config.flat())}"
    trainer = build_trainer(config, materials.data.skewed, materials.oracles, cache, checkpoints)
    every = config.evaluation.every or config.training.epochs
    newest: list[Judgement] = []

    def evaluate(model: GenerativeModel) -> dict[str, float]:
        judgement = judge(model, track("samples"))
        newest[:] = [judgement]
        epoch = len(trainer.history.epochs) + 1
        archive.save(work / f"features-{epoch:04d}.npz", {"features": judgement.features})
        return {name: judgement.metrics[name] for name in INTERMEDIATE}

    def show(epoch: int, images: np.ndarray) -> None:
        run.log_image(figures.grid(work / "samples.png", to_uint8(images)), "samples", epoch)

    callbacks = [
        Evaluate(evaluate, every),
        SampleGrid(show, GRID_SIZE, every),
        *real_loss_callbacks(trainer.model, materials.data.held_out, config),
        _LogEpochs(run),
        Progress(track("model on skewed data")),
    ]
    trainer.fit(config.training.epochs, callbacks)
    with trainer.averaged_weights():
        # The last epoch was judged, unless a run that had been killed found training finished.
        judgement = newest[0] if newest else judge(trainer.model, track("samples"))
        trainer.model.save(work / "model.keras")
    copied = copying.measure(*materials.copying_features(cache), judgement.features, config.seed)
    metrics = {**judgement.metrics, **_final_metrics(judge, judgement), **copied.metrics}
    metrics |= privacy.spent(config.training, len(materials.data.skewed.images))
    metrics |= {k: v for k, v in trainer.history.epochs[-1].items() if k.endswith("/acceptance")}
    files = {"model.keras": work / "model.keras"}
    files |= _write(work, judge, judgement, metrics, trainer)
    train = materials.data.skewed.images
    files["copies.png"] = copying.draw_pairs(work / "copies.png", judgement.images, train, copied)
    files["distances.png"] = copying.draw_distances(work / "distances.png", copied)
    run.log_metrics(metrics, step=config.training.epochs)
    for path in files.values():
        run.log_artifact(path)
    for name in PICTURES & files.keys():
        run.log_image(files[name], Path(name).stem, 0)  # the step that MLflow shows first
    shutil.rmtree(checkpoints, ignore_errors=True)
    return Assessment(judgement.table, metrics, files)


def _final_metrics(judge: Judge, judgement: Judgement) -> dict[str, float]:
    interval = frechet.bootstrap(
        judge.materials.real_features,
        judgement.features,
        judge.config.seed,
        judge.config.evaluation.num_resamples,
    )
    gap_low, gap_high = rgf_table.gap_interval(judgement.table, judge.config.seed)
    return {
        "rgf/gap_low": gap_low,
        "rgf/gap_high": gap_high,
        "quality/frechet_oracle_low": interval.low,
        "quality/frechet_oracle_high": interval.high,
        "oracle/class_accuracy": judge.materials.oracles.class_accuracy,
        "oracle/factor_accuracy": judge.materials.oracles.factor_accuracy,
    }


def _write(
    work: Path,
    judge: Judge,
    judgement: Judgement,
    metrics: dict[str, float],
    trainer: Trainer,
) -> dict[str, Path]:
    """Tables and pictures, by name."""
    values = judge.materials.data.balanced.factor_values
    record = {
        "metrics": metrics,
        "factor_values": list(values),
        "table": rgf_table.to_records(judgement.table),
    }
    curves = {
        "balanced": json.loads(judge.reference["epochs"].tobytes()),
        "skewed": trainer.history.epochs,
    }
    texts = {
        "config.yaml": judge.config.to_yaml(),
        "rgf_table.csv": rgf_table.to_csv(judgement.table),
        "rgf_table.json": json.dumps(record, indent=1),
        "epochs.json": json.dumps(curves),
    }
    for name, text in texts.items():
        (work / name).write_text(text)
    files = {name: work / name for name in texts}
    titled = {"balanced": judge.reference["images"], "skewed": judgement.images[:GRID_SIZE]}
    files["samples.png"] = figures.grids(work / "samples.png", titled)
    for name, images in titled.items():
        path = work / f"samples-{name}.png"
        files[path.name] = figures.grid(path, images)
    if "real_loss/f0" in curves["skewed"][-1]:
        files["real_loss.png"] = figures.real_loss(work / "real_loss.png", curves)
    return files


class _LogEpochs(keras.callbacks.Callback):
    """Logs every epoch; what a resume repeats is recorded once."""

    def __init__(self, run: Run):
        super().__init__()
        self.run = run

    def on_epoch_end(self, epoch, logs=None):
        self.run.log_metrics({**logs, "epoch": epoch + 1}, step=epoch + 1)
