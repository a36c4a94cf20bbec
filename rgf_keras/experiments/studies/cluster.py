"""Workers that are tasks of a Ray cluster."""

from rgf_keras.errors import RgfError
from rgf_keras.experiments.studies.run import StudySpec
from rgf_keras.runtime.progress import SILENT
from rgf_keras.runtime.ray import Share, Tasks


class Cluster:
    """A study's workers as tasks of a Ray cluster.

    All nodes must reach the job's storage and tracking address. A trial that a lost node leaves
    behind is resumed from its checkpoint where the nodes share the workspace, else begun again.

    Args:
        share: where, and what each worker gets.
        num_workers: tasks at a time.

    Raises:
        RgfError: Ray is not installed, or there is no cluster.
    """

    def __init__(self, share: Share, num_workers: int):
        self.num_workers, self._tasks = num_workers, Tasks(share, _work)

    @property
    def num_busy(self) -> int:
        return self._tasks.num_busy

    def start(self, spec: StudySpec, num_trials: int, alone: bool) -> None:
        # What a task gets is Ray's to give: alone or not, it is the same.
        self._tasks.start(spec, num_trials)

    def wait(self, seconds: float) -> list[str]:
        ended = self._tasks.wait(seconds)
        for task in ended:
            if task.result:
                raise RgfError(task.result)
        return [task.death for task in ended if task.death]

    def close(self) -> None:
        self._tasks.close()


def _work(spec: StudySpec, num_trials: int) -> str:
    """A task: runs trials; returns what it could not go on with."""
    try:
        with spec.open() as runner:
            runner.run_some(num_trials, SILENT)
    except RgfError as error:
        return str(error)
    return ""
