"""The audit: read, compare in every space, name copies, measure."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rgf_keras import archive, outputs
from rgf_keras.cache import Cache
from rgf_keras.datasets import image_sets
from rgf_keras.datasets.image_sets import Canvas, ImageSet
from rgf_keras.datasets.image_sources import Source
from rgf_keras.errors import ArgumentError
from rgf_keras.experiments.audit import findings, measures, notes, shares, spaces, workers
from rgf_keras.experiments.audit.findings import Finding, Known, Mirror
from rgf_keras.experiments.audit.given import (
    Images,
    check_counts,
    check_hold_out,
    named,
    open_images,
)
from rgf_keras.experiments.audit.result import LEVEL, Audit, Audited, Copy, Pairs, worst
from rgf_keras.experiments.audit.spaces import PIXELS, Pixels, Space
from rgf_keras.metrics import approximate as approximations
from rgf_keras.metrics import catalogue, neighbours
from rgf_keras.metrics.checks import random
from rgf_keras.metrics.copies import SearchOwn
from rgf_keras.metrics.evidence import Evidence
from rgf_keras.metrics.rgf_table import Row
from rgf_keras.runtime.progress import SILENT, Progress
from rgf_keras.runtime.workers import WorkersSpec

ALONE = WorkersSpec()
NUM_PAIRS = 12
NUM_TESTS = 3  # kinds that may raise an alarm: named copies, C_T, few copies


@dataclass(frozen=True)
class Reference:
    """What generated sets are compared with.

    Attributes:
        train, test: images; no held-out ones if None.
        spaces: by name.
        known: of the data in each space.
        search: for moved copies, in pixels.
        level: probability that one kind of test raises an alarm without copying.
        smooths: whether images of any set were resized, so that all are smoothed to be measured.
        seed: of everything random.
        cache: of features and statistics.
        search_own: finds the training images' neighbours among themselves.
    """

    train: ImageSet
    test: ImageSet | None
    spaces: dict[str, Space]
    known: dict[str, Known]
    search: Mirror
    level: float
    smooths: bool
    seed: int
    cache: Cache
    search_own: SearchOwn = neighbours.nearest

    def mirror(self, space: str) -> Mirror | None:
        """The search for moved copies; None in spaces of networks."""
        return self.search if space == PIXELS else None


def audit(
    train: Images,
    generated: Images | Sequence[str | Path] | Mapping[str, Images],
    test: Images | None = None,
    *,
    references: Sequence[Images] = (),
    oracle: str | shares.Oracle | None = None,
    rare: str | None = None,
    rare_class: str | None = None,
    hold_out: float | None = None,
    features: Sequence[str] | None = None,
    weights: str = "imagenet",
    value_range: Any = None,
    skip_broken: bool = False,
    approximate: bool = False,
    seed: int = 0,
    cache: Cache | None = None,
    folder: Path | None = None,
    progress: Progress = SILENT,
    resources: WorkersSpec = ALONE,
) -> Audit:
    """Say whether samples of any generator copy the images that it was trained on.

    Images are streamed, features kept by content: the same call goes on where it was killed.

    Args:
        train: what the generator was trained on: whatever
            :func:`rgf_keras.datasets.image_sources.open_source` reads, or (n, H, W, C) or
            (n, H, W) uint8, n ≥ 20.
        generated: samples, at least 10; or several sets, in a list or by name.
        test: images of the training images' kind that the generator did not see. Without them C_T
            and the test for few copies are left out.
        references: samples of generators of balanced data, one set for each training, with which
            the shares of a factor's values in each class are compared; three or more for verdicts.
        oracle: tells classes and values, see :func:`rgf_keras.experiments.audit.shares.label`;
            None if the sets' folders and tables do.
        rare, rare_class: see :func:`rgf_keras.experiments.audit.shares.tables`.
        hold_out: share in (0, 1) of ``train`` that the generator did not see, instead of ``test``.
        features: names of networks whose features images are compared by, beside their pixels;
            by default FID's where its weights are.
        weights: of these networks, see :func:`rgf_keras.metrics.features.extractor`.
        value_range: what black and white are in arrays of floats that are read.
        skip_broken: leave out images that cannot be read.
        approximate: search for training images' neighbours among themselves with faiss, where
            hundreds of thousands would take long, to name copies and for authenticity; the recall
            is told. Those of generated and of held-out images are always found exactly, and so is
            all that measures quality: give ``test``, which is then compared instead.
        seed: of everything random.
        cache: where features are kept; the user's if None.
        folder: where files are put meanwhile; the system's if None.
        progress: of the work.
        resources: processes that share the computation of features of what lies in files.

    Raises:
        ArgumentError: both ``test`` and ``hold_out``, or bad arguments.
        RgfError: too few or unreadable images, other channels, weights that cannot be had.
    """
    random(seed)  # refuses what is none
    check_hold_out(hold_out, test)
    if not references and (given := [x for x in (oracle, rare, rare_class) if x is not None]):
        raise ArgumentError(f"{given[0]!r} is about shares of a factor, which need references")
    if approximate:
        approximations.find_faiss()
    names = spaces.default_names() if features is None else list(features)
    extractors = spaces.find_extractors(names, weights)
    cache = cache or Cache()
    reading = {"value_range": value_range, "skip_broken": skip_broken}
    read = partial(open_images, value_range=value_range, skip_broken=skip_broken)
    sources = {name: read(given) for name, given in named(generated).items()}
    opened = read(train), None if test is None else read(test)
    known = [read(given) for given in references]
    check_counts(opened, sources)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    with outputs.scratch(folder or Path(tempfile.gettempdir())) as place:
        canvas = image_sets.survey(opened[0])
        tables = _compare_shares(sources, known, canvas, oracle, (rare, rare_class))
        if extractors and not resources.in_this_process:
            sets = train, test, *named(generated).values()
            files = [each for each in sets if isinstance(each, str | Path)]
            num = resources.num_workers
            ahead = workers.Ahead(tuple(names), weights, canvas, cache, reading, num)
            workers.embed(ahead, files, resources, progress)
        data = _read_data(opened, canvas, place, hold_out, seed, progress)
        made = spaces.make(extractors, canvas, cache, place, progress)
        read_sets = {
            name: image_sets.read(
                source, "generated", canvas, place / f"generated-{i}", progress, 1
            )
            for i, (name, source) in enumerate(sources.items())
        }
        smooths = any(each.num_resized for each in (*filter(None, data), *read_sets.values()))
        reference = _compare_data(data, made, approximate, smooths, seed, cache)
        audited = [_audit_one(*item, reference, tables[item[0]]) for item in read_sets.items()]
        told = notes.of(canvas, reference.known, *data, read_sets, names)
        sizes = {"train": len(data[0]), "test": len(data[1]) if data[1] else 0}
        fingerprint = archive.digest({"train": data[0].thumbnails})
        settings = {
            "seed": seed,
            "hold_out": hold_out,
            "approximate": approximate,
            "smooths": smooths,
            "spaces": list(reference.spaces),
            "pixels": list(canvas.small.shape),
        }
        return Audit(data[0].name, sizes, tuple(audited), told, fingerprint, settings)


def _read_data(
    opened: tuple[Source, Source | None],
    canvas: Canvas,
    folder: Path,
    hold_out: float | None,
    seed: int,
    progress: Progress,
) -> tuple[ImageSet, ImageSet | None]:
    """Training images, and held-out ones if there are any."""
    train = image_sets.read(opened[0], "training", canvas, folder / "train", progress)
    if hold_out is not None:
        return image_sets.split(train, hold_out, seed)
    if opened[1] is None:
        return train, None
    return train, image_sets.read(opened[1], "held-out", canvas, folder / "test", progress, 1)


def _compare_data(
    data: tuple[ImageSet, ImageSet | None],
    made: Sequence[Space],
    is_approximate: bool,
    smooths: bool,
    seed: int,
    cache: Cache,
) -> Reference:
    """Compare training images with each other and with held-out ones, in all spaces."""
    level = LEVEL / NUM_TESTS
    known = {each.name: findings.know(each, *data, level, is_approximate) for each in made}
    search_own: SearchOwn = approximations.search if is_approximate else neighbours.nearest
    search = findings.mirror(data[0], known[PIXELS], data[1], seed)
    by_name = {each.name: each for each in made}
    return Reference(*data, by_name, known, search, level, smooths, seed, cache, search_own)


def _compare_shares(
    generated: Mapping[str, Source],
    references: Sequence[Source],
    canvas: Canvas,
    oracle: str | shares.Oracle | None,
    rare: tuple[str | None, str | None],
) -> dict[str, list[Row]]:
    """The table of shares of each set, empty without references."""
    if not references:
        return {name: [] for name in generated}
    labelled = [shares.label(each, canvas, oracle) for each in (*generated.values(), *references)]
    num = len(generated)
    return dict(zip(generated, shares.tables(labelled[:num], labelled[num:], *rare), strict=True))


def _audit_one(name: str, images: ImageSet, reference: Reference, table: Sequence[Row]) -> Audited:
    """Audit one generated set."""
    evidence, has_test = _evidence(images, reference, table), reference.test is not None
    found = {}
    for space, known in reference.known.items():
        features = reference.spaces[space].features(images)
        share = reference.level / len(reference.known)
        found[space] = findings.find(known, features, images, share, reference.mirror(space))
    values = measures.of_findings(found) | measures.of_data(reference.known)
    classes: tuple = ()
    if has_test:
        values |= measures.of_copying(evidence)
        if evidence.labels is not None:
            names = reference.train.source.class_names
            classes = measures.of_classes(evidence, evidence.labels, names)
    else:
        values |= measures.without_held_out(evidence, found)
    values |= measures.of_quality(evidence, has_test)
    values |= measures.of_shares(evidence)
    copying = evidence.copying_by_space if has_test else {}
    sensitivity = {
        space: findings.sensitivity(
            reference.spaces[space],
            reference.known[space],
            finding,
            reference.train,
            reference.mirror(space),
            reference.seed,
        )
        for space, finding in found.items()
    }
    copies = tuple(
        each
        for finding in found.values()
        for each in _copies(name, finding, images, reference.train)
    )
    pairs = _pairs(found[worst(found, copying)], images, reference.train)
    alarms = _alarms(found, values, reference.level)
    return Audited(
        name, len(images), values, found, copying, classes, copies, sensitivity, pairs, alarms,
        tuple(table),
    )  # fmt: skip


def _evidence(images: ImageSet, reference: Reference, table: Sequence[Row]) -> Evidence:
    train, test = reference.train, reference.test
    sets = {"train": train, "held_out": test or train, "generated": images}
    sets |= {"test": test} if test else {}
    names = list(reference.spaces)

    def embed(name: str, of: str) -> np.ndarray:
        space = reference.spaces[name]
        if isinstance(space, Pixels) and reference.smooths:
            return space.smoothed(sets[of], images)
        return space.features(sets[of])

    return Evidence(
        images=images.thumbnails,
        table=table,
        embedding=names[-1],
        embed=embed,
        copying_spaces=names,
        labels=_labels(images, reference),
        seed=reference.seed,
        cache=reference.cache,
        search_own=reference.search_own,
    )


def _labels(images: ImageSet, reference: Reference) -> dict[str, np.ndarray] | None:
    """Classes of all sets as the training images name them; None if one is not labelled."""
    train, test = reference.train, reference.test
    names = train.source.class_names
    if test is None or not names:
        return None
    sets = {"train": train, "test": test, "generated": images}
    labels = {name: each.labels_as(names) for name, each in sets.items()}
    return None if any(each is None for each in labels.values()) else labels  # type: ignore[return-value]


def _copies(name: str, finding: Finding, images: ImageSet, train: ImageSet) -> list[Copy]:
    """Copies in one space: as they are, then moved ones."""
    own, theirs = images.names, train.names
    rows = [
        (i, finding.near.one(i), "exact" if finding.near.same[i] else "near")
        for i in finding.copies
    ]
    if moved := finding.moved:
        rows += [
            (i, moved.near.one(n), how)
            for n, (i, how) in enumerate(zip(moved.copies, moved.how, strict=True))
        ]
    return [
        Copy(
            own[i],
            theirs[index],
            distance,
            rank,
            ratio,
            finding.space,
            kind,
            name,
        )
        for rank, (i, (distance, index, ratio), kind) in enumerate(rows, 1)
    ]


def _pairs(finding: Finding, images: ImageSet, train: ImageSet) -> Pairs:
    """The relatively nearest images, moved copies among them, for a picture."""
    order = np.argsort(finding.near.relative, kind="stable")[:NUM_PAIRS]
    nearest, ratios = finding.near.indices[order], finding.near.relative[order]
    if finding.moved and len(finding.moved.copies):
        order = np.concatenate([finding.moved.copies, order])
        nearest = np.concatenate([finding.moved.near.indices, nearest])
        ratios = np.concatenate([finding.moved.near.relative, ratios])
        first = np.argsort(ratios, kind="stable")[:NUM_PAIRS]
        order, nearest, ratios = order[first], nearest[first], ratios[first]
    shown, copied = np.array(images.thumbnails[order]), np.array(train.thumbnails[nearest])
    return Pairs(finding.space, shown, copied, ratios)


def _alarms(
    found: Mapping[str, Finding], values: Mapping[str, float], level: float
) -> tuple[str, ...]:
    """Which tests say that the set copies."""
    alarms = []
    for space, finding in found.items():
        if finding.num_copies:
            alarms.append(f"{finding.num_copies} images are copies in {space}")
    for key in ("copying/c_t_p", "copying/tail_p"):
        if values.get(key, 1.0) <= level:
            alarms.append(f"{catalogue.label(key)} {values[key]:.2g}")
    return tuple(alarms)
