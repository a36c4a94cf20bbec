"""Features of an audit's images, computed ahead by several processes: the cache is what they share.

Each reads every set, for the order of images makes the batches, and embeds some of the batches.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rgf_keras.cache import Cache
from rgf_keras.datasets.image_sets import Canvas, batches
from rgf_keras.datasets.image_sources import open_source
from rgf_keras.experiments.audit import spaces
from rgf_keras.runtime.progress import Progress
from rgf_keras.runtime.workers import WorkersSpec, run_all

Part = tuple[str, int]  # a set, and the number of the process


@dataclass(frozen=True)
class Ahead:
    """What the processes need to know.

    Attributes:
        features, weights: of the networks, see :func:`spaces.find_extractors`.
        canvas: the size of images.
        cache: where features are kept.
        options: of :func:`open_source`.
        num_workers: processes that share the batches.
    """

    features: tuple[str, ...]
    weights: str
    canvas: Canvas
    cache: Cache
    options: dict[str, Any]
    num_workers: int

    def embed(self, part: Part, progress: Progress) -> None:
        """Embed every so manyth batch of a set in the space of each network."""
        spec, first = part
        source, done = open_source(spec, **self.options), 0
        networks = spaces.find_extractors(self.features, self.weights)
        for number, batch in enumerate(batches(source, self.canvas)):
            if number % self.num_workers == first:
                for network in networks:
                    network.extract(batch, self.cache)
            done += len(batch)
            progress(done, len(source))


def embed(ahead: Ahead, given: Sequence[str | Path], spec: WorkersSpec, progress: Progress) -> None:
    """Embed what lies in files; features end in the cache, where one process finds them again.

    Args:
        ahead: what is to be done.
        given: the sets, as :func:`open_source` reads them.
        spec: of the processes.
        progress: of each.

    Raises:
        RgfError: images or weights that cannot be read; or processes keep dying.
    """
    parts = [(str(each), number) for each in given for number in range(ahead.num_workers)]

    def task(part: Part) -> Progress:
        return progress.task(part[0], "images")

    with closing(spec.open(Ahead.embed, ahead, reuse=True)) as workers:
        for _ in run_all(workers, parts, task, lambda part: f"the images of {part[0]}"):
            pass
