"""Which images of a set are copies, in one space, and which kinds of copies are found there."""

from dataclasses import dataclass

import numpy as np

from rgf_keras.datasets import variants
from rgf_keras.datasets.image_sets import ImageSet
from rgf_keras.experiments.audit.spaces import Space, flatten
from rgf_keras.metrics import approximate, naming, neighbours
from rgf_keras.metrics.copying import NUM_NEIGHBOURS
from rgf_keras.metrics.frechet import Estimate

SAME = 1e-6  # cosine distance: features of one image differ by rounding
MOVED_SHARE = 0.1  # of the level
NUM_FRESH = 2000  # training and held-out images by which distances of moved ones are judged


@dataclass(frozen=True)
class Nearest:
    """The nearest training images of some images.

    Attributes:
        distances: (n,) cosine distances to them.
        indices: (n,) their positions.
        relative: (n,) the distances divided by the mean distance to the ten nearest.
    """

    distances: np.ndarray
    indices: np.ndarray
    relative: np.ndarray

    @property
    def same(self) -> np.ndarray:
        """(n,) whether an image is a training image."""
        return self.distances <= SAME

    def __getitem__(self, chosen: np.ndarray) -> "Nearest":
        return Nearest(self.distances[chosen], self.indices[chosen], self.relative[chosen])

    def one(self, i: int) -> tuple[float, int, float]:
        """Distance, position and relative distance of one."""
        return float(self.distances[i]), int(self.indices[i]), float(self.relative[i])

    def replaced(self, where: np.ndarray, other: "Nearest") -> "Nearest":
        """These, but another's where it is so."""
        pairs = zip(
            (self.distances, self.indices, self.relative),
            (other.distances, other.indices, other.relative),
            strict=True,
        )
        return Nearest(*(np.where(where, theirs, ours) for ours, theirs in pairs))


@dataclass(frozen=True)
class Known:
    """What of one space is the same for all generated sets.

    Attributes:
        space: its name.
        train: (l, d) features.
        fresh: (f,) relative distances of images that are no copies: held-out images, and training
            images to the others, but for duplicates.
        duplicates: (l,) whether a training image is there twice.
        leaked: (n,) whether a held-out image is, or nearly is, a training image; empty without.
        recall: share of training images whose nearest other one was found; None if all were.
    """

    space: str
    train: np.ndarray
    fresh: np.ndarray
    duplicates: np.ndarray
    leaked: np.ndarray
    recall: Estimate | None = None


@dataclass(frozen=True)
class Moved:
    """Copies that are named only once they are mirrored or shifted back.

    Attributes:
        limit: relative distance below which a moved image is named a copy.
        copies: (c,) positions of these, nearest first.
        how: what was done to each.
        near: (c,) their nearest training images.
    """

    limit: float
    copies: np.ndarray
    how: tuple[str, ...]
    near: Nearest


@dataclass(frozen=True)
class Finding:
    """Copies among generated images in one space.

    Attributes:
        space: its name.
        near: nearest training images.
        limit: relative distance below which an image is named a copy.
        copies: (c,) positions of these, nearest first.
        moved: further ones; None where they are not searched for.
    """

    space: str
    near: Nearest
    limit: float
    copies: np.ndarray
    moved: Moved | None = None

    @property
    def num_copies(self) -> int:
        return len(self.copies) + (len(self.moved.copies) if self.moved else 0)


@dataclass(frozen=True)
class Mirror:
    """The search for moved copies in pixels.

    Attributes:
        train: (l, d) pixels.
        fresh: (f,) smallest relative distances of images that are no copies, however moved.
    """

    train: np.ndarray
    fresh: np.ndarray

    def nearest(self, thumbnails: np.ndarray) -> tuple[Nearest, np.ndarray]:
        """Nearest training images of images (n, h, w, C), each moved so that it lies nearest.

        Returns:
            These, and (n,) numbers of the variants.
        """
        return _nearest_moved(thumbnails, self.train)


def nearest(features: np.ndarray, train: np.ndarray) -> Nearest:
    """Nearest training images of images, by their features (n, d) and (l, d)."""
    k = min(NUM_NEIGHBOURS, len(train))
    return _nearest(*(each.reshape(-1, k) for each in neighbours.nearest(features, train, k=k)))


def know(
    space: Space, train: ImageSet, test: ImageSet | None, level: float, is_approximate: bool = False
) -> Known:
    """Compare training images with each other, and with held-out ones.

    Args:
        space: to compare in.
        train, test: the images.
        level: probability that any of so many fresh images is taken for a training image.
        is_approximate: training images' neighbours among themselves, a search that grows with the
            square of their number, are searched for approximately.
    """
    features = space.features(train)
    k = min(NUM_NEIGHBOURS, len(train) - 1)
    recall = None
    if is_approximate:
        found = approximate.nearest(features, features, k=k, leave_one_out=True)
        own, recall = _nearest(found.distances, found.indices), found.recall
    else:
        own = _nearest(*neighbours.nearest(features, features, k=k, leave_one_out=True))
    fresh, leaked = own.relative[~own.same], np.empty(0, bool)
    if test is not None:
        held_out = nearest(space.features(test), features)
        limit = _limit(fresh, held_out.relative, level)
        leaked = held_out.same | (held_out.relative < limit)
        fresh = np.concatenate([fresh, held_out.relative[~leaked]])
    return Known(space.name, features, fresh, own.same, leaked, recall)


def mirror(train: ImageSet, known: Known, test: ImageSet | None, seed: int) -> Mirror:
    """Prepare the search for moved copies.

    Args:
        train: training images, of which at most 2000 are compared with the others.
        known: of the space of pixels.
        test: held-out images, of which at most 2000 are compared; None without.
        seed: of the choice among more.
    """
    rng = np.random.default_rng(seed)

    def fresh(images: ImageSet, copied: np.ndarray, is_train: bool) -> np.ndarray:
        chosen = np.flatnonzero(~copied)
        if not len(chosen):
            return np.empty(0)
        if len(chosen) > NUM_FRESH:
            chosen = np.sort(rng.choice(chosen, NUM_FRESH, replace=False))
        thumbnails, own = images.thumbnails[chosen], chosen if is_train else None
        return _nearest_moved(thumbnails, known.train, own)[0].relative

    distances = [fresh(train, known.duplicates, True)]
    if test is not None:
        distances.append(fresh(test, known.leaked, False))
    return Mirror(known.train, np.concatenate(distances))


def find(
    known: Known, features: np.ndarray, images: ImageSet, level: float, search: Mirror | None
) -> Finding:
    """Name the copies among generated images.

    Args:
        known: of the space.
        features: (m, d) of the images.
        images: generated ones.
        level: probability that any of so many fresh images is named, see
            :func:`rgf_keras.metrics.naming.threshold`; a tenth of it for moved ones, where these
            are searched for: copies are all the nearer once they are moved back.
        search: for moved copies; None in spaces where they are not searched for.
    """
    of_moved = MOVED_SHARE * level if search else 0.0
    near = nearest(features, known.train)
    limit = _limit(known.fresh, near.relative, level - of_moved)
    copies = _below(near, limit)
    if search is None:
        return Finding(known.space, near, limit, copies)
    moved, numbers = search.nearest(images.thumbnails)
    limit_moved = _limit(search.fresh, moved.relative, of_moved)
    found = _below(moved, limit_moved)
    found = found[~np.isin(found, copies)]
    names = [name for name, _ in variants.moved(images.thumbnails[:1])]
    how = tuple(names[numbers[i]] for i in found)
    return Finding(known.space, near, limit, copies, Moved(limit_moved, found, how, moved[found]))


def sensitivity(
    space: Space, known: Known, finding: Finding, train: ImageSet, search: Mirror | None, seed: int
) -> dict[str, float]:
    """Shares of some training images that would be named, by how they are changed."""
    images = np.stack([train.examples[i] for i in sorted(train.examples)])
    shares = {}
    for kind, changed in variants.disguised(images, seed).items():
        features = space.embed(changed)
        named = nearest(features, known.train).relative < finding.limit
        if search and finding.moved:
            thumbnails = features.reshape(len(features), *train.thumbnails.shape[1:])
            named |= search.nearest(thumbnails)[0].relative < finding.moved.limit
        shares[kind] = float(named.mean())
    return shares


def _nearest(distances: np.ndarray, indices: np.ndarray) -> Nearest:
    """The nearest, by distances and indices (n, k), nearest first."""
    mean = distances.mean(axis=1)
    first = distances[:, 0]
    relative = np.divide(first, mean, out=np.zeros_like(mean), where=mean > 0)
    return Nearest(first, indices[:, 0], relative)


def _nearest_moved(
    thumbnails: np.ndarray, train: np.ndarray, own: np.ndarray | None = None
) -> tuple[Nearest, np.ndarray]:
    """Nearest training images of each image's nearest variant, and that one's number.

    Args:
        thumbnails: (n, h, w, C).
        train: (l, d) pixels.
        own: (n,) positions of training images that are themselves none of their neighbours.
    """
    best: Nearest | None = None
    which = np.zeros(len(thumbnails), np.int64)
    for number, (_, images) in enumerate(variants.moved(thumbnails)):
        near = _nearest(*_search(flatten(images), train, own))
        if best is None:
            best = near
            continue
        better = near.relative < best.relative
        which[better] = number
        best = best.replaced(better, near)
    assert best is not None
    return best, which


def _search(
    queries: np.ndarray, train: np.ndarray, own: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Distances and indices (n, k) of nearest training images, but for one's own."""
    k = min(NUM_NEIGHBOURS, len(train) - 1)
    if own is None:
        return neighbours.nearest(queries, train, k=k)
    distances, indices = neighbours.nearest(queries, train, k=k + 1)
    is_own = indices == own[:, np.newaxis]
    is_own[~is_own.any(axis=1), -1] = True  # the farthest one is left out instead
    shape = len(queries), k
    return distances[~is_own].reshape(shape), indices[~is_own].reshape(shape)


def _limit(fresh: np.ndarray, relative: np.ndarray, level: float) -> float:
    """The relative distance below which images of such relative distances are named copies.

    Where too few images are fresh only the same images are.
    """
    enough = len(fresh) >= 2 * naming.MIN_TAIL
    return naming.threshold(fresh, relative, level) if enough else naming.SMALLEST


def _below(near: Nearest, limit: float) -> np.ndarray:
    """Positions of images that are nearer, nearest first."""
    found = np.flatnonzero(near.relative < limit)
    return found[np.argsort(near.relative[found], kind="stable")]
