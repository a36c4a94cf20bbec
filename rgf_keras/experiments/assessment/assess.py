"""The RGF assessment: train on balanced and skewed data, sample, label, compare."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rgf_keras import archive, outputs, strict_json
from rgf_keras.config import AssessConfig
from rgf_keras.experiments.assessment import models, pyfunc
from rgf_keras.experiments.assessment.materials import (
    GRID_SIZE,
    Materials,
    prepare,
    real_loss_callbacks,
)
from rgf_keras.experiments.assessment.oracles import Labels
from rgf_keras.experiments.assessment.result import Assessment
from rgf_keras.experiments.assessment.trainings import ALONE, TrainingResult, Trainings
from rgf_keras.figures import copying as copying_figures
from rgf_keras.figures import images as figures
from rgf_keras.metrics import catalogue, rgf_table
from rgf_keras.metrics.catalogue import Metric
from rgf_keras.metrics.copying import copies_csv
from rgf_keras.metrics.evidence import Evidence
from rgf_keras.metrics.rgf_table import Row
from rgf_keras.metrics.trainings import over_trainings
from rgf_keras.runtime.workers import WorkersSpec
from rgf_keras.tracking.tracker import Context, Run
from rgf_keras.training import Evaluate, ReportProgress, SampleGrid

BEST = "best.json"  # epoch and metrics of the evaluation with the best Fréchet distance
DISTANCES = "distances.npz"  # to the nearest training image, by kind of image and space
# Files that are also shown beside the metrics when runs are compared.
PICTURES = {"copies.png", "distances.png", "real_loss.png", "samples-skewed.png"}


@dataclass(frozen=True)
class Evaluation:
    """Samples a model, labels the samples and compares them with the balanced models'.

    Attributes:
        config: what is assessed.
        materials: what its models share.
        references: (R_u, rows, V) counts of the balanced models' samples.
        metrics: what is measured.
        requested: (m,) classes that the samples are asked for; None of models that are not asked.
    """

    config: AssessConfig
    materials: Materials
    references: np.ndarray
    metrics: tuple[Metric, ...]
    requested: np.ndarray | None

    def table(self, counts: np.ndarray) -> list[Row]:
        """The z-table of (R_r, rows, V) counts."""
        evaluation = self.config.evaluation
        return rgf_table.build(
            counts,
            self.references,
            self.materials.data.skewed.class_names,
            self.config.data.rare_class,
            evaluation.test,
            evaluation.alpha,
            evaluation.min_class_samples,
        )

    def evidence(self, images: np.ndarray) -> Evidence:
        """What is known of a model by its samples, the only training there is."""
        evaluation, materials = self.config.evaluation, self.materials
        labels = materials.oracles.label(images)
        return Evidence(
            images=images,
            table=self.table(materials.count(labels)[None]),
            embedding=materials.embedding.name,
            embed=materials.embed(images, labels),
            copying_spaces=[each.name for each in materials.copying_embeddings],
            labels=self._classes(labels),
            confidence=labels.confidence,
            accuracies=materials.oracles.accuracies,
            min_class_samples=evaluation.min_class_samples,
            num_resamples=evaluation.num_resamples,
            seed=self.config.seed,
            statistics=materials.statistics,
            cache=materials.cache,
        )

    def measure(self, evidence: Evidence, trained: Sequence[TrainingResult]) -> dict[str, float]:
        """The metrics of all trainings; ``evidence`` has their table, and the first's samples."""
        measured = [catalogue.measure(evidence, self.metrics)]
        # What the table says is of all trainings together already.
        own = [metric for metric in self.metrics if not metric.key.startswith(("rgf/", "oracle/"))]
        measured += [catalogue.measure(self.evidence(each.images), own) for each in trained[1:]]
        for numbers, each in zip(measured, trained, strict=True):
            last = each.epochs[-1]
            numbers |= {name: x for name, x in last.items() if name.endswith("/acceptance")}
        return over_trainings(measured)

    def _classes(self, labels: Labels) -> dict[str, np.ndarray] | None:
        """Classes of the data and the samples; None where there are no classes to tell apart."""
        data = self.materials.data
        if data.skewed.num_classes == 1:
            return None
        generated = labels.classes if self.requested is None else self.requested
        train, test = data.skewed.labels, data.held_out_skewed.labels
        return {"train": train, "test": test, "generated": generated}


def assess(config: AssessConfig, context: Context, resources: WorkersSpec = ALONE) -> Assessment:
    """Assess one model and record it.

    It is trained ``evaluation.num_trainings`` times and compared with
    ``evaluation.num_references`` balanced models. Every training is kept, those of the model under
    test in the context's folder: a run that was killed continues where it was, and one that asks
    for more trainings trains the missing ones. Pictures, the model and the curves are the first
    training's.

    Args:
        config: what to assess.
        context: where it is recorded; its cache keeps oracles and the balanced models' results.
        resources: processes that share the trainings but the first one of the model under test.

    Raises:
        Diverged: a loss is not finite.
        RgfError: bad data, what the model cannot take, or an oracle that is not accurate enough.
    """
    run, folder = context.run, context.folder
    metrics = (*catalogue.METRICS, *catalogue.guests(config.evaluation.metrics))
    materials = prepare(config, context.cache, context.progress)
    skewed = materials.data.skewed
    run.log_params(config.flat())
    run.set_tags({"data_sha256": skewed.fingerprint[:16], "seed": config.seed})
    sets = materials.data
    run.log_datasets(training=skewed, reference=sets.balanced, testing=sets.held_out)
    trainings = Trainings(config, materials, folder, context.progress)
    numbers = config.evaluation.trainings
    known = range(config.evaluation.references)
    if not resources.in_this_process:
        trainings.spread({"balanced": known, "skewed": numbers[1:]}, resources)
    references = trainings.get("balanced", known)
    counts = np.stack([reference.counts for reference in references])
    model = models.build_model(config, skewed)
    asked = getattr(model, "requested_labels", None)
    requested = asked and asked(config.evaluation.num_samples)
    evaluation = Evaluation(config, materials, counts, metrics, requested)
    first, evidence = _first_training(evaluation, trainings, context)
    trained = [first, *trainings.get("skewed", numbers[1:])]
    table = evaluation.table(np.stack([each.counts for each in trained]))
    evidence = replace(evidence, table=table)
    measured = evaluation.measure(evidence, trained)
    measured |= config.training.privacy_metrics(len(skewed.images))
    saved = models.save(trainings.model(first), config, skewed, folder)
    files = {saved.name: saved}
    files |= _write(folder, evaluation, evidence, measured, references[0], first)
    run.log_metrics(measured, step=config.training.epochs)
    pyfunc.log_model(run, saved)
    for path in files.values():
        if path != saved:
            run.log_artifact(path)
    for name in PICTURES & files.keys():
        run.log_image(files[name], Path(name).stem, 0)  # the step that MLflow shows first
    return Assessment(table, measured, files)


def _first_training(
    evaluation: Evaluation, trainings: Trainings, context: Context
) -> tuple[TrainingResult, Evidence]:
    """The training that is evaluated and shown while it is under way, and its evidence."""
    run, folder, config = context.run, context.folder, evaluation.config
    number = config.evaluation.first_training
    if kept := trainings.find("skewed", number):
        for epoch, logs in enumerate(kept.epochs, 1):
            run.log_metrics({**logs, "epoch": epoch}, step=epoch)
        return kept, evaluation.evidence(kept.images)
    data, checkpoints = evaluation.materials.data, trainings.checkpoints("skewed", number)
    config = config.of_training(number)
    trainer = evaluation.materials.trainer(config, data.skewed, checkpoints)
    every = config.evaluation.every or config.training.epochs
    newest: list[Evidence] = []

    def look(model: keras.Model) -> Evidence:
        samples = models.draw_samples(model, config, context.progress.task("samples"))
        return evaluation.evidence(samples)

    def evaluate(model: keras.Model) -> dict[str, float]:
        newest[:] = [look(model)]
        epoch = len(trainer.history.epochs) + 1
        archive.save(folder / f"features-{epoch:04d}.npz", {"features": newest[0].features})
        measured = catalogue.measure(newest[0], evaluation.metrics, while_training=True)
        if config.evaluation.every:
            _keep_best(model, evaluation, measured, epoch, folder)
        return measured

    def show(epoch: int, images: np.ndarray) -> None:
        run.log_image(figures.grid(folder / "samples.png", images), "samples", epoch)

    callbacks = [
        Evaluate(evaluate, every),
        SampleGrid(show, GRID_SIZE, every),
        *real_loss_callbacks(trainer.model, data.held_out, config),
        _LogEpochs(run),
        ReportProgress(context.progress.task("model on skewed data")),
    ]
    trainer.fit(config.training.epochs, callbacks)
    with trainer.averaged_weights():
        # The last epoch was evaluated, unless a run that had been killed found training finished.
        (evidence,) = newest or [look(trainer.model)]
        model, epochs = trainer.model, trainer.history.epochs
        trained = trainings.keep("skewed", number, model, evidence.images, epochs)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return trained, evidence


def _keep_best(
    model: keras.Model,
    evaluation: Evaluation,
    measured: dict[str, float],
    epoch: int,
    folder: Path,
) -> None:
    """Keep the model with the smallest Fréchet distance so far beside the last one."""
    record, config = folder / BEST, evaluation.config
    key = f"quality/frechet_{evaluation.materials.embedding.name}"
    best: dict[str, Any] = json.loads(record.read_text()) if record.exists() else {"epoch": 0}
    # A run that was killed comes by the same epochs again.
    if best["epoch"] in (0, epoch) or measured[key] < best["metrics"][key]:
        models.save(model, config, evaluation.materials.data.skewed, folder, "model-best")
        outputs.write_text(record, strict_json.dumps({"epoch": epoch, "metrics": measured}))


def _write(
    folder: Path,
    evaluation: Evaluation,
    evidence: Evidence,
    metrics: dict[str, float],
    reference: TrainingResult,
    first: TrainingResult,
) -> dict[str, Path]:
    """Tables, and the first trainings' pictures, by name."""
    data, epochs = evaluation.materials.data, first.epochs
    record = {
        "metrics": metrics,
        "factor_values": list(data.balanced.factor_values),
        "table": rgf_table.to_records(evidence.table),
    }
    curves = {"balanced": reference.epochs, "skewed": epochs}
    texts = {
        "config.yaml": evaluation.config.to_yaml(),
        "rgf_table.csv": rgf_table.to_csv(evidence.table),
        "rgf_table.json": strict_json.dumps(record, indent=1),
        "epochs.json": strict_json.dumps(curves),
        "copies.csv": copies_csv(evidence.copying_by_space.values()),
    }
    distances = {
        f"{kind}/{space}": getattr(copying, kind).astype(np.float32)
        for space, copying in evidence.copying_by_space.items()
        for kind in ("generated", "test")
    }
    for name, text in texts.items():
        outputs.write_text(folder / name, text)
    files = {name: folder / name for name in texts}
    files[DISTANCES] = archive.save(folder / DISTANCES, distances)
    files |= {
        path.name: path for path in (folder / BEST, *folder.glob("model-best.*")) if path.exists()
    }
    titled = {"balanced": reference.images, "skewed": evidence.images[:GRID_SIZE]}
    pictures = [figures.grids(folder / "samples.png", titled)]
    for name, images in titled.items():
        pictures.append(figures.grid(folder / f"samples-{name}.png", images))
    pictures.append(figures.grid(folder / "examples-skewed.png", data.skewed.images[:GRID_SIZE]))
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
