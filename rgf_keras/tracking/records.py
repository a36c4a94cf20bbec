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
from rgf_keras.masking import masked_value
from rgf_keras.metrics import rgf_table
from rgf_keras.metrics.rgf_table import Row
from rgf_keras.tracking.mlflow_names import ORIGINAL
from rgf_keras.tracking.mlflow_store import MlflowStore

Numbers = dict[str, float]
# Parts of metrics that every epoch logs, and that are no result.
TRAINING = ("epoch", "loss", "real_loss", "elbo")


class MissingRun(RgfError):
    """There is no run of an id, or no more."""


@dataclass(frozen=True)
class RunRecord:
    """A run in MLflow: an assessment, a score, or what a study's own function has logged.

    Attributes:
        label: what to call it.
        id: MLflow's.
        params: the configuration, by dotted key.
        tags: environment, and what the study said of it.
        status: MLflow's, e.g. ``"FINISHED"``.
    """

    label: str
    id: str
    params: dict[str, str]
    tags: dict[str, str]
    status: str
    _logged: Numbers
    _result: Numbers
    _store: MlflowStore = field(repr=False)

    @cached_property
    def files(self) -> set[str]:
        """The names of its files."""
        with _readable(self._store):
            return {file.path for file in self._store.client.list_artifacts(self.id)}

    def file(self, name: str) -> bytes | None:
        """A file's content; None if the run has no such file."""
        if name not in self.files:
            return None
        with tempfile.TemporaryDirectory() as folder:
            return self.download(name, Path(folder)).read_bytes()

    def download(self, name: str, folder: Path) -> Path:
        """Copy one of its ``files``, which may be a folder, into a folder; returns the copy."""
        with _readable(self._store):
            return Path(self._store.client.download_artifacts(self.id, name, str(folder)))

    def _json(self, name: str) -> dict[str, Any]:
        return json.loads(self.file(name) or b"{}")

    @cached_property
    def _assessment(self) -> dict[str, Any]:
        return self._json("rgf_table.json")

    @cached_property
    def metrics(self) -> Numbers:
        """The numbers of its result; those of a factor only if the images have one.

        Raises:
            RgfError: it has none: it did not finish, failed, or is the run of a whole study.
        """
        study, reason = self.tags.get("study"), self.tags.get("reason")
        reason = f"it is a whole study: rgf report {study}" if study else reason
        metrics = self._result or self._assessment.get("metrics")
        metrics = metrics or self._json("score.json").get("metrics") or {}
        metrics = {name: value for name, value in metrics.items() if value is not None}
        if not metrics and self.status == "FINISHED":
            names = (name for name in self._logged if name.split("/")[0] not in TRAINING)
            metrics = {name: self._logged[name] for name in names}
        if reason or not metrics:
            reason = reason or f"none was logged, and it is {self.status.lower()}"
            raise RgfError(f"run {self.label} holds no assessment, score or metrics: {reason}")
        if len(self.factor_values) == 1:
            coverage = "rgf/class_coverage"
            names = (name for name in metrics if name == coverage or not name.startswith("rgf/"))
            return {name: metrics[name] for name in names}
        return dict(metrics)

    @cached_property
    def minimize(self) -> str | None:
        """The objective of the study that it belongs to, if it does."""
        parent = self.tags.get("mlflow.parentRunId")
        if parent is None:
            return None
        with _readable(self._store):
            return self._store.client.get_run(parent).data.params.get("minimize")

    @cached_property
    def table(self) -> list[Row]:
        """The z-table; empty if there is none, or no factor that it could be about."""
        rows = self._assessment.get("table", [])
        return rgf_table.from_records(rows if len(self.factor_values) > 1 else [])

    @cached_property
    def factor_values(self) -> list[str]:
        """Names of the factor's values, the rare one last; numbers in old records."""
        rows = self._assessment.get("table") or [{"counts_r": []}]
        numbers = [str(i) for i in range(len(rows[0]["counts_r"]))]
        return self._assessment.get("factor_values", numbers)

    @cached_property
    def curves(self) -> dict[str, list[Numbers]]:
        """The logs of every epoch of the ``balanced`` and of the ``skewed`` training."""
        return self._json("epochs.json")


class Records:
    """The runs at an MLflow address.

    Raises:
        RgfError: the address is malformed, or cannot be read now.
    """

    def __init__(self, uri: str):
        self.store = MlflowStore(uri)

    def run(
        self, id: str, label: str | None = None, trial: tuple[Numbers, dict[str, Any]] = ({}, {})
    ) -> RunRecord:
        """A run by its id.

        Args:
            id: MLflow's, or ours of a run that was started while MLflow was away.
            label: what to call it; its name and the start of its id if None.
            trial: what its study knows of it: metrics of the result, and parameters, which are
                shown if no configuration was logged.

        Raises:
            MissingRun: there is none.
            RgfError: the address cannot be read.
        """
        with _readable(self.store, f"there is no run '{id}' in {self.store.place}"):
            there = self.store.find(id)
            if there is None:
                raise MissingRun(f"there is no run '{id}' in {self.store.place}")
            run = self.store.client.get_run(there)
        metrics, params = trial
        original = {
            tag.removeprefix(ORIGINAL): name
            for tag, name in run.data.tags.items()
            if tag.startswith(ORIGINAL)
        }

        def named(values: dict[str, Any]) -> dict[str, Any]:
            ours = ((original.get(name, name), value) for name, value in values.items())
            return {name: masked_value(name, x) if isinstance(x, str) else x for name, x in ours}

        return RunRecord(
            label or f"{run.info.run_name} {there[:8]}",
            there,
            {name: str(value) for name, value in named(run.data.params or params).items()},
            named(run.data.tags),
            run.info.status,
            named(run.data.metrics),
            metrics,
            self.store,
        )


@contextmanager
def _readable(store: MlflowStore, missing: str | None = None) -> Iterator[None]:
    try:
        yield
    except RgfError:
        raise
    except Exception as error:  # of HTTP libraries, database drivers, file systems
        code = getattr(error, "get_http_status_code", lambda: None)()
        if missing and code in (400, 404):
            raise MissingRun(missing) from error
        raise RgfError(f"cannot read {store.place} ({first_line(error, store.uri)})") from error
