"""Where results are recorded: what a record is, and records in memory for tests."""

import functools
import math
import os
import platform
import sys
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from rgf_keras import __version__, outputs
from rgf_keras.cache import Cache
from rgf_keras.errors import LostLease
from rgf_keras.masking import masked_value
from rgf_keras.names import check_name
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.tracking import system_metrics
from rgf_keras.tracking.inputs import Images, describe
from rgf_keras.tracking.provenance import packages, packages_key, provenance, source_tags

IMAGES = "images"  # the folder in a record that holds pictures of series
PACKAGES = "packages.txt"
LOCAL = "local-"  # how ids begin that are ours and not a server's


class Run(ABC):
    """One record: a study, a trial or an assessment.

    A parameter that was logged before keeps its first value, and so does a metric at a step that
    it was logged at before: whatever is logged again after a crash changes nothing. Tags and files
    are replaced.

    Attributes:
        id: what the tracker finds it by.
        ending: the status with which it is to finish, e.g. ``"KILLED"``.
        ended: whether it has finished already.
    """

    id: str
    ending: str = "FINISHED"
    ended: bool = False

    @abstractmethod
    def append(self, **record: Any) -> None:
        """Add to the record.

        That is ``params``, ``metrics`` with ``step``, ``tags``, ``status``, ``inputs`` or
        ``experiment_tags``.
        """

    @abstractmethod
    def keep(self, path: Path, name: str) -> None:
        """Copy a file into the record, under a name."""

    def log_params(self, params: Mapping[str, Any]) -> None:
        self.append(params={name: masked_value(name, str(x)) for name, x in params.items()})

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log numbers; of those that are not finite a tag ``not_finite/NAME`` says so instead."""
        numbers = {name: float(value) for name, value in metrics.items()}
        finite = {name: value for name, value in numbers.items() if math.isfinite(value)}
        others = numbers.keys() - finite.keys()
        if finite or not others:
            self.append(metrics=finite, step=step)
        if others:
            self.set_tags({f"not_finite/{x}": f"{numbers[x]} at step {step}" for x in others})

    def log_artifact(self, path: Path, folder: str = "") -> None:
        """Log a file, in a folder of the record if one is named."""
        self.keep(path, f"{folder}/{Path(path).name}".lstrip("/"))

    def log_datasets(self, **sets: Images) -> None:
        """Name images that the run is made from, by what they are for, e.g. ``training``."""
        self.append(inputs=[describe(images, context) for context, images in sets.items()])

    def tag_experiment(self, tags: Mapping[str, str]) -> None:
        """Set tags of the experiment that the record is in."""
        self.append(experiment_tags={name: masked_value(name, x) for name, x in tags.items()})

    def log_image(self, path: Path, key: str, step: int) -> None:
        """Add a picture to a series, e.g. to ``"samples"``: it is shown with the metrics.

        Raises:
            RgfError: the series has a name that no file may have.
        """
        check_name(key, "the series of pictures")
        self.keep(path, f"{IMAGES}/{step}-{key}{Path(path).suffix}")

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        self.append(tags={name: masked_value(name, str(x)) for name, x in tags.items()})

    def finish(self, status: str = "FINISHED") -> None:
        self.append(status=status)
        self.ended = True


class Tracker(ABC):
    """Starts records.

    Attributes:
        tell: shows whoever runs the experiment a line about its records.
    """

    tell: Callable[[str], None] = staticmethod(lambda line: None)

    @abstractmethod
    def start(
        self, name: str, tags: Mapping[str, Any], parent: str | None = None, id: str | None = None
    ) -> Run:
        """Start a record in that of ``parent``.

        Args:
            name: what it is called.
            tags: of the record.
            parent: the id of another one.
            id: of the record to go on with; or one of :func:`new_id`, which the caller has written
                down before, so that a process that goes on for it finds the record too.
        """

    def unfinished(self, parent: str) -> set[str]:
        """Ids of records in that of ``parent`` that have not ended, as far as that is known now."""
        return set()

    @contextmanager
    def run(
        self, name: str, tags: Mapping[str, Any], parent: str | None = None, id: str | None = None
    ) -> Iterator[Run]:
        """Start a record that ends with the block, as failed if that raises.

        One that was lost to another process is left to it.
        """
        run = self.start(name, tags, parent, id)
        try:
            with system_metrics.recorded(run.log_metrics):
                yield run
        except LostLease:
            raise
        except BaseException:
            run.finish("FAILED")
            raise
        if not run.ended:
            run.finish(run.ending)

    @contextmanager
    def resumable_run(self, name: str, tags: Mapping[str, Any], file: Path) -> Iterator[Run]:
        """A record that goes on where it was cut, once its command is given again.

        Args:
            name: what it is called.
            tags: of the record.
            file: lies beside the checkpoints and holds the record's id until it has finished.
        """
        if not file.exists():
            outputs.write_text(file, new_id())
        with self.run(name, tags, id=file.read_text()) as run:
            yield run
        file.unlink()


def new_id() -> str:
    """An id for a record that no tracker knows yet."""
    return LOCAL + uuid.uuid4().hex


@dataclass(frozen=True)
class Context:
    """What an experiment works with.

    Attributes:
        run: where parameters, metrics and files are logged.
        folder: where checkpoints and files are written.
        cache: holds results that other experiments share.
        progress: shows how far the work is.
    """

    run: Run
    folder: Path
    cache: Cache
    progress: Progress = SILENT


@dataclass
class MemoryRun(Run):
    """A record that is gone with the process."""

    id: str
    name: str
    parent: str | None
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    images: dict[tuple[str, int], bytes] = field(default_factory=dict)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    experiment_tags: dict[str, str] = field(default_factory=dict)
    status: str = "RUNNING"

    def append(self, **record):
        self.params = record.get("params", {}) | self.params
        self.tags |= record.get("tags", {})
        self.inputs += record.get("inputs", [])
        self.experiment_tags |= record.get("experiment_tags", {})
        self.status = record.get("status", self.status)
        for name, value in record.get("metrics", {}).items():
            history = self.metrics.setdefault(name, [])
            if record["step"] not in (step for step, _ in history):
                history.append((record["step"], value))

    def keep(self, path, name):
        self.artifacts[name] = Path(path).read_bytes()

    def log_image(self, path, key, step):
        self.images[key, step] = Path(path).read_bytes()


class MemoryTracker(Tracker):
    """Records in memory."""

    def __init__(self):
        self.runs: dict[str, MemoryRun] = {}

    def start(self, name, tags, parent=None, id=None):
        run = self.runs.get(id) or MemoryRun(id or str(len(self.runs)), name, parent)
        run.status, run.ended = "RUNNING", False
        run.set_tags(tags)
        self.runs[run.id] = run
        return run

    def unfinished(self, parent):
        children = (run for run in self.runs.values() if run.parent == parent)
        return {run.id for run in children if run.status == "RUNNING"}


@functools.cache
def environment() -> dict[str, str]:
    """Name what a result depends on beside its configuration: backend, versions, commits."""
    backend = _backend()
    return {
        "backend": backend,
        "platform": platform.platform(),
        "version/python": platform.python_version(),
        "version/keras": metadata.version("keras"),
        f"version/{backend}": metadata.version(backend),
        "version/rgf_keras": __version__,
        "packages": packages_key(),
        **provenance(),
    }


def _backend() -> str:
    """Keras' backend, without importing Keras where commands have chosen it."""
    if "keras" not in sys.modules and (chosen := os.environ.get("KERAS_BACKEND")):
        return chosen
    import keras

    return keras.backend.backend()


def list_devices() -> list[str]:
    """Name the devices that the backend can compute on, e.g. ``["cpu:0"]``."""
    import keras

    if keras.backend.backend() == "torch":  # Keras lists no devices there
        return [str(keras.ops.zeros(1).device)]
    return [str(device) for device in keras.distribution.list_devices()]


def log_packages(run: Run, folder: Path) -> None:
    """Log the exact packages of this environment: ``pip install -r`` makes it again."""
    run.log_artifact(outputs.write_text(folder / PACKAGES, packages()))


def environment_tags(file: Path | None = None) -> dict[str, str]:
    """The environment, the code that runs and who runs it, and how to run it again.

    Args:
        file: what the user has written of the code, e.g. a study's.
    """
    command = os.environ.get("RGF_COMMAND")
    return {
        **environment(),
        **source_tags(file),
        **({"command": command} if command else {}),
    }
