"""What MLflow holds of runs, read back for reports."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from rgf_keras.errors import RgfError, first_line
from rgf_keras.metrics import rgf_table
from rgf_keras.metrics.rgf_table import Row
from rgf_keras.tracking.mlflow_tracker import MlflowStore
from rgf_keras.tracking.tracker import masked

Epochs = list[dict[str, float]]


@dataclass(frozen=True)
class Recorded:
    """An assessment in MLflow.

    Args:
        label: what to call it.
        id: MLflow's.
        params: the configuration, by dotted key.
        metrics: last values.
        tags: environment and what the study said of it.
    """

    label: str
    id: str
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str]
    _store: MlflowStore = field(repr=False)

    def file(self, name: str) -> bytes | None:
        """A file's content; None if the run has no such file."""
        with _readable(self._store):
            known = {file.path for file in self._store.client.list_artifacts(self.id)}
            if name not in known:
                return None
            with tempfile.TemporaryDirectory() as folder:
                path = self._store.client.download_artifacts(self.id, name, folder)
                return Path(path).read_bytes()

    @cached_property
    def _content(self) -> dict[str, Any] | None:
        text = self.file("rgf_table.json")
        return None if text is None else json.loads(text)

    @property
    def is_assessment(self) -> bool:
        """Whether there is a z-table."""
        return self._content is not None

    @property
    def _assessment(self) -> dict[str, Any]:
        if self._content is None:
            raise RgfError(
                f"run {self.label} holds no assessment: it did not finish, or is no trial"
            )
        return self._content

    @cached_property
    def table(self) -> list[Row]:
        """The z-table."""
        return rgf_table.from_records(self._assessment["table"])

    @property
    def factor_values(self) -> list[str]:
        """Names of the factor's values, the rare one last; numbers in old records."""
        num_values = len(self.table[0].counts_r)
        return self._assessment.get("factor_values", [str(i) for i in range(num_values)])

    @cached_property
    def curves(self) -> dict[str, Epochs]:
        """What every epoch of the ``balanced`` and of the ``skewed`` training logged."""
        return json.loads(self.file("epochs.json") or b"{}")


class Records:
    """The runs at an MLflow address.

    Raises:
        RgfError: the address is malformed, or cannot be read now.
    """

    def __init__(self, uri: str):
        self.store = MlflowStore(uri)

    def run(self, id: str, label: str | None = None) -> Recorded:
        """A run by its id.

        Raises:
            RgfError: there is none.
        """
        with _readable(self.store, f"there is no run '{id}' in {self.store.place}"):
            there = self.store.find(id)
            if there is None:
                raise RgfError(f"there is no run '{id}' in {self.store.place}")
            run = self.store.client.get_run(there)
        name = label or f"{run.info.run_name} {there[:8]}"
        return Recorded(name, there, run.data.params, run.data.metrics, run.data.tags, self.store)


@contextmanager
def _readable(store: MlflowStore, missing: str | None = None) -> Iterator[None]:
    try:
        yield
    except RgfError:
        raise
    except Exception as error:  # of HTTP libraries, database drivers, file systems
        code = getattr(error, "get_http_status_code", lambda: None)()
        if missing and code in (400, 404):
            raise RgfError(missing) from error
        raise RgfError(f"cannot read {store.place} ({masked(first_line(error))})") from error
