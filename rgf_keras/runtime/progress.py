"""Progress of long work: a live bar with an ETA, or plain lines where there is no terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

SECONDS_PER_LINE = 15.0  # at first
LINES_PER_DOUBLING = 10  # of long work, at most: ten hours are no thousand lines


class Progress:
    """Where long work tells how far it is: this one shows nothing.

    >>> progress = Progress().task("samples", "images")
    >>> progress(16, 64)
    """

    def task(self, description: str, unit: str = "steps") -> "Progress":
        """The progress of a part of the work, which is called with (done, total)."""
        return self

    def __call__(self, done: int, total: int) -> None:
        """Tell how far this part is, in its unit."""


SILENT = Progress()


def duration(seconds: float) -> str:
    """A duration in words.

    >>> [duration(each) for each in (3.2, 200, 4000, 360_000)]
    ['3 s', '3 min', '67 min', '100 h']
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.0f} h"


class CheckedProgress(Progress):
    """Progress that makes sure of something before it is told.

    Args:
        progress: is told.
        check: what it raises ends the work.
    """

    def __init__(self, progress: Progress, check: Callable[[], None]):
        self.progress, self.check = progress, check

    def task(self, description: str, unit: str = "steps") -> Progress:
        return CheckedProgress(self.progress.task(description, unit), self.check)

    def __call__(self, done: int, total: int) -> None:
        self.check()
        self.progress(done, total)


@contextmanager
def on_console(console: Console) -> Iterator[Progress]:
    """Yields a progress that is shown on the console."""
    if not console.is_interactive:  # no terminal, or one that cannot go back
        yield _Lines(console)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        yield _Bar(bars)


class _Bar(Progress):
    def __init__(self, bars: Bars, description: str = ""):
        self.bars, self.description = bars, description
        self.id: TaskID | None = None

    def task(self, description: str, unit: str = "steps") -> Progress:
        return _Bar(self.bars, description)

    def __call__(self, done: int, total: int) -> None:
        if self.id is None:
            self.id = self.bars.add_task(self.description, total=total)
        self.bars.update(self.id, completed=done, total=total, visible=done < total)


class _Lines(Progress):
    def __init__(self, console: Console, description: str = "", unit: str = "steps"):
        self.console, self.description, self.unit = console, description, unit
        self.began = self.told = time.monotonic()
        self.first: tuple[int, float] | None = None

    def task(self, description: str, unit: str = "steps") -> Progress:
        return _Lines(self.console, description, unit)

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        # The first call's time includes compiling: the ETA counts from its end.
        self.first = self.first or (done, now)
        if done == total:
            self._print(f"{total} {self.unit} in {duration(now - self.began)}")
        elif now - self.told >= max(SECONDS_PER_LINE, (now - self.began) / LINES_PER_DOUBLING):
            self.told, new = now, done - self.first[0]
            left = (now - self.first[1]) * (total - done) / new if new > 0 else None
            told = "" if left is None else f", about {duration(left)} left"
            self._print(f"{done} of {total} {self.unit}{told}")

    def _print(self, line: str) -> None:
        self.console.print(Text(f"{self.description}: {line}"), soft_wrap=True)
