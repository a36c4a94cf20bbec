"""Tasks: calls of an importable function in another process."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rgf_keras.errors import Diverged, LostLease, RgfError
from rgf_keras.runtime.progress import Progress

# (what all tasks share, the task's own argument, its progress); the first two are pickled.
Task = Callable[[Any, Any, Progress], None]


@dataclass(frozen=True)
class TaskResult:
    """A task that is over.

    Attributes:
        argument: what it was started with.
        cause_of_death: how its process or node was lost; empty if it was not.
    """

    argument: Any
    cause_of_death: str = ""


def run_task(task: Task, shared: Any, argument: Any, progress: Progress) -> RgfError | None:
    """Run a task; returns what it could not go on with, in a form that any process can read."""
    try:
        task(shared, argument, progress)
    except RgfError as error:
        return error if isinstance(error, Diverged | LostLease) else RgfError(str(error))
    return None
