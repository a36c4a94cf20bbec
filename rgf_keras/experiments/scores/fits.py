"""The fits behind a memorization score: trained, resumed, and kept one file each."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rgf_keras import archive
from rgf_keras.cache import key_of
from rgf_keras.config import ScoreConfig
from rgf_keras.datasets import Dataset
from rgf_keras.errors import RgfError
from rgf_keras.experiments.scores.folds import Fit, folds
from rgf_keras.models import GenerativeModel, LikelihoodModel, sample_uint8
from rgf_keras.training import Ensemble, Evaluate, ReportProgress, Trainer

CHECKPOINT_SECONDS = 30.0


@dataclass(frozen=True)
class Folder:
    """Results of fits that belong together.

    Args:
        path: made by :meth:`claim`.
        key: a hash of all that a fit depends on.
    """

    path: Path
    key: str

    def claim(self, description: dict[str, Any]) -> None:
        """Make the folder, or check that it is this one's.

        Raises:
            RgfError: it holds another configuration's results, or cannot be written.
        """
        record = self.path / "fits.json"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not record.exists():
                if any(self.path.glob("*.npz")):
                    raise RgfError(f"{self.path} holds other files; choose another folder")
                record.write_text(json.dumps({"key": self.key, **description}, indent=1))
            found = json.loads(record.read_text()).get("key")
        except (OSError, ValueError) as error:
            raise RgfError(f"cannot use {self.path} ({error}); choose another folder") from error
        if found != self.key:
            raise RgfError(
                f"{self.path} holds results of another configuration, data set or backend; "
                "choose another folder"
            )

    def file(self, fit: Fit) -> Path:
        return self.path / f"{fit.name}.npz"

    def checkpoints(self, group: Sequence[Fit]) -> Path:
        return self.path / "checkpoints" / f"{group[0].name}x{len(group)}"

    def finished(self, fit: Fit) -> bool:
        return self.file(fit).exists() and self.load(fit)[1]["finished"]

    def load(self, fit: Fit) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """A fit's arrays and header.

        Raises:
            RgfError: it is missing, damaged, or of another configuration.
        """
        arrays, header = archive.load(self.file(fit))
        if header.get("key") != self.key:
            raise RgfError(
                f"{self.file(fit)} belongs to another configuration, data set or backend; "
                "delete it or choose another folder"
            )
        return arrays, header

    def save(self, fit: Fit, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
        archive.save(self.file(fit), arrays, {"key": self.key, **header})


@dataclass(frozen=True)
class Fits:
    """Trains fits and writes what becomes of them.

    Args:
        config: what to train.
        images: to train on, and to take log p of.
        held_out: images of the same kind that no fit is trained on.
        folder: where results go.
    """

    config: ScoreConfig
    images: Dataset
    held_out: Dataset
    folder: Folder
    _trainers: dict[int, Trainer] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, config: ScoreConfig, images: Dataset, held_out: Dataset, path: Path) -> "Fits":
        """With a folder that is known to be this configuration's.

        Raises:
            RgfError: it is another configuration's.
        """
        description = {
            "config": config.fit_identity(),
            "images": images.fingerprint,
            "held_out": held_out.fingerprint,
            "backend": keras.backend.backend(),
        }
        folder = Folder(path, key_of(description))
        folder.claim(description)
        return cls(config, images, held_out, folder)

    def steps(self, group: Sequence[Fit]) -> int:
        """Training steps of a group."""
        return (
            len(self._rows(group[0]))
            // self.config.training.batch_size
            * (self.config.training.epochs)
        )

    def finished(self, group: Sequence[Fit]) -> bool:
        return all(self.folder.finished(fit) for fit in group)

    def train(self, group: Sequence[Fit], progress: Callable[[int, int], None]) -> None:
        """Train a group at once, from its checkpoint if there is one.

        Raises:
            Diverged: a loss is not finite.
        """
        trainer = self._trainer(group)
        callbacks: list[keras.callbacks.Callback] = [ReportProgress(progress)]
        if group[0].fold is None:
            callbacks.append(Evaluate(self._elbo, every=1))
        record = _Record(self, trainer, group)
        trainer.fit(self.config.training.epochs, [*callbacks, record])
        for fit in group:
            arrays, header = self.folder.load(fit)
            if fit.fold is None:
                arrays["samples"] = self._samples(trainer)
            self.folder.save(fit, arrays, {**header, "finished": True})
        shutil.rmtree(self.folder.checkpoints(group), ignore_errors=True)

    def log_prob(self, model: LikelihoodModel, fit: Fit, epoch: int) -> np.ndarray:
        """log p of all images, (n,) float32. Every fit and epoch draws anew, as the paper does."""
        seed = fit.seed(self.config.seed, epoch)
        return model.log_prob(self.images.images, self.config.num_samples, seed)

    def _trainer(self, group: Sequence[Fit]) -> Trainer:
        """A trainer at the beginning of a group or where it was left; compiled once per size."""
        seeds = [fit.seed(self.config.seed) for fit in group]
        rows = [self._rows(fit) for fit in group]
        models = (self._build(seed) for seed in seeds)
        checkpoints = self.folder.checkpoints(group)
        known = self._trainers.get(len(group))
        if isinstance(known, Ensemble):
            known.restart_all(models, seeds, rows, checkpoints)
        elif known:
            known.restart(next(models), seeds[0], rows[0], checkpoints)
        else:
            self._trainers[len(group)] = self._new_trainer(models, seeds, rows, checkpoints)
        return self._trainers[len(group)]

    def _new_trainer(
        self,
        models: Iterator[GenerativeModel],
        seeds: list[int],
        rows: list[np.ndarray],
        checkpoints: Path,
    ) -> Trainer:
        training = self.config.training
        data = {"images": self.images.images}
        optimizers = training.build_optimizers([p.name for p in self._build(0).players()])
        options: dict[str, Any] = {
            "batch_size": training.batch_size,
            "turns": training.player_turns,
            "privacy": training.privacy.build(),
            "ema_decay": training.ema_decay,
            "ema_start": training.ema_start,
            "checkpoint_dir": checkpoints,
            "checkpoint_seconds": CHECKPOINT_SECONDS * len(seeds),  # as large as it has members
        }
        if len(seeds) > 1:
            return Ensemble(models, data, optimizers, seeds, rows, **options)
        return Trainer(next(models), data, optimizers, seed=seeds[0], rows=rows[0], **options)

    def _build(self, seed: int) -> GenerativeModel:
        images = self.images
        return self.config.model.build(images.image_shape, images.num_classes, seed)

    def held_out_of(self, fit: Fit) -> np.ndarray:
        """(n,) booleans: which images a fit does not see."""
        if fit.fold is None:
            return np.zeros(len(self.images), bool)
        return folds(self.config, self.images.labels, fit.repeat) == fit.fold

    def _rows(self, fit: Fit) -> np.ndarray:
        return np.flatnonzero(~self.held_out_of(fit))

    def _elbo(self, model: LikelihoodModel) -> dict[str, float]:
        """Mean ELBO in nats of as many training images as there are held-out ones, and of these."""
        train, held_out = self._equally_many
        return {
            "elbo/train": float(model.log_prob(train, num_samples=1).mean()),
            "elbo/held_out": float(model.log_prob(held_out, num_samples=1).mean()),
        }

    @cached_property
    def _equally_many(self) -> tuple[np.ndarray, np.ndarray]:
        num = min(len(self.images), len(self.held_out))
        return self.images.images[:num], self.held_out.images[:num]

    def _samples(self, trainer: Trainer) -> np.ndarray:
        """Images (m, H, W, C) uint8 as the model on all data draws them, as many as held out."""
        with trainer.averaged_weights():
            return sample_uint8(trainer.model, len(self.held_out), self.config.seed)


class _Record(keras.callbacks.Callback):
    """Writes log p of all images, and the losses so far, at the chosen epochs."""

    def __init__(self, fits: Fits, trainer: Trainer, group: Sequence[Fit]):
        super().__init__()
        self.fits, self.trainer, self.group = fits, trainer, group

    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 not in self.fits.config.scored_epochs:
            return
        curves = [*self.trainer.history.epochs, logs] if self.group[0].fold is None else []
        for fit, trace in zip(self.group, self.trainer.members(), strict=True):
            log_prob = self.fits.log_prob(self.trainer.model, fit, epoch + 1)
            before = self._before(fit, epoch + 1)
            arrays = {
                "log_probs": np.stack([*before.values(), log_prob.astype(np.float32)]),
                "epochs": np.array([*before, epoch + 1]),
                "held_out": self.fits.held_out_of(fit),
                "losses": trace.reshape(epoch + 1, -1, trace.shape[-1]).mean(axis=1),
            }
            header = {
                "fit": [fit.repeat, fit.fold],
                "finished": False,
                "members": len(self.group),
                "loss_names": self.trainer.metric_names,
                "curves": curves,
            }
            self.fits.folder.save(fit, arrays, header)

    def _before(self, fit: Fit, epoch: int) -> dict[int, np.ndarray]:
        """What was recorded at earlier epochs; later ones are of a run that was killed."""
        if epoch == self.fits.config.scored_epochs[0]:
            return {}
        arrays = self.fits.folder.load(fit)[0]
        found = zip(arrays["epochs"].tolist(), arrays["log_probs"], strict=True)
        return {known: log_prob for known, log_prob in found if known < epoch}
