"""Records in MLflow, through a spool: training does not wait for MLflow, and never ends with it."""

import logging
import os
import shlex
import time
import uuid
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rgf_keras import outputs
from rgf_keras.cache import key_of
from rgf_keras.errors import RgfError, first_line
from rgf_keras.masking import masked
from rgf_keras.tracking.mlflow_names import (
    MAX_PARAM,
    MAX_TAG,
    ORIGINAL,
    allowed_key,
    allowed_name,
    allowed_value,
)
from rgf_keras.tracking.sender import Sender, Tell
from rgf_keras.tracking.spool import Backlog, Batch, Point, Refusal, Spool, SpooledRun, Unreachable
from rgf_keras.tracking.tracker import Tracker

# A run that was started while MLflow was unreachable has an id of ours, and this tag in MLflow.
LOCAL, ID_TAG = "local-", "rgf.id"
SERVERS = ("http", "https", "postgresql", "mysql", "mssql")
PER_CALL = {"params": 100, "tags": 100, "metrics": 1000}  # the server's limits
REFUSALS = (400, 404)
# Unless the environment says otherwise. The spool tries again, so that MLflow need not for minutes.
VARIABLES = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


class Deleted(Refusal):
    """The experiment was deleted in MLflow, which keeps it until it is restored."""


class MlflowStore:
    """MLflow at an address, as the destination of a spool. ``close()`` restores MLflow's settings.

    Args:
        uri: tracking URI, e.g. ``sqlite:///mlruns/mlflow.db`` or ``http://127.0.0.1:5000``.

    Raises:
        RgfError: the address is malformed.
    """

    def __init__(self, uri: str):
        self.uri, self.place = uri, f"MLflow at {masked(uri, uri)}"
        self.is_server = _is_server(uri)
        settings = ExitStack()
        settings.enter_context(_settings())
        self.close = weakref.finalize(self, settings.close)
        import mlflow

        try:
            self.client = mlflow.MlflowClient(tracking_uri=uri)
        except Exception as error:  # MLflow wraps each store's own exceptions differently
            raise self.unusable(error) from error
        self._new: set[str] = set()
        self._ids: dict[str, str] = {}
        self._steps: dict[str, dict[str, set[int]]] = {}

    def experiment(self, name: str, artifacts: str | None) -> str:
        """The id of an experiment, which is made if it does not exist."""
        with _translated_errors(self.uri):
            known = self.client.get_experiment_by_name(name)
            if known is None:
                return self.client.create_experiment(name, artifact_location=artifacts)
        if known.lifecycle_stage == "deleted":
            raise Deleted(
                f"the experiment '{name}' of {self.place} is deleted; restore it with "
                f"`MLFLOW_TRACKING_URI={shlex.quote(masked(self.uri, self.uri))} mlflow experiments restore "
                f"--experiment-id {known.experiment_id}`, or give another --name or --workspace"
            )
        return known.experiment_id

    def check(self, experiment: str, artifacts: str | None) -> str:
        """Make contact for the first time; returns why the server does not answer, if so.

        Raises:
            RgfError: it is no MLflow server, or the store cannot be opened.
        """
        try:
            self.experiment(experiment, artifacts)
        except (Unreachable, Refusal) as error:
            if isinstance(error, Refusal) or not self.is_server:
                raise self.unusable(error) from error
            return first_line(error)
        return ""

    def find(self, run: str) -> str | None:
        """MLflow's id of a run of ours; None if it is not there."""
        if not run.startswith(LOCAL):
            return run
        if run not in self._ids:
            with _translated_errors(self.uri):
                experiments = [each.experiment_id for each in self.client.search_experiments()]
                runs = self.client.search_runs(experiments, f"tags.`{ID_TAG}` = '{run}'")
            self._ids.update((run, each.info.run_id) for each in runs[:1])
        return self._ids.get(run)

    def create(self, header: dict[str, Any], time: int, run: str | None = None) -> str:
        """Start a run, with a tag for our id if it has one; returns MLflow's id."""
        tags = {ID_TAG: run} if run else {}
        if header["parent"]:
            tags["mlflow.parentRunId"] = self._known_id(header["parent"])
        experiment = self.experiment(header["experiment"], header["artifacts"])
        with _translated_errors(self.uri):
            id = self.client.create_run(experiment, time, tags, header["name"]).info.run_id
        self._new.add(id)
        return id

    def send(self, run: str, batch: Batch) -> None:
        id = self.find(run) or self.create(batch.header, batch.time, run)
        with _translated_errors(self.uri):
            self._log(id, batch)
            if batch.status == "RUNNING":
                self.client.update_run(id, "RUNNING")
            elif batch.status:
                self.client.set_terminated(id, batch.status, batch.time)

    def upload(self, run: str, path: Path) -> None:
        with _translated_errors(self.uri):
            self.client.log_artifact(self._known_id(run), str(path))

    def upload_image(self, run: str, path: Path, key: str, step: int) -> None:
        from PIL import Image, ImageOps

        with _translated_errors(self.uri), Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)  # for the copy that is kept has no EXIF
            run_id = self._known_id(run)
            key = allowed_key(key)
            self.client.log_image(run_id, upright, key=key, step=step, synchronous=True)

    def unusable(self, error: Exception) -> RgfError:
        """The error to raise about an address that cannot be used."""
        if isinstance(error, Deleted):
            return RgfError(str(error))
        return RgfError(
            f"cannot open the MLflow store {masked(self.uri, self.uri)} ({first_line(error, self.uri)}); "
            "check the address and that it can be written"
        )

    def _known_id(self, run: str) -> str:
        id = self.find(run)
        if id is None:
            raise Unreachable(f"the run {run} is not there")
        return id

    def _log(self, id: str, batch: Batch) -> None:
        from mlflow.entities import Metric, Param, RunTag

        known = self.client.get_run(id).data.params if batch.params else {}
        written = (*batch.params, *batch.tags, *(point.name for point in batch.points))
        names = {name: allowed_name(name) for name in dict.fromkeys(written)}
        params = {names[name]: allowed_value(x, MAX_PARAM) for name, x in batch.params.items()}
        tags = {names[name]: allowed_value(x, MAX_TAG) for name, x in batch.tags.items()}
        changed = {new: name for name, new in names.items() if new != name}
        tags |= {ORIGINAL + new: allowed_value(name, MAX_TAG) for new, name in changed.items()}
        points = [replace(point, name=names[point.name]) for point in batch.points]
        entities: dict[str, Any] = {
            "params": [Param(*item) for item in params.items() if item[0] not in known],
            "tags": [RunTag(*item) for item in tags.items()],
            "metrics": [
                Metric(x.name, x.value, x.time, x.step) for x in self._new_points(id, points)
            ],
        }
        for kind, items in entities.items():
            for first in range(0, len(items), PER_CALL[kind]):
                part = items[first : first + PER_CALL[kind]]
                self.client.log_batch(id, **{kind: part})
                for metric in part if kind == "metrics" else ():
                    self._steps[id][metric.key].add(metric.step)

    def _new_points(self, id: str, points: list[Point]) -> list[Point]:
        """The first point of every step that MLflow does not have yet."""
        steps = self._steps.setdefault(id, {})
        for name in {point.name for point in points} - steps.keys():
            history = [] if id in self._new else self.client.get_metric_history(id, name)
            steps[name] = {metric.step for metric in history}
        new: dict[tuple[str, int], Point] = {}
        for point in points:
            if point.step not in steps[point.name]:
                new.setdefault((point.name, point.step), point)
        return list(new.values())


class MlflowTracker(Tracker, AbstractContextManager):
    """Records in an MLflow experiment.

    Runs are written to the spool; a thread sends them. Leaving the tracker's context sends what
    is left and tells what could not be sent.

    Args:
        uri: see :class:`MlflowStore`.
        experiment: made if it does not exist.
        spool: folder for what is not yet sent; each address has a folder of its own in it.
        artifacts: folder for the artifacts of a new experiment; the server's choice if None.
        tell: called with a line about a server that cannot be reached.

    Raises:
        RgfError: the address is malformed, answers but is no MLflow, or is a file that cannot be
            opened; the experiment is deleted. (A server that does not answer is waited for.)
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        spool: Path,
        artifacts: Path | None = None,
        tell: Tell = lambda line: None,
    ):
        self.store = MlflowStore(uri)
        self.experiment = experiment
        self.artifacts = artifacts.resolve().as_uri() if artifacts else None
        outage = self.store.check(experiment, self.artifacts)
        self.spool = Spool(spool_folder(spool, uri))
        outputs.write_text(self.spool.folder / "address", masked(uri, uri))
        self.sender = Sender(self.spool, self.store, self.store.place, tell)
        if outage:
            self.sender.report_outage(outage)

    def start(self, name, tags, parent=None, id=None):
        header = {"experiment": self.experiment, "artifacts": self.artifacts}
        header |= {"name": name, "parent": parent}
        run = SpooledRun(self.spool, id or self._new_id(header))
        run.append(opened=header, status="RUNNING")
        run.set_tags(tags)
        return run

    def close(self) -> None:
        """Send what is left, and tell what could not be sent."""
        self.sender.close()
        self.store.close()

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _new_id(self, header: dict[str, Any]) -> str:
        """MLflow's id of a new run, or one of ours while MLflow cannot be reached."""
        if not self.sender.outage:
            try:
                return self.store.create(header, int(time.time() * 1000))
            except Unreachable as error:
                self.sender.report_outage(first_line(error))
            except Refusal as error:
                raise self.store.unusable(error) from error
        return LOCAL + uuid.uuid4().hex


def send_backlog(uri: str, spool: Path) -> Backlog:
    """Send what waits for an address; returns how much there was.

    Raises:
        RgfError: it cannot be sent now.
    """
    with closing(Spool(spool_folder(spool, uri))) as files:
        backlog = files.backlog()
        if not backlog:
            return backlog
        if not files.acquire():
            raise RgfError(f"another process is sending {backlog} from {files.folder}")
        with closing(MlflowStore(uri)) as store:
            try:
                files.send(store)
            except (Unreachable, OSError) as error:
                raise RgfError(
                    f"cannot record in {store.place} ({first_line(error)}); {files.backlog()} "
                    f"wait in {files.folder}"
                ) from error
    return backlog


def backlogs(spool: Path) -> dict[str, Backlog]:
    """What waits in all spools of a workspace, by address (without its password)."""
    spools = {
        path.read_text(encoding="utf-8"): Spool(path.parent).backlog()
        for path in spool.glob("*/address")
    }
    return {address: backlog for address, backlog in spools.items() if backlog}


def spool_folder(spool: Path, uri: str) -> Path:
    """The folder for what waits for an address."""
    return spool / key_of({"uri": uri})


@contextmanager
def _settings() -> Iterator[None]:
    """Inside, MLflow neither retries nor chatters."""
    names = [name for name in VARIABLES if name not in os.environ]
    os.environ.update({name: VARIABLES[name] for name in names})
    import mlflow  # noqa: F401 (sets the levels of its loggers)

    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _is_server(uri: str) -> bool:
    """Whether an address is one of a server, which may be unreachable for a while."""
    try:
        parts = urlsplit(uri)
        is_server, _ = parts.scheme.split("+")[0] in SERVERS, parts.port
    except ValueError as error:
        raise RgfError(
            f"the MLflow address {masked(uri, uri)} is malformed: {first_line(error, uri)}"
        ) from None
    if is_server and not parts.hostname:
        raise RgfError(f"the MLflow address {masked(uri, uri)} names no host")
    return is_server


@contextmanager
def _translated_errors(uri: str) -> Iterator[None]:
    """Inside, whatever MLflow raises becomes :class:`Unreachable` or :class:`Refusal`."""
    try:
        yield
    except (Unreachable, Refusal):
        raise
    except Exception as error:  # of HTTP libraries, database drivers, file systems
        code = getattr(error, "get_http_status_code", lambda: None)()
        code = getattr(getattr(error, "response", None), "status_code", code)
        kind = Refusal if code in REFUSALS else Unreachable
        raise kind(_cause(error, uri)) from error


def _cause(error: BaseException, uri: str) -> str:
    """The reason at the bottom of a chain of exceptions, e.g. "Connection refused"."""
    deepest: BaseException | None = error
    reason = first_line(error, uri)
    while deepest is not None:
        reason = getattr(deepest, "strerror", None) or reason
        deepest = deepest.__cause__ or deepest.__context__
    return reason
