"""Progress of long work: a live bar with an ETA, or plain lines where there is no terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rgf_keras.experiments.materials import Advance, Track

SECONDS_PER_LINE = 15.0


@contextmanager
def progress(console: Console) -> Iterator[Track]:
    """Yields ``track(description)``, which returns where (done, total) is reported."""
    if not console.is_terminal:
        yield lambda description: _lines(console, description)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:

        def track(description: str) -> Advance:
            task = bars.add_task(description, total=None)

            def advance(done: int, total: int) -> None:
                bars.update(task, completed=done, total=total, visible=done < total)

            return advance

        yield track


def _lines(console: Console, description: str) -> Advance:
    began = told = time.monotonic()
    first: int | None = None

    def advance(done: int, total: int) -> None:
        nonlocal told, first
        now = time.monotonic()
        first = done if first is None else first
        if done == total:
            console.print(f"{description}: {total} steps in {now - began:.0f} s")
        elif now - told >= SECONDS_PER_LINE:
            told = now
            left = (now - began) * (total - done) / max(done - first, 1)
            console.print(f"{description}: {done} of {total} steps, {left:.0f} s left")

    return advance
