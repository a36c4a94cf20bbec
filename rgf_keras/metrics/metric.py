"""What a metric is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from rgf_keras.metrics.evidence import Evidence
from rgf_keras.metrics.frechet import Estimate

Value = float | Estimate | Mapping[str, float | Estimate] | None


@dataclass(frozen=True)
class Metric:
    """One number, or one for each class.

    Attributes:
        key: its name in records and bounds; ``{space}`` stands for the name of the space in which
            quality is measured, ``{class}`` for the name of a class, and ``{copying_space}`` for
            that of a space in which copying is measured.
        label: what reports call it.
        compute: what it is of some evidence: a number, one with an interval, some by name of a
            class or space, or None where there is none. Metrics without it are measured elsewhere.
        unit: ``"%"`` for shares in [0, 1], ``"nats"``, or none.
        better: which values are better; empty for what only describes.
        interval: its value with an interval, where that costs too much while training.
        while_training: whether it is cheap enough to be measured while training.
        shown: whether it belongs to the first screen of a report.
        spaces: names of the embeddings that it needs beside those of the evaluation.
    """

    key: str
    label: str
    compute: Callable[[Evidence], Value] | None = None
    unit: Literal["", "%", "nats"] = ""
    better: Literal["", "lower", "higher"] = ""
    interval: Callable[[Evidence], Estimate] | None = None
    while_training: bool = False
    shown: bool = False
    spaces: tuple[str, ...] = ()

    def matches(self, key: str) -> bool:
        """Whether a name in a record is this metric's, e.g. with the name of a class in it."""
        start, brace, _ = self.key.partition("{")
        return key.startswith(start) if brace else key == self.key

    @property
    def is_one(self) -> bool:
        """Whether it is one number, not one of each class or space of copying."""
        return "{class}" not in self.key and "{copying_space}" not in self.key
