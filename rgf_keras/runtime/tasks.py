"""Tasks: calls of a module's own function in another process."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rgf_keras.errors import Diverged, RgfError
from rgf_keras.runtime.progress import SILENT, Progress

# (what all tasks share, a task's own argument, its progress): all that is needed is pickled.
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


def run_task(
    task: Task, shared: Any, argument: Any, progress: Progress = SILENT
) -> RgfError | None:
    """Run a task; returns what it could not go on with, in a form that any process can read."""
    try:
        task(shared, argument, progress)
    except Diverged as error:
        return error
    except RgfError as error:
        return RgfError(str(error))
    return None
