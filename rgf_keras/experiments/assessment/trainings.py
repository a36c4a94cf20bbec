"""The trainings of an assessment: seeds of the reference and of the model under test.

Each is kept under all that it depends on and resumes from a checkpoint of its own, so that asking
for more trains what is missing. Data and oracles are those of the configuration's seed for all:
what is planted is the data, what varies is the training. The first training has that seed too, so
that what was kept when there was one is found; the others have the seeds after it.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from rgf_keras.cache import Arrays, Cache, key_of
from rgf_keras.config import AssessConfig
from rgf_keras.experiments.assessment.materials import (
    GRID_SIZE,
    Materials,
    prepare,
    real_loss_callbacks,
)
from rgf_keras.experiments.assessment.models import build_ensemble, build_model, draw_samples
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.runtime.workers import WorkersSpec, run_all
from rgf_keras.training import ForEachMember, ReportProgress

Side = Literal["balanced", "skewed"]
ALONE = WorkersSpec()


@dataclass(frozen=True)
class TrainingResult:
    """What a training came to.

    Attributes:
        counts: (rows, V) of its samples by class, and all together, and by value of the factor.
        images: (m, H, W, C) uint8, its samples; of a reference the first ones.
        epochs: its history.
        weights: of the model that was sampled; none of a reference.
    """

    counts: np.ndarray
    images: np.ndarray
    epochs: list[dict[str, float]]
    weights: list[np.ndarray]

    def arrays(self) -> Arrays:
        """What is kept of it."""
        curves = json.dumps(self.epochs).encode()
        return {
            "counts": self.counts,
            "images": self.images,
            "epochs": np.frombuffer(curves, np.uint8),
            **{f"weight/{i:05d}": weight for i, weight in enumerate(self.weights)},
        }

    @classmethod
    def of(cls, arrays: Arrays) -> "TrainingResult":
        """What was kept."""
        names = sorted(name for name in arrays if name.startswith("weight/"))
        epochs = json.loads(arrays["epochs"].tobytes())
        return cls(arrays["counts"], arrays["images"], epochs, [arrays[name] for name in names])


@dataclass(frozen=True)
class Trainings:
    """Trains the models of an assessment, or finds what they came to.

    Those of the reference are kept in the cache that all assessments share, those of the model
    under test in the folder, with all their samples and the model.

    Attributes:
        config: what is assessed.
        materials: what its models share.
        folder: of the assessment.
        progress: is told how far the work is.
    """

    config: AssessConfig
    materials: Materials
    folder: Path
    progress: Progress = SILENT

    def get(self, side: Side, numbers: Sequence[int]) -> list[TrainingResult]:
        """Trainings by their numbers, trained if need be.

        Raises:
            Diverged: a loss is not finite.
        """
        if len(missing := self.missing(side, numbers)) > 1 and self._fit_one_program(side):
            self._train_at_once(side, missing)
        cache, kind = self._kept(side)
        return [
            TrainingResult.of(
                cache.get(kind, self._description(side, n), partial(self._train, side, n))
            )
            for n in numbers
        ]

    def find(self, side: Side, number: int) -> TrainingResult | None:
        """A training that is kept."""
        cache, kind = self._kept(side)
        arrays = cache.load(kind, self._description(side, number))
        return TrainingResult.of(arrays) if arrays else None

    def keep(
        self,
        side: Side,
        number: int,
        model: keras.Model,
        images: np.ndarray,
        epochs: list[dict[str, float]],
    ) -> TrainingResult:
        """Keep what a training came to."""
        cache, kind = self._kept(side)
        trained = self._trained(side, model, images, epochs)
        cache.store(kind, self._description(side, number), trained.arrays())
        return trained

    def missing(self, side: Side, numbers: Sequence[int]) -> list[int]:
        """Those that are still to be trained."""
        cache, kind = self._kept(side)
        return [n for n in numbers if not cache.path(kind, self._description(side, n)).exists()]

    def spread(self, wanted: Mapping[Side, Sequence[int]], resources: WorkersSpec) -> None:
        """Train what is missing in processes of their own, or on a cluster that shares folders.

        Raises:
            RgfError: what a training raises, or processes keep dying.
        """
        tasks = [(side, n) for side, numbers in wanted.items() for n in self.missing(side, numbers)]
        if not tasks:
            return
        shared = self.config, self.folder, self.materials.cache.folder
        with closing(resources.open(_train_in_worker, shared, reuse=True)) as workers:
            for _ in run_all(workers, tasks, lambda task: self.progress, lambda task: _name(*task)):
                pass

    def model(self, trained: TrainingResult) -> keras.Model:
        """The model under test as it was sampled."""
        model = build_model(self.config, self.materials.data.skewed)
        model.set_weights(trained.weights)
        return model

    def checkpoints(self, side: Side, number: int) -> Path:
        """Where a training is while it is under way."""
        cache, _ = self._kept(side)
        if side == "balanced":
            return cache.folder / f"reference-{key_of(self._description(side, number))}.partial"
        suffix = f"-{number}" if number else ""
        return self.folder / f"training-{self.config.of_one_training().key}{suffix}"

    def _kept(self, side: Side) -> tuple[Cache, str]:
        if side == "balanced":
            return self.materials.cache, "reference"
        return Cache(self.folder / "trainings", bounded=False), "training"

    def _chosen(self, side: Side, number: int) -> AssessConfig:
        """What is trained."""
        is_shared = side == "balanced" and self.config.evaluation.reference == "shared"
        return (self.config.unmitigated() if is_shared else self.config).of_training(number)

    def _description(self, side: Side, number: int) -> dict[str, Any]:
        # All of the configuration but the data, which the fingerprints stand for, and how results
        # are evaluated: a mitigation that is added belongs to the key by itself.
        identity = self._chosen(side, number).identity()
        data, evaluation = self.materials.data, self.config.evaluation
        description = {
            "config": {name: identity[name] for name in identity.keys() - {"data", "evaluation"}},
            "samples": [evaluation.num_samples, evaluation.fast],
            side: getattr(data, side).fingerprint,
            "held_out": data.held_out.fingerprint,
            "rare_class": self.config.data.rare_class,
            "backend": keras.backend.backend(),
            "keras": keras.__version__,
        }
        return description | ({"training": number} if number else {})

    def _train(self, side: Side, number: int) -> Arrays:
        config, materials = self._chosen(side, number), self.materials
        checkpoints = self.checkpoints(side, number)
        trainer = materials.trainer(config, getattr(materials.data, side), checkpoints)
        name = _name(side, number)
        callbacks = [
            *real_loss_callbacks(trainer.model, materials.data.held_out, config),
            ReportProgress(self.progress.task(name)),
        ]
        trainer.fit(config.training.epochs, callbacks)
        with trainer.averaged_weights():
            images = draw_samples(trainer.model, config, self.progress.task(f"samples of {name}"))
            trained = self._trained(side, trainer.model, images, trainer.history.epochs)
        shutil.rmtree(checkpoints, ignore_errors=True)
        return trained.arrays()

    def _trained(
        self, side: Side, model: keras.Model, images: np.ndarray, epochs: list[dict[str, float]]
    ) -> TrainingResult:
        counts = self.materials.count(self.materials.oracles.label(images))
        if side == "balanced":
            return TrainingResult(counts, images[:GRID_SIZE], epochs, [])
        return TrainingResult(counts, images, epochs, model.get_weights())

    def _fit_one_program(self, side: Side) -> bool:
        """Whether several trainings are faster as one program: on JAX with an accelerator.

        Guests' models and what is trained with a mitigation are trained one after the other.
        """
        config = self._chosen(side, 0)
        return (
            keras.backend.backend() == "jax"
            and _has_accelerator()
            and not any(mitigation.active for _, mitigation in config.mitigations())
            and not config.training.privacy.active
            and config.model.family != "custom"
        )

    def _train_at_once(self, side: Side, numbers: Sequence[int]) -> None:
        configs = [self._chosen(side, number) for number in numbers]
        dataset = getattr(self.materials.data, side)
        checkpoints = self.checkpoints(side, numbers[0]).with_suffix(f".x{len(numbers)}")
        cache, kind = self._kept(side)
        with cache.lock(kind, {"trainings": [self._description(side, n) for n in numbers]}):
            if self.missing(side, numbers) != list(numbers):
                return  # another process was at it
            trainer = build_ensemble(configs, dataset, checkpoints)
            name = f"{len(numbers)} models on {side} data"
            curves = real_loss_callbacks(trainer.model, self.materials.data.held_out, configs[0])
            callbacks = [ForEachMember(trainer, curves), ReportProgress(self.progress.task(name))]
            epochs = trainer.fit(configs[0].training.epochs, callbacks).epochs
            for i, trace in enumerate(trainer.members()):
                means = trace.reshape(len(epochs), -1, trace.shape[-1]).mean(axis=1).tolist()
                own = [
                    dict(zip(trainer.metric_names, mean, strict=True)) | _of_member(i, logs)
                    for mean, logs in zip(means, epochs, strict=True)
                ]
                task = self.progress.task(f"samples of {_name(side, numbers[i])}")
                images = draw_samples(trainer.model, configs[i], task)
                self.keep(side, numbers[i], trainer.model, images, own)
        shutil.rmtree(checkpoints, ignore_errors=True)


def _name(side: Side, number: int) -> str:
    return f"model on {side} data{f', training {number + 1}' if number else ''}"


def _of_member(number: int, logs: Mapping[str, float]) -> dict[str, float]:
    """What :class:`ForEachMember` added for one member."""
    start = f"{number}/"
    return {name.removeprefix(start): x for name, x in logs.items() if name.startswith(start)}


def _has_accelerator() -> bool:
    return any(not device.startswith("cpu") for device in keras.distribution.list_devices())


def _train_in_worker(
    shared: tuple[AssessConfig, Path, Path], task: tuple[Side, int], progress: Progress
) -> None:
    """Train one of an assessment's models in a process that knows nothing of it yet."""
    config, folder, cache = shared
    side, number = task
    Trainings(config, prepare(config, Cache(cache)), folder, progress).get(side, [number])
