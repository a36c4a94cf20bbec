"""The RGF assessment: train on balanced and skewed data, sample, label, compare."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from rgf_keras import archive
from rgf_keras.cache import Arrays
from rgf_keras.config import AssessConfig
from rgf_keras.experiments.assessment import models
from rgf_keras.experiments.assessment.materials import (
    GRID_SIZE,
    Materials,
    prepare,
    real_loss_callbacks,
    reference_model,
)
from rgf_keras.experiments.assessment.oracles import Labels
from rgf_keras.figures import copying as copying_figures
from rgf_keras.figures import images as figures
from rgf_keras.metrics import catalogue, rgf_table
from rgf_keras.metrics.catalogue import Metric
from rgf_keras.metrics.copying import copies_csv
from rgf_keras.metrics.evidence import Evidence
from rgf_keras.metrics.rgf_table import Row
from rgf_keras.runtime.progress import Progress
from rgf_keras.tracking.tracker import Context, Run
from rgf_keras.training import Evaluate, ReportProgress, SampleGrid

# Files that are also shown beside the metrics when runs are compared.
PICTURES = {"copies.png", "distances.png", "real_loss.png", "samples-skewed.png"}


@dataclass(frozen=True)
class Assessment:
    """The outcome.

    Attributes:
        table: one row per class and one for all samples.
        metrics: those of :data:`rgf_keras.metrics.catalogue.METRICS`, of guests, and ε of private
            training.
        files: the tables, pictures and the trained model (``model.keras``, or ``model.npz`` of a
            guest's) by name.
    """

    table: list[Row]
    metrics: dict[str, float]
    files: dict[str, Path]


@dataclass(frozen=True)
class Evaluation:
    """Samples a model, labels the samples and compares them with the balanced model's.

    Attributes:
        config: what is assessed.
        materials: what its models share.
        reference: the balanced model's results.
        metrics: what is measured.
    """

    config: AssessConfig
    materials: Materials
    reference: Arrays
    metrics: tuple[Metric, ...]

    def evidence(self, model: keras.Model, progress: Progress) -> Evidence:
        """What is known of a model once it has been sampled."""
        evaluation, materials = self.config.evaluation, self.materials
        images = models.draw_samples(model, self.config, progress)
        labels = materials.oracles.label(images)
        table = rgf_table.build(
            materials.count(labels),
            self.reference["counts"],
            materials.data.skewed.class_names,
            self.config.data.rare_class,
            evaluation.test,
            evaluation.alpha,
            evaluation.min_class_samples,
        )
        return Evidence(
            images=images,
            table=table,
            embedding=materials.embedding.name,
            embed=materials.embed(images, labels),
            copying_spaces=[each.name for each in materials.copying_embeddings],
            labels=self._classes(model, labels),
            confidence=labels.confidence,
            accuracies=materials.oracles.accuracies,
            min_class_samples=evaluation.min_class_samples,
            num_resamples=evaluation.num_resamples,
            seed=self.config.seed,
            statistics=materials.statistics,
            cache=materials.cache,
        )

    def _classes(self, model: keras.Model, labels: Labels) -> dict[str, np.ndarray] | None:
        """Classes of the data and the samples; None where there are no classes to tell apart."""
        data = self.materials.data
        if data.skewed.num_classes == 1:
            return None
        generated = labels.classes
        if hasattr(model, "requested_labels"):
            generated = model.requested_labels(len(generated))
        train, test = data.skewed.labels, data.held_out_skewed.labels
        return {"train": train, "test": test, "generated": generated}


def assess(config: AssessConfig, context: Context) -> Assessment:
    """Assess one model and record it.

    A run that was killed continues from the checkpoint in the context's folder.

    Args:
        config: what to assess.
        context: where it is recorded; its cache keeps oracles and the balanced model's results.

    Raises:
        Diverged: a loss is not finite.
        RgfError: bad data, what the model cannot take, or an oracle that is not accurate enough.
    """
    run, folder, progress = context.run, context.folder, context.progress
    metrics = (*catalogue.METRICS, *catalogue.guests(config.evaluation.metrics))
    materials = prepare(config, context.cache, progress)
    skewed = materials.data.skewed
    run.log_params(config.flat())
    run.set_tags({"data_sha256": skewed.fingerprint[:16], "seed": config.seed})
    reference = reference_model(config, materials, progress)
    evaluation = Evaluation(config, materials, reference, metrics)
    checkpoints = folder / f"training-{config.key}"
    trainer = materials.trainer(config, skewed, checkpoints)
    every = config.evaluation.every or config.training.epochs
    newest: list[Evidence] = []

    def evaluate(model: keras.Model) -> dict[str, float]:
        newest[:] = [evaluation.evidence(model, progress.task("samples"))]
        epoch = len(trainer.history.epochs) + 1
        archive.save(folder / f"features-{epoch:04d}.npz", {"features": newest[0].features})
        return catalogue.measure(newest[0], metrics, while_training=True)

    def show(epoch: int, images: np.ndarray) -> None:
        run.log_image(figures.grid(folder / "samples.png", images), "samples", epoch)

    callbacks = [
        Evaluate(evaluate, every),
        SampleGrid(show, GRID_SIZE, every),
        *real_loss_callbacks(trainer.model, materials.data.held_out, config),
        _LogEpochs(run),
        ReportProgress(progress.task("model on skewed data")),
    ]
    trainer.fit(config.training.epochs, callbacks)
    with trainer.averaged_weights():
        # The last epoch was evaluated, unless a run that had been killed found training finished.
        if not newest:
            newest.append(evaluation.evidence(trainer.model, progress.task("samples")))
        saved = models.save(trainer.model, config, skewed, folder)
    (evidence,) = newest
    measured = catalogue.measure(evidence, metrics)
    measured |= config.training.privacy_metrics(len(skewed.images))
    last = trainer.history.epochs[-1]
    measured |= {name: value for name, value in last.items() if name.endswith("/acceptance")}
    files = {saved.name: saved}
    files |= _write(folder, evaluation, evidence, measured, trainer.history.epochs)
    run.log_metrics(measured, step=config.training.epochs)
    for path in files.values():
        run.log_artifact(path)
    for name in PICTURES & files.keys():
        run.log_image(files[name], Path(name).stem, 0)  # the step that MLflow shows first
    shutil.rmtree(checkpoints, ignore_errors=True)
    return Assessment(list(evidence.table), measured, files)


def _write(
    folder: Path,
    evaluation: Evaluation,
    evidence: Evidence,
    metrics: dict[str, float],
    epochs: list[dict[str, float]],
) -> dict[str, Path]:
    """Tables and pictures, by name."""
    data, reference = evaluation.materials.data, evaluation.reference
    record = {
        "metrics": metrics,
        "factor_values": list(data.balanced.factor_values),
        "table": rgf_table.to_records(evidence.table),
    }
    curves = {"balanced": json.loads(reference["epochs"].tobytes()), "skewed": epochs}
    texts = {
        "config.yaml": evaluation.config.to_yaml(),
        "rgf_table.csv": rgf_table.to_csv(evidence.table),
        "rgf_table.json": json.dumps(record, indent=1),
        "epochs.json": json.dumps(curves),
        "copies.csv": copies_csv(evidence.copying_by_space.values()),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    files = {name: folder / name for name in texts}
    titled = {"balanced": reference["images"], "skewed": evidence.images[:GRID_SIZE]}
    pictures = [figures.grids(folder / "samples.png", titled)]
    for name, images in titled.items():
        pictures.append(figures.grid(folder / f"samples-{name}.png", images))
    if "real_loss/f0" in epochs[-1]:
        pictures.append(figures.real_loss(folder / "real_loss.png", curves))
    copying, train = evidence.copying, data.skewed.images
    path = folder / "copies.png"
    pictures.append(copying_figures.plot_pairs(path, evidence.images, train, copying))
    pictures.append(copying_figures.plot_distances(folder / "distances.png", copying))
    return files | {path.name: path for path in pictures}


class _LogEpochs(keras.callbacks.Callback):
    """Logs every epoch; what a resume repeats is recorded once."""

    def __init__(self, run: Run):
        super().__init__()
        self.run = run

    def on_epoch_end(self, epoch, logs=None):
        self.run.log_metrics({**logs, "epoch": epoch + 1}, step=epoch + 1)
