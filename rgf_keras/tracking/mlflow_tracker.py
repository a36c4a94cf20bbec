"""Records in MLflow, through a spool: training does not wait for MLflow, and never ends with it."""

import logging
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rgf_keras.cache import key_of
from rgf_keras.errors import RgfError, first_line
from rgf_keras.tracking.sender import Sender, Tell
from rgf_keras.tracking.spool import (
    Away,
    Batch,
    Point,
    Record,
    Refused,
    Spool,
    SpooledRun,
    Waiting,
)
from rgf_keras.tracking.tracker import Tracker, masked

# A run that was started while MLflow was away has an id of ours, and this tag in MLflow.
LOCAL, ID_TAG = "local-", "rgf.id"
SERVERS = ("http", "https", "postgresql", "mysql", "mssql")
METRICS_PER_CALL, OTHERS_PER_CALL = 1000, 100  # the server's limits
REFUSALS = (400, 404)


class MlflowStore:
    """MLflow at an address, as the destination of a spool.

    Args:
        uri: tracking URI, e.g. ``sqlite:///mlruns/mlflow.db`` or ``http://127.0.0.1:5000``.

    Raises:
        RgfError: the address is malformed.
    """

    def __init__(self, uri: str):
        # The spool tries again, so that MLflow need not do so for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        self.uri, self.place = uri, f"MLflow at {masked(uri)}"
        self.is_server = _is_server(uri)
        import mlflow

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            self.client = mlflow.MlflowClient(tracking_uri=uri)
        except Exception as error:  # MLflow wraps each store's own exceptions differently
            raise self.unusable(error) from error
        self._made: set[str] = set()
        self._found: dict[str, str] = {}
        self._steps: dict[str, dict[str, set[int]]] = {}

    def experiment(self, name: str, artifacts: str | None) -> str:
        """The id of an experiment, which is made if it does not exist."""
        with _translated():
            found = self.client.get_experiment_by_name(name)
            if found:
                return found.experiment_id
            return self.client.create_experiment(name, artifact_location=artifacts)

    def check(self, experiment: str, artifacts: str | None) -> None:
        """First contact.

        Raises:
            Away: the server cannot be reached now.
            RgfError: it is no MLflow server, or the store cannot be opened.
        """
        try:
            self.experiment(experiment, artifacts)
        except (Away, Refused) as error:
            if isinstance(error, Away) and self.is_server:
                raise
            raise self.unusable(error) from error

    def find(self, run: str) -> str | None:
        """MLflow's id of a run of ours; None if it is not there."""
        if not run.startswith(LOCAL):
            return run
        if run not in self._found:
            with _translated():
                experiments = [each.experiment_id for each in self.client.search_experiments()]
                found = self.client.search_runs(experiments, f"tags.`{ID_TAG}` = '{run}'")
            if not found:
                return None
            self._found[run] = found[0].info.run_id
        return self._found[run]

    def create(self, opened: Record, time: int, run: str | None = None) -> str:
        """A new run; returns MLflow's id.

        Args:
            opened: ``experiment``, ``artifacts``, ``name`` and ``parent``, our id of another run.
            time: when it was started, in milliseconds since 1970.
            run: our id, if it has one.
        """
        tags = {ID_TAG: run} if run else {}
        if opened["parent"]:
            tags["mlflow.parentRunId"] = self._there(opened["parent"])
        experiment = self.experiment(opened["experiment"], opened["artifacts"])
        with _translated():
            created = self.client.create_run(experiment, time, tags, opened["name"])
        self._made.add(created.info.run_id)
        return created.info.run_id

    def send(self, run: str, batch: Batch) -> None:
        there = self.find(run) or self.create(batch.opened, batch.time, run)
        with _translated():
            self._log(there, batch)
            if batch.status == "RUNNING":
                self.client.update_run(there, "RUNNING")
            elif batch.status:
                self.client.set_terminated(there, batch.status, batch.time)

    def upload(self, run: str, path: Path) -> None:
        with _translated():
            self.client.log_artifact(self._there(run), str(path))

    def upload_image(self, run: str, path: Path, key: str, step: int) -> None:
        from PIL import Image

        with _translated(), Image.open(path) as image:
            self.client.log_image(self._there(run), image, key=key, step=step, synchronous=True)

    def _there(self, run: str) -> str:
        there = self.find(run)
        if there is None:
            raise Away(f"the run {run} is not there")
        return there

    def _log(self, there: str, batch: Batch) -> None:
        from mlflow.entities import Metric, Param, RunTag

        known = self.client.get_run(there).data.params if batch.params else {}
        params = [Param(name, batch.params[name]) for name in batch.params if name not in known]
        for some in _parts(params, OTHERS_PER_CALL):
            self.client.log_batch(there, params=some)
        for some in _parts([RunTag(*tag) for tag in batch.tags.items()], OTHERS_PER_CALL):
            self.client.log_batch(there, tags=some)
        for some in _parts(self._new(there, batch.points), METRICS_PER_CALL):
            metrics = [Metric(point.name, point.value, point.time, point.step) for point in some]
            self.client.log_batch(there, metrics=metrics)
            for point in some:
                self._steps[there][point.name].add(point.step)

    def _new(self, there: str, points: list[Point]) -> list[Point]:
        """The points whose step MLflow does not have yet."""
        steps = self._steps.setdefault(there, {})
        for name in {point.name for point in points} - steps.keys():
            made = there in self._made
            history = [] if made else self.client.get_metric_history(there, name)
            steps[name] = {entry.step for entry in history}
        first = {(point.name, point.step): point for point in reversed(points)}
        return [
            point
            for point in points
            if point.step not in steps[point.name] and first[point.name, point.step] is point
        ]

    def unusable(self, error: Exception) -> RgfError:
        """What to tell about an address that cannot be used."""
        return RgfError(
            f"cannot open the MLflow store {masked(self.uri)} ({masked(first_line(error))}); "
            "check the address and that it can be written"
        )


class MlflowTracker(Tracker):
    """Records in an MLflow experiment.

    Runs are written to the spool; a thread sends them. Leaving the tracker's context sends what
    is left and tells what could not be sent.

    Args:
        uri: see :class:`MlflowStore`.
        experiment: made if it does not exist.
        spool: folder for what is not yet sent; each address has a folder of its own in it.
        artifacts: folder for the artifacts of a new experiment; the server's choice if None.
        tell: where a server that is away is told of.

    Raises:
        RgfError: the address is malformed, answers but is no MLflow, or is a file that cannot be
            opened. (A server that does not answer is waited for.)
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
        reason = ""
        try:
            self.store.check(experiment, self.artifacts)
        except Away as error:
            reason = first_line(error)
        self.spool = Spool(spool_folder(spool, uri))
        (self.spool.folder / "address").write_text(masked(uri))
        self.sender = Sender(self.spool, self.store, self.store.place, tell)
        if reason:
            self.sender.report_away(reason)

    def start(self, name, tags, parent=None, id=None):
        opened = {
            "experiment": self.experiment,
            "artifacts": self.artifacts,
            "name": name,
            "parent": parent,
        }
        run = SpooledRun(self.spool, id or self._new_id(opened))
        self.spool.append(run.id, opened=opened, status="RUNNING")
        run.set_tags(tags)
        return run

    def close(self) -> None:
        """Send what is left, and tell what could not be sent."""
        self.sender.close()

    def __enter__(self) -> "MlflowTracker":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def _new_id(self, opened: Record) -> str:
        """MLflow's id of a new run, or one of ours while it is away."""
        if not self.sender.away:
            try:
                return self.store.create(opened, int(time.time() * 1000))
            except Away as error:
                self.sender.report_away(first_line(error))
            except Refused as error:
                raise self.store.unusable(error) from error
        return LOCAL + uuid.uuid4().hex


def send_waiting(uri: str, spool: Path) -> Waiting:
    """Send what waits for an address; returns how much there was.

    Raises:
        RgfError: it cannot be sent now.
    """
    with closing(Spool(spool_folder(spool, uri))) as files:
        found = files.waiting()
        if found and not files.own():
            raise RgfError(f"another process is sending {found} from {files.folder}")
        if found:
            store = MlflowStore(uri)
            try:
                files.send(store)
            except (Away, OSError) as error:
                raise RgfError(
                    f"cannot record in {store.place} ({first_line(error)}); {files.waiting()} "
                    f"wait in {files.folder}"
                ) from error
    return found


def waiting_by_address(spool: Path) -> dict[str, Waiting]:
    """What waits in all spools of a workspace, by address (without its password)."""
    found = {
        address.read_text(): Spool(address.parent).waiting() for address in spool.glob("*/address")
    }
    return {address: waiting for address, waiting in found.items() if waiting}


def spool_folder(spool: Path, uri: str) -> Path:
    """The folder for what waits for an address."""
    return spool / key_of({"uri": uri})


def _is_server(uri: str) -> bool:
    """Whether an address is one of a server, which may be away for a while.

    Raises:
        RgfError: an address of a server without a host, or with a bad port.
    """
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise RgfError(f"the MLflow address {masked(uri)} is malformed: {error}") from None
    is_server = parts.scheme.split("+")[0] in SERVERS
    if is_server and not host:
        raise RgfError(f"the MLflow address {masked(uri)} names no host")
    return is_server


@contextmanager
def _translated() -> Iterator[None]:
    """Whatever MLflow raises, as something that passes or something that does not."""
    try:
        yield
    except (Away, Refused):
        raise
    except Exception as error:  # of HTTP libraries, database drivers, file systems
        code = getattr(error, "get_http_status_code", lambda: None)()
        response = getattr(error, "response", None)
        code = getattr(response, "status_code", code)
        kind = Refused if code in REFUSALS else Away
        raise kind(masked(_cause(error))) from error


def _cause(error: BaseException) -> str:
    """The reason at the bottom of a chain of exceptions, e.g. "Connection refused"."""
    deepest: BaseException | None = error
    reason = first_line(error)
    while deepest is not None:
        reason = getattr(deepest, "strerror", None) or reason
        deepest = deepest.__cause__ or deepest.__context__
    return reason


def _parts(items: Sequence[Any], size: int) -> Iterator[Any]:
    return (items[first : first + size] for first in range(0, len(items), size))
