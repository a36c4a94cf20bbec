"""How often samples of a class show a value of a factor, against samples of balanced models.

The RGF paper's table from samples alone: classes and values are read from the sets' folders and
tables, or told by a classifier of the user's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rgf_keras import plugins
from rgf_keras.datasets.image_sets import Canvas, batches
from rgf_keras.datasets.image_sources import Source
from rgf_keras.errors import ArgumentError, RgfError, unknown_name
from rgf_keras.metrics import rgf_table
from rgf_keras.metrics.rgf_table import Row

Oracle = Callable[[np.ndarray], Any]


@dataclass(frozen=True)
class ImageLabels:
    """Images by what they show.

    Attributes:
        classes: (n,) names.
        values: (n,) of the factor.
    """

    classes: Sequence[str]
    values: Sequence[str]


def label(source: Source, canvas: Canvas, oracle: str | Oracle | None = None) -> ImageLabels:
    """What each image of a set shows.

    Args:
        source: of images.
        canvas: the size at which the oracle sees them.
        oracle: (n, H, W, C) uint8 → names of n classes and n values; its name as a guest, see
            :mod:`rgf_keras.plugins`; None if folders and tables say it.

    Raises:
        RgfError: nothing says it, or the oracle fails or returns something else.
    """
    if oracle is None:
        if source.labels is None or source.values is None:
            missing = "classes" if source.labels is None else "values of the factor"
            raise RgfError(
                f"{source.name}: nothing tells the {missing} of its images; put them into class "
                "folders (or labels.csv of file,label) with factors.csv of file,NAME beside them, "
                "or give an oracle"
            )
        return ImageLabels([source.class_names[i] for i in source.labels], source.values())
    name = oracle if isinstance(oracle, str) else getattr(oracle, "__name__", "the oracle")
    function = plugins.resolve("oracles", oracle) if isinstance(oracle, str) else oracle
    told: tuple[list[str], list[str]] = [], []
    for batch in batches(source, canvas):
        answers = _as_texts(plugins.attempt(name, function, batch))
        if [len(answer) for answer in answers] != [len(batch)] * 2:
            raise RgfError(
                f"'{name}' must return {len(batch)} classes and {len(batch)} values for as many "
                "images, as two sequences"
            )
        for texts, answer in zip(told, answers, strict=True):
            texts.extend(answer)
    return ImageLabels(*told)


def _as_texts(answers: Any) -> list[list[str]]:
    """What an oracle returns; nothing if it is no two sequences."""
    try:
        return [[str(each) for each in answer] for answer in answers]
    except TypeError:
        return []


def tables(
    generated: Sequence[ImageLabels],
    references: Sequence[ImageLabels],
    rare: str | None = None,
    rare_class: str | None = None,
) -> list[list[Row]]:
    """The table of each generated set, taken as one training, against all references.

    Args:
        generated: samples of the models under test.
        references: samples of models of balanced data, one set for each training; verdicts need
            three.
        rare: the value whose share is told; the last one in the alphabet if None.
        rare_class: the class of which the model saw the rare value alone; None: any difference
            is called memorized.

    Raises:
        ArgumentError: no such value or class, or a single value.
    """
    everything = [*generated, *references]
    class_names = sorted({name for each in everything for name in each.classes})
    values = sorted({value for each in everything for value in each.values})
    if len(values) < 2:
        raise ArgumentError(f"all images show {values[0]!r}; a factor has two values or more")
    if rare is not None:
        if rare not in values:
            raise unknown_name("value of the factor", rare, values)
        values = [*(value for value in values if value != rare), rare]
    if rare_class is not None and rare_class not in class_names:
        raise unknown_name("class", rare_class, class_names)

    def count(each: ImageLabels) -> np.ndarray:
        classes = np.array([class_names.index(name) for name in each.classes])
        shown = np.array([values.index(value) for value in each.values])
        return rgf_table.count(classes, shown, len(class_names), len(values))

    known = np.stack([count(each) for each in references])
    rare_row = None if rare_class is None else class_names.index(rare_class)
    return [
        rgf_table.build(count(each)[None], known, class_names, rare_row, "trainings")
        for each in generated
    ]
