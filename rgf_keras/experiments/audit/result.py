"""What an audit found: metrics, copies by name, differences between sets, what it cannot say."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from rgf_keras import outputs
from rgf_keras.experiments.audit.findings import Finding
from rgf_keras.metrics import catalogue, rgf_table
from rgf_keras.metrics.copying import Copying
from rgf_keras.metrics.frechet import Estimate
from rgf_keras.metrics.rgf_table import Row

LEVEL = 0.02  # probability of an alarm without copying, of all tests together


@dataclass(frozen=True)
class Copy:
    """A generated image that is a copy.

    Attributes:
        generated, nearest: names of the image and of the training image.
        distance: their cosine distance.
        rank: among the set's copies in this space, from 1.
        ratio: of the distance to the mean distance to the ten nearest training images.
        space: in which it is a copy.
        kind: ``"exact"``, ``"near"``, ``"flipped"`` or ``"shifted"`` with how far down and right.
        set: the generated set's name.
    """

    generated: str
    nearest: str
    distance: float
    rank: int
    ratio: float
    space: str
    kind: str
    set: str


@dataclass(frozen=True)
class Pairs:
    """Generated images and their nearest training images, the worst first.

    Attributes:
        space: in which they are.
        generated, train: (p, h, w, C) uint8.
        ratios: (p,) relative distances.
    """

    space: str
    generated: np.ndarray
    train: np.ndarray
    ratios: np.ndarray


@dataclass(frozen=True)
class ClassTest:
    """C_T of one class in one space, with its interval and the p of copying."""

    space: str
    name: str
    c_t: Estimate
    p_value: float


@dataclass(frozen=True)
class Audited:
    """One generated set.

    Attributes:
        name: of the set.
        size: its number of images.
        metrics: by the keys of METRICS.
        findings: by space.
        copying: by space; empty without held-out images.
        classes: C_T of each class; empty without labels or held-out images.
        copies: of all spaces.
        sensitivity: by space and kind of copy, the share that would be named.
        pairs: the nearest, in the worst space.
        alarms: why copying is found; empty if it is not.
        table: shares of a factor's values by class; empty without references.
    """

    name: str
    size: int
    metrics: dict[str, float]
    findings: dict[str, Finding]
    copying: dict[str, Copying]
    classes: tuple[ClassTest, ...]
    copies: tuple[Copy, ...]
    sensitivity: dict[str, dict[str, float]]
    pairs: Pairs
    alarms: tuple[str, ...]
    table: tuple[Row, ...] = ()

    @property
    def worst(self) -> str:
        """The space with most copies, of several that with the smallest C_T."""
        return worst(self.findings, self.copying)


@dataclass(frozen=True)
class Difference:
    """A metric of a generated set less the first set's, with a 95 % interval."""

    name: str
    metric: str
    value: Estimate


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        train: name of the training images.
        sizes: of ``"train"`` and ``"test"``, 0 without held-out images.
        samples: one for each generated set.
        notes: what to know before believing it, and what cannot be said.
        fingerprint: SHA-256 of the training images' thumbnails.
        settings: with which it was made.
    """

    train: str
    sizes: dict[str, int]
    samples: tuple[Audited, ...]
    notes: tuple[str, ...]
    fingerprint: str
    settings: dict[str, Any]

    @property
    def found(self) -> bool:
        """Whether any of the sets copies."""
        return any(each.alarms for each in self.samples)

    @property
    def copies(self) -> list[Copy]:
        """Those of all sets and spaces."""
        return [copy for each in self.samples for copy in each.copies]

    @property
    def differences(self) -> list[Difference]:
        """Those of every set to the first, for metrics with intervals."""
        first, *others = self.samples
        return [
            Difference(each.name, key, value)
            for each in others
            for key, value in differences(first.metrics, each.metrics).items()
        ]

    def table(self) -> list[dict[str, Any]]:
        """A row for each metric: its key, its label, and a value for each set."""
        keys = dict.fromkeys(key for each in self.samples for key in each.metrics)
        rows = []
        for key in keys:
            row: dict[str, Any] = {"metric": key, "label": catalogue.label(key)}
            for each in self.samples:
                name = f"set {each.name}" if each.name in ("metric", "label") else each.name
                row[name] = each.metrics.get(key)
            rows.append(row)
        return rows

    def record(self) -> dict[str, Any]:
        """All that it found, JSON-able."""
        return {
            "found": self.found,
            "train": self.train,
            "sizes": self.sizes,
            "samples": [
                {
                    "name": each.name,
                    "metrics": each.metrics,
                    "alarms": each.alarms,
                    "worst_space": each.worst,
                    "sensitivity": each.sensitivity,
                    "classes": [asdict(test) for test in each.classes],
                    "table": rgf_table.to_records(each.table),
                }
                for each in self.samples
            ],
            "differences": [asdict(each) for each in self.differences],
            "copies": [asdict(each) for each in self.copies],
            "notes": self.notes,
            "train_sha256": self.fingerprint,
            "settings": self.settings,
        }

    def copies_csv(self) -> str:
        """All copies as CSV."""
        rows = [[each.name for each in fields(Copy)]]
        for copy in self.copies:
            numbers = {name: f"{getattr(copy, name):.6g}" for name in ("distance", "ratio")}
            rows.append([*(asdict(copy) | numbers).values()])
        return outputs.csv_text(rows)


def worst(findings: Mapping[str, Finding], copying: Mapping[str, Copying]) -> str:
    """The space with most copies, of several that with the smallest C_T."""

    def order(space: str) -> tuple[int, float]:
        c_t = copying[space].c_t.value if space in copying else 0.0
        return -findings[space].num_copies, c_t

    return min(findings, key=order)


def differences(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, Estimate]:
    """The second's metrics less the first's, of those that have intervals.

    The interval is made from both intervals (MOVER, Zou & Donner 2008). Two sets are compared with
    the same held-out images, which makes it too wide rather than too narrow.

    >>> one, two = ({"x": x, "x_low": x - 3, "x_high": x + 3} for x in (1.0, 6.0))
    >>> differences(one, two)["x"].low.__round__(2)
    0.76
    """
    found = {}
    for key in first:
        names = key, f"{key}_low", f"{key}_high"
        if all(name in metrics for name in names for metrics in (first, second)):
            (a, a_low, a_high), (b, b_low, b_high) = (
                [metrics[name] for name in names] for metrics in (first, second)
            )
            below, above = math.hypot(b - b_low, a_high - a), math.hypot(b_high - b, a - a_low)
            found[key] = Estimate(b - a, b - a - below, b - a + above)
    return found
