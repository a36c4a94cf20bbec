"""What an assessment comes to."""

from dataclasses import dataclass
from pathlib import Path

from rgf_keras.metrics.rgf_table import Row


@dataclass(frozen=True)
class Assessment:
    """The outcome.

    Attributes:
        table: one row per class and one for all samples.
        metrics: those of :data:`rgf_keras.metrics.catalogue.METRICS`, of guests, and ε of private
            training.
        files: the tables, pictures and the trained model (``model.keras``, or ``model.npz`` of a
            guest's) by name.
    """

    table: list[Row]
    metrics: dict[str, float]
    files: dict[str, Path]
