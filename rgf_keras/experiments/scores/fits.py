"""The fits behind a memorization score: trained, resumed, and kept one file each."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rgf_keras import archive, outputs, strict_json
from rgf_keras.cache import key_of
from rgf_keras.config import ScoreConfig
from rgf_keras.datasets import Dataset
from rgf_keras.errors import RgfError
from rgf_keras.experiments.scores.folds import Fit, Group, folds
from rgf_keras.models import GenerativeModel, LikelihoodModel, sample_uint8
from rgf_keras.training import Ensemble, Evaluate, ReportProgress, Trainer

CHECKPOINT_SECONDS = 30.0


@dataclass(frozen=True)
class Folder:
    """Results of fits that belong together.

    Attributes:
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
                if any(self.path.glob("[!.]*.npz")):
                    raise RgfError(f"{self.path} holds other files; choose another folder")
                text = strict_json.dumps({"key": self.key, **description}, indent=1)
                outputs.write_text(record, text)
            key = json.loads(record.read_text()).get("key")
        except (OSError, ValueError) as error:
            raise RgfError(f"cannot use {self.path} ({error}); choose another folder") from error
        if key != self.key:
            raise RgfError(
                f"{self.path} holds results of another configuration, data set or backend; "
                "choose another folder"
            )

    def file(self, fit: Fit) -> Path:
        return self.path / f"{fit.name}.npz"

    def checkpoints(self, group: Group) -> Path:
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
                "choose another folder"
            )
        return arrays, header

    def save(self, fit: Fit, arrays: dict[str, np.ndarray], header: dict[str, Any]) -> None:
        archive.save(self.file(fit), arrays, {"key": self.key, **header})


@dataclass(frozen=True)
class Fits:
    """What trains fits, and keeps what they say of all images.

    Attributes:
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
        """Make or find the folder, which must be this configuration's.

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

    def steps(self, group: Group) -> int:
        """Training steps of a group."""
        training = self.config.training
        return len(self._rows(group[0])) // training.images_per_step * training.epochs

    def finished(self, group: Group) -> bool:
        return all(self.folder.finished(fit) for fit in group)

    def train(self, group: Group, progress: Callable[[int, int], None]) -> None:
        """Train a group at once, from its checkpoint if there is one.

        Raises:
            Diverged: a loss is not finite.
        """
        trainer = self._trainer(group)
        record = keras.callbacks.LambdaCallback(on_epoch_end=partial(self._record, trainer, group))
        elbo = [Evaluate(self._elbo, every=1)] if group[0].fold is None else []
        trainer.fit(self.config.training.epochs, [ReportProgress(progress), *elbo, record])
        for fit in group:
            arrays, header = self.folder.load(fit)
            if fit.fold is None:
                arrays["samples"] = self._samples(trainer)
            self.folder.save(fit, arrays, {**header, "finished": True})
        shutil.rmtree(self.folder.checkpoints(group), ignore_errors=True)

    def _record(self, trainer: Trainer, group: Group, epoch: int, logs: dict[str, float]) -> None:
        """Write log p of all images, and the losses so far, if the epoch is one of the chosen.

        Every fit and epoch draws anew, as the paper does.
        """
        if epoch + 1 not in self.config.scored_epochs:
            return
        curves = [*trainer.history.epochs, logs] if group[0].fold is None else []
        for fit, trace in zip(group, trainer.members(), strict=True):
            seed = fit.seed(self.config.seed, epoch + 1)
            log_prob = trainer.model.log_prob(self.images.images, self.config.num_samples, seed)
            earlier = self._earlier(fit, epoch + 1)
            arrays = {
                "log_probs": np.stack([*earlier.values(), log_prob.astype(np.float32)]),
                "epochs": np.array([*earlier, epoch + 1]),
                "held_out": self._held_out(fit),
                "losses": trace.reshape(epoch + 1, -1, trace.shape[-1]).mean(axis=1),
            }
            header = {
                "fit": [fit.repeat, fit.fold],
                "finished": False,
                "members": len(group),
                "loss_names": trainer.metric_names,
                "curves": curves,
            }
            self.folder.save(fit, arrays, header)

    def _earlier(self, fit: Fit, epoch: int) -> dict[int, np.ndarray]:
        """log p as recorded at earlier epochs; later ones are of a run that was killed."""
        if epoch == self.config.scored_epochs[0]:
            return {}
        arrays = self.folder.load(fit)[0]
        recorded = zip(arrays["epochs"].tolist(), arrays["log_probs"], strict=True)
        return {known: log_prob for known, log_prob in recorded if known < epoch}

    def _trainer(self, group: Group) -> Trainer:
        """A trainer at the beginning of a group or where it was left; compiled once per size."""
        models = (self._build(fit.seed(self.config.seed)) for fit in group)
        seeds = [fit.seed(self.config.seed) for fit in group]
        rows = [self._rows(fit) for fit in group]
        folder = self.folder.checkpoints(group)
        trainer = self._trainers.get(len(group))
        if isinstance(trainer, Ensemble):
            trainer.restart_all(models, seeds, rows, folder)
        elif trainer:
            trainer.restart(next(models), seeds[0], rows[0], folder)
        elif len(group) > 1:
            trainer = Ensemble(models, seeds=seeds, rows=rows, **self._options(folder, len(group)))
        else:
            trainer = Trainer(next(models), seed=seeds[0], rows=rows[0], **self._options(folder, 1))
        self._trainers[len(group)] = trainer
        return trainer

    def _options(self, checkpoints: Path, num_members: int) -> dict[str, Any]:
        """A new trainer's arguments that do not depend on the fit."""
        training, model = self.config.training, self._build(0)
        return {
            "data": {"images": self.images.images},
            "optimizers": training.build_optimizers([p.name for p in model.players()]),
            "regularizers": self.config.model.regularizers(model),
            "batch_size": training.batch_size,
            "turns": training.player_turns,
            "privacy": training.privacy.build(),
            "ema_decay": training.ema_decay,
            "ema_start": training.ema_start,
            "checkpoint_dir": checkpoints,
            "checkpoint_seconds": CHECKPOINT_SECONDS * num_members,  # as large as it has members
        }

    def _build(self, seed: int) -> GenerativeModel:
        return self.config.model.build(self.images.image_shape, self.images.num_classes, seed)

    def _held_out(self, fit: Fit) -> np.ndarray:
        """(n,) booleans: which images a fit does not see."""
        if fit.fold is None:
            return np.zeros(len(self.images), bool)
        return folds(self.config, self.images.labels, fit.repeat) == fit.fold

    def _rows(self, fit: Fit) -> np.ndarray:
        return np.flatnonzero(~self._held_out(fit))

    def _elbo(self, model: LikelihoodModel) -> dict[str, float]:
        """Mean ELBO in nats of as many training images as there are held-out ones, and of these."""
        num = min(len(self.images), len(self.held_out))
        return {
            f"elbo/{name}": float(model.log_prob(images[:num], num_samples=1).mean())
            for name, images in (("train", self.images.images), ("held_out", self.held_out.images))
        }

    def _samples(self, trainer: Trainer) -> np.ndarray:
        """Images (m, H, W, C) uint8 of the model of all data, as many as are held out."""
        with trainer.averaged_weights():
            return sample_uint8(trainer.model, len(self.held_out), self.config.seed)
