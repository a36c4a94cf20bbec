"""What a spool is emptied into, and what it sends."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Record = dict[str, Any]


class Unreachable(Exception):
    """The destination cannot take something at the moment.

    Args:
        reason: why.
        status: of the HTTP answer, 0 if there was none.
    """

    def __init__(self, reason: str, status: int = 0):
        super().__init__(reason)
        self.status = status


class Away(Unreachable):
    """The destination does not answer at all."""


class Refusal(Exception):
    """The destination will not take this as it is."""


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

    Records that are sent ``again`` after they were refused count as of their time.

    Attributes:
        header: ``experiment``, ``artifacts``, ``name`` and ``parent``, our id of another run.
        inputs: sets of images, see :func:`rgf_keras.tracking.inputs.describe`.
        experiment_tags: of the experiment that the run is in.
        time: when the last record was made, in milliseconds since 1970.
    """

    header: Record = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    inputs: list[Record] = field(default_factory=list)
    experiment_tags: dict[str, str] = field(default_factory=dict)
    status: str | None = None
    time: int = 0

    @classmethod
    def of(cls, records: list[Record]) -> "Batch":
        batch = cls()
        if any("again" in record for record in records):  # else as written: clocks are set back
            records = sorted(records, key=lambda record: record["time"])
        for record in records:
            batch.time = record["time"]
            batch.header |= record.get("opened", {})
            batch.params = record.get("params", {}) | batch.params
            batch.tags |= record.get("tags", {})
            batch.inputs += record.get("inputs", [])
            batch.experiment_tags |= record.get("experiment_tags", {})
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
        """Add a file to a run, or replace it; its folder's name is the run's or another's in it."""

    def upload_image(self, run: str, path: Path, key: str, step: int) -> None:
        """Add a picture to one of a run's series."""
