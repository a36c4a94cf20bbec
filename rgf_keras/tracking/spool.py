"""A spool: what is recorded waits in files until the place that it is for has it.

::

    SPOOL/RUN.jsonl    what was logged, one JSON object a line, only ever appended to
    SPOOL/RUN.sent     how many bytes of it have arrived
    SPOOL/RUN/         files to upload, and in images/ pictures, named STEP-KEY.png; each is
                       deleted when it has arrived
    SPOOL/refused/     lines and files that the destination does not want

Any number of processes append; the one that holds ``SPOOL/lock`` sends, also what processes that
died have left. What is sent twice after a crash is recognised at the destination by run and step.
"""

import contextlib
import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock

from rgf_keras import strict_json
from rgf_keras.runtime import locks
from rgf_keras.tracking.tracker import IMAGES, Run

Record = dict[str, Any]


class Unreachable(Exception):
    """The destination cannot take anything at the moment."""


class Refusal(Exception):
    """The destination will never take this."""


@dataclass(frozen=True)
class Point:
    """A value of a metric at a step; time is in milliseconds since 1970."""

    name: str
    value: float
    step: int
    time: int


@dataclass
class Batch:
    """Records of a run in one piece: the first value of every parameter, the last of every tag.

    Attributes:
        header: ``experiment``, ``artifacts``, ``name`` and ``parent``, our id of another run.
        time: when the last record was made, in milliseconds since 1970.
    """

    header: Record = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    status: str | None = None
    time: int = 0

    @classmethod
    def of(cls, records: list[Record]) -> "Batch":
        batch = cls()
        for record in records:
            batch.time = record["time"]
            batch.header |= record.get("opened", {})
            batch.params = record.get("params", {}) | batch.params
            batch.tags |= record.get("tags", {})
            batch.status = record.get("status", batch.status)
            batch.points += [
                Point(name, value, record["step"], record["time"])
                for name, value in record.get("metrics", {}).items()
            ]
        return batch


class Destination(Protocol):
    """Where a spool is emptied. Every method may raise :class:`Unreachable` or :class:`Refusal`."""

    def send(self, run: str, batch: Batch) -> None:
        """Record a batch; parts that arrived before are recognised and left out."""

    def upload(self, run: str, path: Path) -> None:
        """Add a file to a run, or replace it."""

    def upload_image(self, run: str, path: Path, key: str, step: int) -> None:
        """Add a picture to one of a run's series."""


@dataclass(frozen=True)
class Backlog:
    """How much waits in a spool."""

    runs: int
    records: int
    files: int

    def __bool__(self) -> bool:
        return self.runs > 0

    def __str__(self) -> str:
        return f"{self.records} records and {self.files} files of {self.runs} runs"


class Spool:
    """The files of a spool.

    A full disk loses nothing: lines that cannot be written stay in memory until they can be, and
    files are linked then, which takes no space.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.unwritten: dict[str, bytes] = {}
        self.refusals: list[str] = []
        self._writing = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lock").touch()
        self._lock: FileLock | None = None

    def append(self, run: str, **record: Any) -> None:
        """Add a record: ``opened``, ``params``, ``metrics`` with ``step``, ``tags``, ``status``."""
        line = strict_json.dumps({"time": int(time.time() * 1000), **record}) + "\n"
        if "opened" in record:  # on a line of its own, whatever a process that died left before it
            line = "\n" + line
        with self._writing:
            self.unwritten[run] = self.unwritten.get(run, b"") + line.encode()
        self.write()

    def write(self) -> bool:
        """Write what a full disk has held back; returns whether all is written."""
        with self._writing:
            for run, lines in list(self.unwritten.items()):
                with contextlib.suppress(OSError), _open_to_append(self._path(run)) as file:
                    self.unwritten[run] = lines[os.write(file, lines) :]
            self.unwritten = {run: lines for run, lines in self.unwritten.items() if lines}
            return not self.unwritten

    def keep(self, run: str, path: Path, name: str) -> None:
        """Add a file to upload, under a name."""
        target = self.folder / run / name
        with _open_to_append(self._path(run)):  # nobody deletes the folder meanwhile
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_name(f".{target.name}")
            part.unlink(missing_ok=True)
            try:
                shutil.copyfile(path, part)
            except OSError:  # a full disk has room for a link still
                part.unlink(missing_ok=True)
                os.link(path, part)
            os.replace(part, target)

    def backlog(self) -> Backlog:
        """How much is not yet sent."""
        sizes = [(len(self._unsent(run)[0]), len(self._files(run))) for run in self._runs()]
        return Backlog(sum(map(any, sizes)), sum(r for r, _ in sizes), sum(f for _, f in sizes))

    def acquire(self) -> bool:
        """Become the process that sends; False if another one is."""
        self._lock = self._lock or locks.acquire(self.folder / "lock", wait=False)
        return self._lock is not None

    def close(self) -> None:
        """Let another process send."""
        if self._lock:
            self._lock.release()

    def send(self, destination: Destination) -> None:
        """Send everything, records before files, and delete what has arrived.

        Call :meth:`acquire` first.

        Raises:
            Unreachable: the destination could not take it all.
        """
        self.write()
        runs = self._runs()
        for run in runs:
            self._send_records(run, destination)
        for run in runs:
            for path in self._files(run):
                self._send_file(run, path, destination)
            self._clear(run)

    def _send_records(self, run: str, destination: Destination) -> None:
        records, end = self._unsent(run)
        if not records:
            return
        try:
            destination.send(run, Batch.of(records))
        except Refusal:
            for record in records:  # one by one, so that only what is bad is left out
                try:
                    destination.send(run, Batch.of([record]))
                except Refusal as error:
                    self._refuse(run, error, record)
        part = self._path(run, "part")
        part.write_text(str(end))
        os.replace(part, self._path(run, "sent"))

    def _send_file(self, run: str, path: Path, destination: Destination) -> None:
        before = path.stat()
        try:
            if path.parent.name == IMAGES:
                step, key = path.stem.split("-", 1)
                destination.upload_image(run, path, key, int(step))
            else:
                destination.upload(run, path)
        except Refusal as error:
            self._refuse(run, error, {"file": path.name})
            os.replace(path, self.folder / "refused" / f"{run}-{path.name}")
            return
        after = path.stat()
        if (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns):
            path.unlink()

    def _refuse(self, run: str, error: Refusal, record: Record) -> None:
        self.refusals.append(str(error))
        folder = self.folder / "refused"
        folder.mkdir(exist_ok=True)
        with open(folder / f"{run}.jsonl", "a") as file:
            file.write(strict_json.dumps({**record, "because": str(error)}) + "\n")

    def _unsent(self, run: str) -> tuple[list[Record], int]:
        """Read the whole lines that have not been sent, and where they end."""
        start = self._arrived(run)
        with contextlib.suppress(FileNotFoundError), open(self._path(run), "rb") as file:
            os.fsync(file.fileno())  # what the destination knows must not be forgotten here
            file.seek(start)
            lines = file.read()
            whole = lines[: lines.rfind(b"\n") + 1]
            return list(_parse(whole)), start + len(whole)
        return [], start

    def _clear(self, run: str) -> None:
        """Delete the files of a run that has ended and has arrived."""
        path = self._path(run)
        with contextlib.suppress(OSError), open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody appends meanwhile
            ended = Batch.of(list(_parse(file.read()))).status != "RUNNING"
            if ended and file.tell() == self._arrived(run) and not self._files(run):
                path.unlink()
                self._path(run, "sent").unlink(missing_ok=True)
                shutil.rmtree(self.folder / run, ignore_errors=True)

    def _runs(self) -> list[str]:
        """The runs, in the order in which they were started."""
        paths = self.folder.glob("*.jsonl")
        return [path.stem for path in sorted(paths, key=_start_time)]

    def _files(self, run: str) -> list[Path]:
        paths: list[Path] = []
        for folder in (self.folder / run, self.folder / run / IMAGES):
            with contextlib.suppress(FileNotFoundError):  # the process that sends has cleared it
                paths += folder.iterdir()
        return sorted(path for path in paths if path.name[0] != "." and path.is_file())

    def _arrived(self, run: str) -> int:
        with contextlib.suppress(FileNotFoundError):
            return int(self._path(run, "sent").read_text())
        return 0

    def _path(self, run: str, suffix: str = "jsonl") -> Path:
        return self.folder / f"{run}.{suffix}"


@contextlib.contextmanager
def _open_to_append(path: Path) -> Iterator[int]:
    """Open a file that nobody deletes meanwhile; yields its descriptor."""
    while True:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_SH)
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(file).st_ino == path.stat().st_ino:
                    yield file
                    return
        finally:
            os.close(file)


def _parse(lines: bytes) -> Iterator[Record]:
    """The records on the lines; half ones, which a power cut may leave, are left out."""
    for line in lines.splitlines():
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def _start_time(path: Path) -> int:
    """The time of a run's first record; 0 if the process that sends has cleared the run."""
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        return next(_parse(file.read(65536)), {"time": 0})["time"]
    return 0


class SpooledRun(Run):
    """A run whose records go to a spool."""

    def __init__(self, spool: Spool, id: str):
        self.spool, self.id = spool, id

    def append(self, **record: Any) -> None:
        self.spool.append(self.id, **record)

    def keep(self, path: Path, name: str) -> None:
        self.spool.keep(self.id, path, name)
