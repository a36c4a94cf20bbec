"""Progress of long work: a live bar with an ETA, or plain lines where there is no terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

SECONDS_PER_LINE = 15.0

Advance = Callable[[int, int], None]


class Track(Protocol):
    """Given what is done and in which unit, returns where (done, total) is reported."""

    def __call__(self, description: str, unit: str = "steps") -> Advance: ...


def silent(description: str, unit: str = "steps") -> Advance:
    """A :class:`Track` that shows nothing."""
    return lambda done, total: None


@contextmanager
def progress(console: Console) -> Iterator[Track]:
    """Yields a :class:`Track` that shows on the console what is under way."""
    if not console.is_terminal:
        yield lambda description, unit="steps": _lines(console, description, unit)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield lambda description, unit="steps": _bar(bars, description)


def _bar(bars: Progress, description: str) -> Advance:
    task: TaskID | None = None

    def advance(done: int, total: int) -> None:
        nonlocal task
        task = bars.add_task(description, total=total) if task is None else task
        bars.update(task, completed=done, total=total, visible=done < total)

    return advance


def _lines(console: Console, description: str, unit: str) -> Advance:
    began = told = time.monotonic()
    first: tuple[int, float] | None = None

    def advance(done: int, total: int) -> None:
        nonlocal told, first
        now = time.monotonic()
        # The first call's time includes compiling: the ETA counts from its end.
        first = (done, now) if first is None else first
        if done == total:
            console.print(f"{description}: {total} {unit} in {now - began:.0f} s")
        elif now - told >= SECONDS_PER_LINE:
            told = now
            left = (now - first[1]) * (total - done) / max(done - first[0], 1)
            console.print(f"{description}: {done} of {total} {unit}, {left:.0f} s left")

    return advance
