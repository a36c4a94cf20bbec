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

SECONDS_PER_LINE = 15.0


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


class Watched(Progress):
    """Progress that makes sure of something before it is told.

    Args:
        progress: is told.
        check: what it raises ends the work.
    """

    def __init__(self, progress: Progress, check: Callable[[], None]):
        self.progress, self.check = progress, check

    def task(self, description: str, unit: str = "steps") -> Progress:
        return Watched(self.progress.task(description, unit), self.check)

    def __call__(self, done: int, total: int) -> None:
        self.check()
        self.progress(done, total)


@contextmanager
def on_console(console: Console) -> Iterator[Progress]:
    """Yields a progress that is shown on the console."""
    if not console.is_terminal:
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
            seconds = now - self.began
            self._print(f"{total} {self.unit} in {seconds:.0f} s")
        elif now - self.told >= SECONDS_PER_LINE:
            self.told = now
            left = (now - self.first[1]) * (total - done) / max(done - self.first[0], 1)
            self._print(f"{done} of {total} {self.unit}, {left:.0f} s left")

    def _print(self, line: str) -> None:
        self.console.print(Text(f"{self.description}: {line}"), soft_wrap=True)
