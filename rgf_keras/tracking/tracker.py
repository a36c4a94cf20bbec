"""Where results are recorded: what a record is, and records in memory for tests."""

import functools
import os
import platform
import re
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from rgf_keras.cache import Cache
from rgf_keras.runtime.progress import SILENT, Progress


class Run(ABC):
    """One record: a study, a trial or an assessment.

    A parameter that was logged before keeps its first value, and so does a metric at a step that
    it was logged at before: whatever is logged again after a crash changes nothing. Tags and files
    are replaced.

    Attributes:
        id: what the tracker finds it by.
        ending: the status with which it is to finish, e.g. ``"KILLED"``.
    """

    id: str
    ending: str = "FINISHED"

    @abstractmethod
    def log_params(self, params: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None: ...

    @abstractmethod
    def log_artifact(self, path: Path) -> None: ...

    @abstractmethod
    def log_image(self, path: Path, key: str, step: int) -> None:
        """A picture of a series, e.g. of ``"samples"``: shown with the metrics."""

    @abstractmethod
    def set_tags(self, tags: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def finish(self, status: str = "FINISHED") -> None: ...


class Tracker(ABC):
    """Starts records."""

    @abstractmethod
    def start(
        self, name: str, tags: Mapping[str, Any], parent: str | None = None, id: str | None = None
    ) -> Run:
        """A new record, or the one with this ``id`` to go on with."""

    @contextmanager
    def run(
        self, name: str, tags: Mapping[str, Any], parent: str | None = None, id: str | None = None
    ) -> Iterator[Run]:
        """As :meth:`start`; the record ends with the block, as failed if that raises."""
        run = self.start(name, tags, parent, id)
        try:
            yield run
        except BaseException:
            run.finish("FAILED")
            raise
        run.finish(run.ending)


@dataclass(frozen=True)
class Context:
    """What an experiment works with.

    Attributes:
        run: where parameters, metrics and files are logged.
        folder: for checkpoints and files.
        cache: where results that other experiments share are kept.
        progress: is told how far the work is.
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
    status: str = "RUNNING"

    def log_params(self, params):
        self.params = {name: str(value) for name, value in params.items()} | self.params

    def log_metrics(self, metrics, step=0):
        for name, value in metrics.items():
            history = self.metrics.setdefault(name, [])
            if step not in (known for known, _ in history):
                history.append((step, float(value)))

    def log_artifact(self, path):
        self.artifacts[Path(path).name] = Path(path).read_bytes()

    def log_image(self, path, key, step):
        self.images[key, step] = Path(path).read_bytes()

    def set_tags(self, tags):
        self.tags.update({name: str(value) for name, value in tags.items()})

    def finish(self, status="FINISHED"):
        self.status = status


class MemoryTracker(Tracker):
    """Records in memory."""

    def __init__(self):
        self.runs: dict[str, MemoryRun] = {}

    def start(self, name, tags, parent=None, id=None):
        run = self.runs.get(id) or MemoryRun(str(len(self.runs)), name, parent)
        run.status = "RUNNING"
        run.set_tags(tags)
        self.runs[run.id] = run
        return run


@functools.cache
def environment() -> dict[str, str]:
    """What a result depends on beside its configuration: backend, versions, git commit."""
    import keras

    backend = keras.backend.backend()
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "backend": backend,
        "platform": platform.platform(),
        "version/python": platform.python_version(),
        "version/keras": keras.__version__,
        f"version/{backend}": metadata.version(backend),
        "version/rgf_keras": metadata.version("rgf_keras"),
        "git_commit": commit.stdout.strip() or "unknown",
    }


def list_devices() -> list[str]:
    """What the backend can compute on, e.g. ``["cpu:0"]``."""
    import keras

    if keras.backend.backend() == "torch":  # Keras lists no devices there
        return [str(keras.ops.zeros(1).device)]
    return [str(device) for device in keras.distribution.list_devices()]


def environment_tags() -> dict[str, str]:
    """The environment, and the command that is being run if it is one of ``rgf``."""
    command = os.environ.get("RGF_COMMAND")
    return {**environment(), **({"command": masked(command)} if command else {})}


def masked(text: str) -> str:
    """A text with the passwords and tokens of the URLs in it made unreadable."""
    text = re.sub(r"(://[^\s:/@]*):[^\s/]+@", r"\1:***@", text)
    return re.sub(r"(?i)([?&]\w*(?:password|token|secret)=)[^&\s]+", r"\1***", text)
