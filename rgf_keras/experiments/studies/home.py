"""A study's folder is its own: one name in one workspace is one study, in one storage."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from rgf_keras import outputs, strict_json
from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies.optuna_adapter import quiet
from rgf_keras.experiments.studies.storage import MOVED, place_of
from rgf_keras.runtime import locks

ID = "id"  # the attribute that tells a study from all others


@contextmanager
def claimed(folder: Path, storage: BaseStorage, name: str) -> Iterator[None]:
    """Make a folder that of a study which is begun, or has been, inside.

    Args:
        folder: for the study's files.
        storage: where the study is or will be; nobody else begins it there meanwhile.
        name: of the study.

    Raises:
        RgfError: the folder is another study's, or the study was moved to another storage.
    """
    record = folder / "storage.json"
    with locks.exclusive(folder / "storage.lock"):
        known = _attributes(storage, name)
        if MOVED in known:
            raise RgfError(
                f"study '{name}' was moved to {known[MOVED]} for several workers; the same command "
                "continues it there"
            )
        owner = json.loads(record.read_text()) if record.exists() else None
        if owner and owner[ID] != known.get(ID):
            raise RgfError(
                f"{folder} belongs to the study of this name in {owner['storage']}, not to one in "
                f"{place_of(storage)}; give that --storage, another --name or --workspace, or move "
                "the folder away"
            )
        yield
        with quiet():
            study = optuna.load_study(study_name=name, storage=storage)
        if ID not in known:
            study.set_user_attr(ID, uuid.uuid4().hex)
        if owner is None:
            kept = {ID: study.user_attrs[ID], "storage": place_of(storage)}
            outputs.write_text(record, strict_json.dumps(kept))


def _attributes(storage: BaseStorage, name: str) -> dict[str, str]:
    """What is known of a study; nothing if it is not there."""
    if name not in optuna.get_all_study_names(storage):
        return {}
    return optuna.load_study(study_name=name, storage=storage).user_attrs
