"""A spool: what is recorded waits in files until the place that it is for has it.

::

    SPOOL/RUN.jsonl    what was logged, one JSON object a line, only ever appended to
    SPOOL/RUN.sent     how many bytes of it have arrived
    SPOOL/RUN/         files to upload, also in folders, and in images/ pictures, named
                       STEP-KEY.png; each is deleted when it has arrived
    SPOOL/refused/     likewise RUN.jsonl and RUN/, what the destination does not want
    SPOOL/files.lock   held for an instant by whoever adds or deletes files

Any number of processes append; the one that holds ``SPOOL/lock`` sends, also what processes that
died have left. What is sent twice after a crash is recognised at the destination by run and step.
What cannot be sent now waits, and keeps nothing else waiting but what depends on it.
"""

import contextlib
import json
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any

from filelock import FileLock

from rgf_keras import outputs, strict_json
from rgf_keras.errors import RgfError
from rgf_keras.runtime import locks
from rgf_keras.tracking.destination import Away, Batch, Destination, Record, Refusal, Unreachable
from rgf_keras.tracking.tracker import IMAGES, Run

MAX_BYTES = 10_000_000_000  # of what waits, before no more files are taken
MAX_BYTES_HELD = 64_000_000  # of files in memory, while the disk is full
# After so many failures in a row the rest is not tried; fewer if each may take a timeout.
MAX_FAILURES, MAX_TIMEOUTS = 20, 2
FILES_LOCK = "files.lock"


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

    A full disk loses nothing: what cannot be written stays in memory until it can be.

    Attributes:
        refusals: why something was refused, since somebody emptied this.
        num_sent: how much has arrived, in batches and files.
        late: runs that could not be sent when they were last tried.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.unwritten: dict[str, bytes] = {}
        self.unwritten_files: dict[tuple[str, str], bytes] = {}
        self.refusals: list[str] = []
        self.num_sent = 0
        self.late: set[str] = set()
        self._writing = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lock").touch()
        (folder / FILES_LOCK).touch()  # not on a disk that has become full
        self._files_lock = locks.lock_of(folder / FILES_LOCK)
        self._lock: FileLock | None = None
        self._locking, self._closed = threading.Lock(), False

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
                with contextlib.suppress(OSError), self._open_to_append(run) as file:
                    self.unwritten[run] = lines[file.write(lines) :]
            self.unwritten = {run: lines for run, lines in self.unwritten.items() if lines}
            for (run, name), content in list(self.unwritten_files.items()):
                with contextlib.suppress(OSError):
                    self._put(run, name, content)
                    del self.unwritten_files[run, name]
            return not (self.unwritten or self.unwritten_files)

    def keep(self, run: str, path: Path, name: str) -> None:
        """Add a file to upload, under a name; as it is now, whatever becomes of it.

        Raises:
            RgfError: too much waits, or it fits neither on the disk nor in memory.
        """
        if outputs.size(self.folder) > MAX_BYTES:
            raise RgfError(
                f"{self.folder} holds more than {MAX_BYTES / 1e9:g} GB that wait for MLflow; make "
                "MLflow reachable, run `rgf sync`, and the same command goes on"
            )
        content = path.read_bytes()
        with self._writing:
            self.unwritten_files.pop((run, name), None)
            try:
                self._put(run, name, content)
            except OSError as error:
                self.unwritten_files[run, name] = content
                if sum(map(len, self.unwritten_files.values())) > MAX_BYTES_HELD:
                    raise RgfError(
                        f"cannot write {self.folder} ({error.strerror}); make space, and the same "
                        "command goes on"
                    ) from error

    def _put(self, run: str, name: str, content: bytes) -> None:
        target = self.folder / run / name
        part = target.with_name(f".{target.name}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
            with self._open_to_append(run):
                os.replace(part, target)
        except OSError:  # also if the process that sends has deleted the folder since
            part.unlink(missing_ok=True)
            raise

    def backlog(self) -> Backlog:
        """How much is not yet sent."""
        sizes = [(len(self._unsent(run)[0]), len(self._files(run))) for run in self._runs()]
        return Backlog(sum(map(any, sizes)), sum(r for r, _ in sizes), sum(f for _, f in sizes))

    def acquire(self) -> bool:
        """Become the process that sends; False if another one is, or this one has closed it."""
        with self._locking:
            if not self._closed:
                self._lock = self._lock or locks.acquire(self.folder / "lock", wait=False)
            return self._lock is not None

    def close(self) -> None:
        """Let another process send."""
        with self._locking:
            self._closed = True
            if self._lock:
                self._lock.release()
                self._lock = None

    def send(self, destination: Destination) -> None:
        """Send all that can be sent, records before files, and delete what has arrived.

        Call :meth:`acquire` first.

        Raises:
            Unreachable: the destination could not take it all; the first reason.
        """
        self.write()
        failures = _Failures()
        late: set[str] = set()

        def attempt(run: str, send: Callable[[], None]) -> None:
            if failures.is_away:
                return
            before = self.num_sent
            try:
                send()
            except Exception as error:  # one run must not keep others from being sent
                failures.add(error)
                late.add(run)
                self.late.add(run)
            else:
                failures.in_a_row *= self.num_sent == before

        runs = self._runs()
        for run in runs:
            attempt(run, partial(self._send_records, run, destination))
        for run in runs:
            for path in self._files(run) if run not in late else ():
                attempt(run, partial(self._send_file, run, path, destination))
            self._clear(run)
            if run not in late and not failures.is_away:
                self.late.discard(run)
        failures.raise_first()

    def requeue(self) -> None:
        """Let what was refused be sent once more, as somebody may have mended the reason."""
        folder = self.folder / "refused"
        for path in folder.glob("*.jsonl"):
            for record in _parse(path.read_bytes()):
                if "file" not in record:
                    kept = {key: x for key, x in record.items() if key != "because"}
                    self.append(path.stem, **kept | {"again": True})
            if not self.write():
                return
            path.unlink()
        for path in [path for path in outputs.files(folder) if path.parent != folder]:
            target = self.folder / path.relative_to(folder)
            with self._writing, self._open_to_append(target.relative_to(self.folder).parts[0]):
                target.parent.mkdir(parents=True, exist_ok=True)
                if not target.exists():  # what was logged since is newer
                    os.replace(path, target)
        shutil.rmtree(folder, ignore_errors=True)

    def has(self, run: str) -> bool:
        """Whether there is something of a run."""
        return self._path(run).exists()

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
        self.num_sent += 1
        part = self._path(run, "part")
        part.write_text(str(end))
        os.replace(part, self._path(run, "sent"))

    def _send_file(self, run: str, path: Path, destination: Destination) -> None:
        before = path.stat()
        try:
            if path.parent == self.folder / run / IMAGES:
                step, key = re.fullmatch("(-?[0-9]+)-(.*)", path.stem).groups()  # type: ignore[union-attr]
                destination.upload_image(run, path, key, int(step))
            else:
                destination.upload(run, path)
        except Refusal as error:
            reason = Refusal(f"{path.name} of {before.st_size / 1e6:.1f} MB: {error}")
            self._refuse(run, reason, {"file": path.name})
            aside = self.folder / "refused" / path.relative_to(self.folder)
            aside.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, aside)
            return
        self.num_sent += 1
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
        with contextlib.suppress(FileNotFoundError), open(self._path(run), "r+b") as file:
            os.fsync(file.fileno())  # what the destination knows must not be forgotten here
            file.seek(start)
            lines = file.read()
            whole = lines[: lines.rfind(b"\n") + 1]
            return list(_parse(whole)), start + len(whole)
        return [], start

    def _clear(self, run: str) -> None:
        """Delete the files of a run that has ended and has arrived."""
        path, size = self._path(run), self._arrived(run)
        with contextlib.suppress(OSError):  # also if somebody adds something now
            if path.stat().st_size != size or self._has_status(run, "RUNNING"):
                return
            with self._writing, self._files_lock.acquire(blocking=False):
                if path.stat().st_size == size and not self._files(run):
                    path.unlink()
                    self._path(run, "sent").unlink(missing_ok=True)
                    shutil.rmtree(self.folder / run, ignore_errors=True)

    def _has_status(self, run: str, status: str) -> bool:
        return Batch.of(list(_parse(self._path(run).read_bytes()))).status == status

    def _runs(self) -> list[str]:
        """The runs: parents before their children, else as they were started, the late ones last.

        Clocks are set back, so that a time alone does not tell what came first.
        """
        openings = {path.stem: _opening(path) for path in self.folder.glob("*.jsonl")}
        in_order: dict[str, None] = {}

        def put(run: str) -> None:
            parent = openings[run].get("opened", {}).get("parent")
            if parent in openings and parent != run:
                put(parent)
            in_order[run] = None

        for run in sorted(openings, key=lambda run: (run in self.late, openings[run]["time"])):
            put(run)
        return list(in_order)

    def _files(self, run: str) -> list[Path]:
        paths: list[Path] = []
        with contextlib.suppress(FileNotFoundError):  # the process that sends has cleared it
            for path in (self.folder / run).iterdir():
                paths += path.iterdir() if path.is_dir() else [path]
        return sorted(path for path in paths if path.name[0] != "." and path.is_file())

    def _arrived(self, run: str) -> int:
        with contextlib.suppress(FileNotFoundError):
            return int(self._path(run, "sent").read_text())
        return 0

    @contextlib.contextmanager
    def _open_to_append(self, run: str) -> Iterator[FileIO]:
        """Open what was logged of a run; nobody deletes the run meanwhile."""
        with (
            self._files_lock,
            open(self._path(run), "ab", buffering=0, opener=_open_private) as file,
        ):
            yield file

    def _path(self, run: str, suffix: str = "jsonl") -> Path:
        return self.folder / f"{run}.{suffix}"


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def _parse(lines: bytes) -> Iterator[Record]:
    """The records on the lines; half ones, which a power cut may leave, are left out."""
    for line in lines.splitlines():
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def _opening(path: Path) -> Record:
    """A run's first record; one without anything if the process that sends has cleared the run."""
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        return next(_parse(file.read(65536)), {"time": 0})
    return {"time": 0}


@dataclass
class _Failures:
    """What could not be sent."""

    first: Exception | None = None
    in_a_row: int = 0
    is_away: bool = False

    def add(self, error: Exception) -> None:
        self.first = self.first or error
        self.in_a_row += 1
        most = MAX_TIMEOUTS if isinstance(error, Away) else MAX_FAILURES
        self.is_away = self.in_a_row >= most

    def raise_first(self) -> None:
        if isinstance(self.first, Unreachable | OSError):
            raise self.first
        if self.first:  # what nobody thought of
            raise Unreachable(f"{type(self.first).__name__}: {self.first}") from self.first


class SpooledRun(Run):
    """A run whose records go to a spool."""

    def __init__(self, spool: Spool, id: str):
        self.spool, self.id = spool, id

    def append(self, **record: Any) -> None:
        self.spool.append(self.id, **record)

    def keep(self, path: Path, name: str) -> None:
        self.spool.keep(self.id, path, name)
