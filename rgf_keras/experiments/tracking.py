"""Where results are recorded: MLflow, or memory in tests."""

import logging
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from rgf_keras.errors import RgfError


class Run(Protocol):
    """One record: a study, a trial or an assessment."""

    id: str

    def log_params(self, params: Mapping[str, Any]) -> None: ...

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None: ...

    def log_artifact(self, path: Path) -> None: ...

    def set_tags(self, tags: Mapping[str, Any]) -> None: ...

    def finish(self, status: str = "FINISHED") -> None: ...

    def last_step(self, metric: str) -> int:
        """The last step at which a metric was logged, 0 if never."""


class Tracker(Protocol):
    """Starts records."""

    def start(
        self, name: str, tags: Mapping[str, Any], parent: str | None = None, id: str | None = None
    ) -> Run:
        """A new record, or the one with this ``id`` to go on with."""


@dataclass
class MemoryRun:
    """A record that is gone with the process."""

    id: str
    name: str
    parent: str | None
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    status: str = "RUNNING"

    def log_params(self, params):
        self.params.update(params)

    def log_metrics(self, metrics, step=0):
        for name, value in metrics.items():
            self.metrics.setdefault(name, []).append((step, value))

    def log_artifact(self, path):
        self.artifacts[Path(path).name] = Path(path).read_bytes()

    def set_tags(self, tags):
        self.tags.update({name: str(value) for name, value in tags.items()})

    def finish(self, status="FINISHED"):
        self.status = status

    def last_step(self, metric):
        return max((step for step, _ in self.metrics.get(metric, [])), default=0)


class MemoryTracker:
    """Records in memory."""

    def __init__(self):
        self.runs: dict[str, MemoryRun] = {}

    def start(self, name, tags, parent=None, id=None):
        run = self.runs.get(id) or MemoryRun(str(len(self.runs)), name, parent)
        run.set_tags(tags)
        self.runs[run.id] = run
        return run


class MlflowRun:
    """A record in MLflow, written through the client: no global active run."""

    def __init__(self, client, id: str):
        self.client, self.id = client, id

    def log_params(self, params):
        from mlflow.entities import Param

        known = self.client.get_run(self.id).data.params
        new = [Param(name, str(value)) for name, value in params.items() if name not in known]
        for first in range(0, len(new), 100):  # the server's limit per call
            self.client.log_batch(self.id, params=new[first : first + 100])

    def log_metrics(self, metrics, step=0):
        from mlflow.entities import Metric
        from mlflow.utils.time import get_current_time_millis

        now = get_current_time_millis()
        values = [Metric(name, float(value), now, step) for name, value in metrics.items()]
        self.client.log_batch(self.id, metrics=values)

    def log_artifact(self, path):
        self.client.log_artifact(self.id, str(path))

    def set_tags(self, tags):
        from mlflow.entities import RunTag

        self.client.log_batch(self.id, tags=[RunTag(name, str(tags[name])) for name in tags])

    def finish(self, status="FINISHED"):
        self.client.set_terminated(self.id, status)

    def last_step(self, metric):
        history = self.client.get_metric_history(self.id, metric)
        return max((entry.step for entry in history), default=0)


class MlflowTracker:
    """Records in an MLflow experiment.

    Args:
        uri: tracking URI, e.g. ``sqlite:///mlruns/mlflow.db`` or ``http://127.0.0.1:5000``.
        experiment: made if it does not exist.
        artifacts: folder for the artifacts of a new experiment; the server's choice if None.

    Raises:
        RgfError: the store cannot be reached or written.
    """

    def __init__(self, uri: str, experiment: str, artifacts: Path | None = None):
        # Two tries instead of minutes of them: a wrong address should be told at once.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            self.client = mlflow.MlflowClient(tracking_uri=uri)
            found = self.client.get_experiment_by_name(experiment)
            location = artifacts.resolve().as_uri() if artifacts else None
            self.experiment_id = (
                found.experiment_id
                if found
                else self.client.create_experiment(experiment, artifact_location=location)
            )
        except Exception as error:  # MLflow wraps each store's own exceptions differently
            raise RgfError(
                f"cannot open the MLflow store {uri} ({first_line(error)}); "
                "check the address and that it can be written"
            ) from error

    def start(self, name, tags, parent=None, id=None):
        if id:
            self.client.update_run(id, status="RUNNING")
            run = MlflowRun(self.client, id)
        else:
            links = {"mlflow.parentRunId": parent} if parent else {}
            created = self.client.create_run(self.experiment_id, tags=links, run_name=name)
            run = MlflowRun(self.client, created.info.run_id)
        run.set_tags(tags)
        return run


def environment_tags() -> dict[str, str]:
    """What a result depends on beside its configuration: backend, versions, git commit."""
    import keras

    backend = keras.backend.backend()
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "backend": backend,
        "version/python": platform.python_version(),
        "version/keras": keras.__version__,
        f"version/{backend}": metadata.version(backend),
        "version/rgf_keras": metadata.version("rgf_keras"),
        "git_commit": commit.stdout.strip() or "unknown",
    }


def first_line(error: BaseException) -> str:
    """An exception's message, cut to one short line."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
