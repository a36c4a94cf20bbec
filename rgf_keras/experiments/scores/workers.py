"""Fits spread over workers. A worker that dies is replaced, and what it was at continued."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from rgf_keras.experiments.scores.fits import Fits
from rgf_keras.experiments.scores.folds import Group
from rgf_keras.runtime.progress import Progress
from rgf_keras.runtime.workers import WorkersSpec, run_all


@dataclass(frozen=True)
class Resources(WorkersSpec):
    """What fits may use: workers, whose nodes must share the results' folder on a cluster.

    Sums are added up in an order that depends on the number of threads: with equally many threads
    a fit has the same result to the last bit, however many processes there are. (Threads on a
    cluster are Ray's to give.)

    Attributes:
        ensemble: fits that are trained in one program (JAX).
    """

    ensemble: int = 1


ALONE = Resources()


class _GroupProgress(Progress):
    """How far one group is, shown as how far all are."""

    def __init__(self, group: Group, done: dict[Group, int], total: int, progress: Progress):
        self.group, self.done, self.total, self.progress = group, done, total, progress

    def __call__(self, done: int, total: int) -> None:
        if done != self.done[self.group]:
            self.done[self.group] = done
            self.progress(sum(self.done.values()), self.total)


def train(fits: Fits, groups: Sequence[Group], resources: Resources, progress: Progress) -> None:
    """Train groups of fits, here or in processes of their own.

    Args:
        fits: what trains them.
        groups: what is still to be trained.
        resources: how many processes with how many threads.
        progress: told (steps done, steps in all) over all groups.

    Raises:
        RgfError: what a fit raises; or processes keep dying.
    """
    steps = {group: fits.steps(group) for group in groups}
    done, total = dict.fromkeys(groups, 0), sum(steps.values())
    parts = {group: _GroupProgress(group, done, total, progress) for group in groups}
    if resources.in_this_process:
        for group in groups:
            fits.train(group, parts[group])
        return
    with closing(resources.open(Fits.train, fits, reuse=True)) as workers:
        for group in run_all(workers, groups, parts.__getitem__, lambda group: group[0].name):
            parts[group](steps[group], total)
