"""Which images an experiment is about."""

from typing import Any, Literal

from pydantic import Field

from rgf_keras.config.base import LATER, Config, Positive


class DataConfig(Config):
    """What to train on.

    Attributes:
        name: a data set that ``rgf_keras.datasets.load`` knows, or a guest's: ``module:attr``,
            ``file.py:attr`` or an entry point.
        factor: the factor to plant, or the data set's own factor of this name; ``none`` for images
            as they are, which copies can be looked for in; a guest's as for ``name``.
        factor_parameters: its arguments; for a data set's own factor ``values``, in their order.
        rare_class: the class that has the factor's rare value.
        rarity: see :func:`rgf_keras.datasets.skewed`; in [0.5, 1] for two values.
        num_train: use only so many training images; None for all.
        num_test: use only so many test images; None for all.
        per_class: pool training and test images, and train on so many of each class; all others
            are test images. None to keep the splits as they are.
    """

    name: str = "mnist-10k"
    factor: str = "colour"
    factor_parameters: dict[str, Any] = Field({})
    rare_class: int = Field(1, ge=0)
    rarity: float = Field(1.0, gt=0, le=1)
    num_train: Positive | None = None
    num_test: Positive | None = None
    per_class: Positive | None = Field(None, json_schema_extra=LATER)


class ImagesConfig(Config):
    """Which images are scored.

    Attributes:
        name: a data set as for :class:`DataConfig`; its training split is scored.
        num_images: use only so many of it; None for all.
        num_held_out: images of the held-out split, which the full-data run is compared on; None
            for all.
        without: a CSV whose column ``index`` names images to leave out, as a score writes
            ``most_memorized.csv``; None for none.
        held_out_split: ``test``, or ``validation`` of data sets that have one.
    """

    name: str = "mnist-10k"
    num_images: Positive | None = None
    num_held_out: Positive | None = None
    held_out_split: Literal["test", "validation"] = Field("test", json_schema_extra=LATER)
    without: str | None = Field(None, json_schema_extra=LATER)
