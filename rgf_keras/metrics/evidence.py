"""What is known of a trained generator when it is measured: samples, their table, and spaces."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Literal

import numpy as np

from rgf_keras import archive
from rgf_keras.cache import Arrays, Cache
from rgf_keras.metrics import copying, data_copying, frechet, neighbours
from rgf_keras.metrics.copies import SearchOwn
from rgf_keras.metrics.copying import Copying
from rgf_keras.metrics.frechet import Moments
from rgf_keras.metrics.rgf_table import Row

SetName = Literal["generated", "held_out", "train", "test"]
Embed = Callable[[str, SetName], np.ndarray]


class Space:
    """An embedding of an evaluation's images; a set is embedded when it is first asked for.

    Args:
        name: of the embedding.
        embed: name of a set → its features.
        seed: of k-means and resampling.
        labels: classes of ``train``, ``test`` and ``generated``, integers; None if unknown.
        cache: where statistics of the data are kept; None to keep nothing.
        search_own: finds neighbours of training images among themselves.

    Attributes:
        generated: (m, d) of the generator's samples.
        held_out: (n, d) of balanced held-out images, whose distribution stands for quality.
        train: (l, d) of the training images.
        test: (k, d) of held-out images of the training images' kind.
        copying: how near the samples lie to training images.
        c_t_mean: C_T, mean over the training images' classes, as arXiv 2210.12231 computes it; None
            where classes are unknown, or there are too few test images or samples of one.
    """

    def __init__(
        self,
        name: str,
        embed: Callable[[SetName], np.ndarray],
        seed: int,
        labels: Mapping[str, np.ndarray] | None = None,
        cache: Cache | None = None,
        search_own: SearchOwn = neighbours.nearest,
    ):
        self.name, self._embed, self._seed, self._labels = name, embed, seed, labels
        self._cache, self._search_own = cache, search_own
        self._moments: dict[SetName, Moments] = {}

    @cached_property
    def generated(self) -> np.ndarray:
        return self._embed("generated")

    @cached_property
    def held_out(self) -> np.ndarray:
        return self._embed("held_out")

    @cached_property
    def train(self) -> np.ndarray:
        return self._embed("train")

    @cached_property
    def test(self) -> np.ndarray:
        return self._embed("test")

    def moments(self, name: SetName) -> Moments:
        """Mean and covariance of a set's features; of the data, from the cache."""
        if name not in self._moments:
            features = getattr(self, name)
            is_kept = self._cache is not None and name != "generated"
            self._moments[name] = self._kept(features) if is_kept else frechet.moments(features)
        return self._moments[name]

    def _kept(self, features: np.ndarray) -> Moments:
        def compute() -> Arrays:
            found = frechet.moments(features)
            return {"mean": found.mean, "covariance": found.covariance}

        assert self._cache is not None
        description = {"features": archive.digest({"features": features})}
        return Moments(**self._cache.get("moments", description, compute), count=len(features))

    @cached_property
    def copying(self) -> Copying:
        sets = self.train, self.test, self.generated
        return copying.measure(*sets, self._seed, self.name, self._search_own)

    @cached_property
    def c_t_mean(self) -> float | None:
        if self._labels is None:
            return None
        train, test, generated = (self._labels[name] for name in data_copying.SETS)
        counts = np.array([[np.sum(y == k) for k in np.unique(train)] for y in (test, generated)])
        if counts.min() <= copying.MIN_SAMPLES_PER_CELL:
            return None
        sets = self.train, self.test, self.generated
        return data_copying.c_t_per_class(*sets, train, test, generated, self._seed).c_t


@dataclass(frozen=True)
class Evidence:
    """What is known of a trained generator when it is measured.

    Attributes:
        images: (m, H, W, C) uint8, its samples.
        table: the z-table of these images.
        embedding: name of the space in which quality is measured.
        embed: (name of a space, of a set) → features, (number of images, d).
        copying_spaces: names of the spaces in which copying is measured.
        labels: classes of ``train`` and ``test`` images and of the ``generated`` ones, those asked
            for where the generator is conditional; None if unknown.
        confidence: (m,) in [0, 1], the class oracle's; None without one.
        accuracies: of the oracles on held-out images, by name.
        min_class_samples: fewer samples of a class are too few.
        num_resamples: of bootstrap intervals.
        seed: of everything random in measuring.
        statistics: of reference images in the space of FID, as they are published; None without.
        cache: where statistics of the data are kept; None to keep nothing.
        search_own: finds neighbours of training images among themselves.
    """

    images: np.ndarray
    table: Sequence[Row]
    embedding: str
    embed: Embed
    copying_spaces: Sequence[str]
    labels: Mapping[str, np.ndarray] | None = None
    confidence: np.ndarray | None = None
    accuracies: Mapping[str, float] | None = None
    min_class_samples: int = 10
    num_resamples: int = 100
    seed: int = 0
    statistics: Moments | None = None
    cache: Cache | None = None
    search_own: SearchOwn = neighbours.nearest
    _spaces: dict[str, Space] = field(default_factory=dict, init=False, repr=False, compare=False)

    def space(self, name: str) -> Space:
        """A space by its name; what it holds is computed once."""
        if name not in self._spaces:
            embed = partial(self.embed, name)
            own = self.seed, self.labels, self.cache, self.search_own
            self._spaces[name] = Space(name, embed, *own)
        return self._spaces[name]

    @property
    def features(self) -> np.ndarray:
        """(m, d) of the samples, in the space of quality."""
        return self.space(self.embedding).generated

    @property
    def held_out(self) -> np.ndarray:
        """(n, d) of balanced held-out images, in the space of quality."""
        return self.space(self.embedding).held_out

    @property
    def copying_by_space(self) -> dict[str, Copying]:
        """How near the images lie to training images, in every space in which it is measured."""
        return {name: self.space(name).copying for name in self.copying_spaces}

    @property
    def copying(self) -> Copying:
        """How near in the space where C_T is smallest: copies are to be looked for there."""
        return min(self.copying_by_space.values(), key=lambda copying: copying.c_t.value)
