"""Fits spread over workers. A worker that dies is replaced, and what it was at continued."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from rgf_keras.errors import RgfError
from rgf_keras.experiments.scores.fits import Fits
from rgf_keras.experiments.scores.folds import Group
from rgf_keras.runtime.progress import Progress
from rgf_keras.runtime.workers import WorkersSpec

# A group that killed so many processes is given up.
MAX_DEATHS = 3


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
    waiting, deaths = list(groups)[::-1], Counter[Group]()
    with closing(resources.open(Fits.train, fits, reuse=True)) as workers:
        while waiting or workers.num_busy:
            while waiting and workers.num_busy < workers.num_workers:
                group = waiting.pop()
                workers.start(group, parts[group])
            for result in workers.wait(seconds=1.0):
                if result.cause_of_death:
                    waiting.append(result.argument)
                    deaths[result.argument] += 1
                    _check(deaths, result.cause_of_death)
                else:
                    parts[result.argument](steps[result.argument], total)


def _check(deaths: Counter[Group], cause: str) -> None:
    group, num = deaths.most_common(1)[0]
    if num == MAX_DEATHS:
        raise RgfError(
            f"{num} processes died at {group[0].name}, the last one by {cause} (signal 9 is often "
            "a lack of memory); what they said is above; try fewer --workers"
        )
