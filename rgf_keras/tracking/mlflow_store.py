"""MLflow at an address, as the destination of a spool."""

import logging
import os
import re
import shlex
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rgf_keras import strict_json
from rgf_keras.errors import RgfError, first_line
from rgf_keras.masking import masked
from rgf_keras.tracking import relocation
from rgf_keras.tracking.destination import Away, Batch, Point, Refusal, Unreachable
from rgf_keras.tracking.mlflow_names import (
    CONTEXT_TAG,
    MAX_DATASET,
    MAX_EXPERIMENT_TAG,
    MAX_INPUT_TAG,
    MAX_PARAM,
    MAX_TAG,
    NOTE_TAG,
    ORIGINAL,
    OUR_NOTE,
    allowed_key,
    allowed_name,
    allowed_value,
)
from rgf_keras.tracking.relocation import ID_TAG, MADE_TAG
from rgf_keras.tracking.tracker import IMAGES, LOCAL

PARENT_TAG = "mlflow.parentRunId"
# Of an experiment: MLflow opens it on its runs, not on traces of chats; and its description.
KIND_TAG, KIND = "mlflow.experimentKind", "custom_model_development"
SERVERS = ("http", "https", "postgresql", "mysql", "mssql")
PER_CALL = {"params": 100, "tags": 100, "metrics": 1000}  # the server's limits
# What will not be taken as it is: by MLflow itself, and by whatever answers in its place.
REFUSALS = (400, 404, 405, 410, 411, 413, 414, 415, 422, 431)
OF_A_PROXY = (400, 413, 414, 415, 431)
OF_ANOTHER_SERVER = (404, 405, 501)  # not in JSON, when it is asked for the first time
REASONS = {
    200: "what answers is no MLflow; perhaps it asks for a login",
    413: "it is too large for the server or a proxy before it, which must allow more",
    414: "its names are too long for the server or a proxy before it",
}
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
        SETTINGS.enter()
        self.close = weakref.finalize(self, SETTINGS.leave)
        import mlflow

        try:
            with relocation.opening(uri):
                self.client = mlflow.MlflowClient(tracking_uri=uri)
        except RgfError:
            raise
        except Exception as error:  # MLflow wraps each store's own exceptions differently
            raise self.unusable(error) from error
        self._new: set[str] = set()
        self._pictures: dict[str, set[tuple[str, str]]] = {}
        self._ids: dict[str, str] = {}
        self._steps: dict[str, dict[str, set[int]]] = {}

    def experiment(self, name: str, artifacts: str | None) -> str:
        """The id of an experiment, which is made if it does not exist."""
        made = {MADE_TAG: "rgf", KIND_TAG: KIND}
        with _translated_errors(self.uri):
            known = self.client.get_experiment_by_name(name)
            if known is None:
                artifacts = relocation.artifacts_of(self.uri, artifacts)
                try:
                    return self.client.create_experiment(name, artifacts, made)
                except Exception:
                    known = self.client.get_experiment_by_name(name)
                    if known is None:  # nor has another process made it meanwhile
                        raise
        if known.lifecycle_stage == "deleted":
            raise Deleted(
                f"the experiment '{name}' of {self.place} is deleted; restore it with "
                f"`MLFLOW_TRACKING_URI={shlex.quote(masked(self.uri, self.uri))} mlflow "
                f"experiments restore --experiment-id {known.experiment_id}`, or give another "
                "--name or --workspace"
            )
        if KIND_TAG not in known.tags:  # made before version 0.2
            with _translated_errors(self.uri):
                self.client.set_experiment_tag(known.experiment_id, KIND_TAG, KIND)
        return known.experiment_id

    def check(self, experiment: str, artifacts: str | None) -> str:
        """Make contact for the first time; returns why the server does not answer, if so.

        Raises:
            RgfError: it is no MLflow server, or the store cannot be opened.
        """
        try:
            self.experiment(experiment, artifacts)
        except (Unreachable, Refusal) as error:
            is_other = getattr(error, "status", 0) in OF_ANOTHER_SERVER
            if isinstance(error, Refusal) or not self.is_server or is_other:
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
            tags[PARENT_TAG] = self._known_id(header["parent"])
        experiment = self.experiment(header["experiment"], header["artifacts"])
        with _translated_errors(self.uri):
            id = self.client.create_run(experiment, time, tags, header["name"]).info.run_id
        self._new.add(id)
        return id

    def unfinished(self, experiment: str, parent: str) -> set[str]:
        """MLflow's and our ids of the runs in that of ``parent`` which have not ended."""
        query = f"tags.`{PARENT_TAG}` = '{self._known_id(parent)}' and status = 'RUNNING'"
        with _translated_errors(self.uri):
            known = self.client.get_experiment_by_name(experiment)
            runs = self.client.search_runs([known.experiment_id], query) if known else []
        tags = (run.data.tags.get(ID_TAG, "") for run in runs)
        return {*tags, *(run.info.run_id for run in runs)}

    def send(self, run: str, batch: Batch) -> None:
        id = self.find(run)
        if id is None and not batch.header:
            raise Refusal(f"its run was deleted from {self.place}; restore it there")
        id = id or self.create(batch.header, batch.time, run)
        with _translated_errors(self.uri):
            self._log(id, batch)
            self._log_inputs(id, batch)
            self._tag_experiment(id, batch.experiment_tags)
            if batch.status == "RUNNING":
                # Not what a machine says late of a run that another has ended since.
                if (self.client.get_run(id).info.end_time or 0) <= batch.time:
                    self.client.update_run(id, "RUNNING")
            elif batch.status:
                self.client.set_terminated(id, batch.status, batch.time)

    def upload(self, run: str, path: Path) -> None:
        with _translated_errors(self.uri):
            folder = None if path.parent.name == run else path.parent.name
            self.client.log_artifact(self._known_id(run), str(path), folder)

    def upload_image(self, run: str, path: Path, key: str, step: int) -> None:
        from PIL import Image, ImageOps

        try:
            with Image.open(path) as image:
                upright = ImageOps.exif_transpose(image)  # for the copy that is kept has no EXIF
        except Exception as error:  # of any decoder
            raise Refusal(f"it is no picture that can be read ({first_line(error)})") from error
        run_id, key = self._known_id(run), allowed_key(key)
        with _translated_errors(self.uri):
            if (key, str(step)) not in self._known_pictures(run_id):
                self._pictures.pop(run_id)  # to be looked up again if it is not known to arrive
                self.client.log_image(run_id, upright, key=key, step=step, synchronous=True)

    def unusable(self, error: Exception) -> RgfError:
        """The error to raise about an address that cannot be used."""
        if isinstance(error, Deleted):
            return RgfError(str(error))
        return RgfError(
            f"cannot open the MLflow store {masked(self.uri, self.uri)} "
            f"({first_line(error, self.uri)}); check the address and that it can be written"
        )

    def _known_id(self, run: str) -> str:
        id = self.find(run)
        if id is None:
            raise Unreachable(f"the run {run} is not there")
        return id

    def _known_pictures(self, id: str) -> set[tuple[str, str]]:
        """Keys and steps of a run's pictures; MLflow would show one that is there twice twice."""
        if id not in self._pictures:
            paths = [file.path for file in self.client.list_artifacts(id, IMAGES)]
            names = [re.split("[+%]", Path(path).name) for path in paths]
            self._pictures[id] = {(parts[0], parts[2]) for parts in names if len(parts) > 2}
        return self._pictures[id]

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

    def _log_inputs(self, id: str, batch: Batch) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = []
        for given in batch.inputs:
            size = {"num_images": given["num_images"], "image_shape": given["image_shape"]}
            dataset = Dataset(
                allowed_value(given["name"], MAX_DATASET),
                given["digest"],
                "rgf_keras",
                strict_json.dumps({"name": given["name"], **given["tags"]}),
                profile=strict_json.dumps(size),
            )
            tags = {CONTEXT_TAG: given["context"], **given["tags"]}
            texts = {name: allowed_value(x, MAX_INPUT_TAG) for name, x in tags.items()}
            inputs.append(DatasetInput(dataset, [InputTag(*item) for item in texts.items()]))
        if inputs:
            self.client.log_inputs(id, inputs)

    def _tag_experiment(self, id: str, tags: dict[str, str]) -> None:
        """Set an experiment's tags; a description that a person has written stays."""
        if not tags:
            return
        experiment = self.client.get_experiment(self.client.get_run(id).info.experiment_id)
        for name, value in tags.items():
            before = experiment.tags.get(name, "")
            if name != NOTE_TAG or not before or before.startswith(OUR_NOTE):
                value = allowed_value(value, MAX_EXPERIMENT_TAG)
                self.client.set_experiment_tag(experiment.experiment_id, name, value)

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


class _Settings:
    """While any store is open MLflow neither retries nor chatters."""

    def __init__(self) -> None:
        self._lock, self._num_stores, self._changes = threading.RLock(), 0, ExitStack()

    def enter(self) -> None:
        with self._lock:
            if not self._num_stores:
                self._changes.enter_context(_changed_settings())
            self._num_stores += 1

    def leave(self) -> None:
        with self._lock:
            self._num_stores -= 1
            if not self._num_stores:
                self._changes.close()


SETTINGS = _Settings()


@contextmanager
def _changed_settings() -> Iterator[None]:
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
        code, is_mlflows = _status([*_chain(error)])
        reason = REASONS.get(code) or f"HTTP status {code}"
        if is_mlflows or not code:
            reason = _cause(error, uri)
        if code in (REFUSALS if is_mlflows else OF_A_PROXY):
            raise Refusal(reason) from error
        raise (Unreachable if code else Away)(reason, code) from error


def _status(chain: list[BaseException]) -> tuple[int, bool]:
    """The HTTP status of an answer, 0 if there was none, and whether it is MLflow's own."""
    from mlflow.exceptions import MlflowException, RestException

    for error in chain:
        if isinstance(error, RestException):  # an error that MLflow has written
            return error.get_http_status_code(), True
        response = getattr(error, "response", None)
        if response is not None:
            is_json = "json" in response.headers.get("Content-Type", "")
            return response.status_code, is_json
        if found := re.search(r"(?:failed with error code|too many) (\d{3})\b", str(error)):
            return int(found[1]), False
    error = chain[0]
    if isinstance(error, MlflowException) and "API request to" not in str(error):
        return error.get_http_status_code(), True  # of a store in this process
    return (200 if "valid JSON" in str(error) else 0), False


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _cause(error: BaseException, uri: str) -> str:
    """The reason at the bottom of a chain of exceptions, e.g. "Connection refused"."""
    chain = [*_chain(error)]
    reason = first_line(chain[-1] if "API request to" in str(error) else error, uri)
    for each in chain:
        reason = getattr(each, "strerror", None) or reason
    return reason
