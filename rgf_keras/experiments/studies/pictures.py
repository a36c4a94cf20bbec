"""Trials' pictures in Optuna's artifact store, where its dashboard shows them."""

import logging
import shutil
from pathlib import Path

import optuna
from optuna.artifacts import FileSystemArtifactStore, upload_artifact

from rgf_keras import outputs
from rgf_keras.experiments.studies.optuna_adapter import artifact_ids

FOLDER = "pictures"  # of a workspace
logger = logging.getLogger(__name__)


class Pictures:
    """Keeps pictures of trials. What cannot be written is told once, and no trial is lost by it.

    Args:
        folder: of the store.
    """

    def __init__(self, folder: Path):
        self.folder, self._store, self._is_told = folder, FileSystemArtifactStore(folder), False

    def keep(self, trial: optuna.Trial, path: Path, name: str) -> None:
        """Keep a picture under a name, in place of one that the trial has of that name."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # Optuna notes a picture before it writes it: a full disk is to be met before.
            with outputs.scratch(self.folder) as folder:
                copy = shutil.copyfile(path, folder / name)
                if known := artifact_ids(trial).get(name):
                    with open(copy, "rb") as file:
                        self._store.write(known, file)
                else:
                    upload_artifact(
                        artifact_store=self._store, file_path=str(copy), study_or_trial=trial
                    )
        except OSError as error:
            if not self._is_told:
                place = f"{self.folder} cannot be written ({error.strerror or error})"
                logger.warning("Optuna's dashboard will lack pictures of trials: %s", place)
            self._is_told = True
