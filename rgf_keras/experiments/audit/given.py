"""What is given to an audit: opened, counted, not read yet."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rgf_keras import plugins
from rgf_keras.datasets import image_sets
from rgf_keras.datasets.image_sources import Source, open_source
from rgf_keras.errors import ArgumentError
from rgf_keras.metrics import embeddings
from rgf_keras.metrics.checks import check_share

Images = str | Path | np.ndarray | Source


def plan(
    train: Images,
    generated: Any,
    test: Images | None,
    references: Sequence[Images] = (),
    value_range: Any = None,
    skip_broken: bool = False,
    hold_out: float | None = None,
) -> dict[str, Any]:
    """How many images an audit reads and compares, with none read.

    Raises:
        ArgumentError: both ``test`` and ``hold_out``, or a share that is none.
        RgfError: too few images, or sets that cannot be opened.
    """
    check_hold_out(hold_out, test)

    def opened(given: Images) -> Source:
        return open_images(given, value_range, skip_broken)

    known, unseen = opened(train), None if test is None else opened(test)
    sets = {name: opened(given) for name, given in named(generated).items()}
    check_counts((known, unseen), sets)
    drawn = {name: len(source) for name, source in sets.items()}
    num_test = len(unseen) if unseen else 0
    return {
        "train": len(known),
        "test": num_test,
        "generated": drawn,
        "references": [len(opened(each)) for each in references],
        "comparisons_per_space": len(known) * (len(known) + num_test + sum(drawn.values())),
    }


def check_names(features: Iterable[str], oracle: str | None) -> None:
    """Refuse networks and an oracle that do not exist, without running anybody's code.

    Raises:
        ArgumentError: nobody knows one, or its module or file does not exist.
    """
    known = [name for name in embeddings.EMBEDDINGS if name != "oracle"]
    for name in features:
        plugins.check("features", name, known, "features")
    if oracle:
        plugins.check("oracles", oracle, key="oracle")


def check_hold_out(hold_out: float | None, test: Any) -> None:
    """Raises an ArgumentError if it is no share in (0, 1), or there are test images too."""
    if hold_out is not None:
        check_share(hold_out=hold_out)
        if test is not None:
            raise ArgumentError("give test images or hold_out, not both")


def named(generated: Any) -> dict[str, Images]:
    """Generated sets by name."""
    if isinstance(generated, Mapping):
        return dict(generated)
    several = generated if isinstance(generated, list | tuple) else [generated]
    if not several:
        raise ArgumentError("there are no generated images to audit; name some")
    named: dict[str, Images] = {}
    for i, each in enumerate(several, 1):
        name = str(each) if isinstance(each, str | Path) else getattr(each, "name", "generated")
        named[f"{name} ({i})" if name in named else name] = each
    return named


def open_images(given: Images, value_range: Any, skip_broken: bool) -> Source:
    if isinstance(given, Source):
        return given
    if isinstance(given, str | Path):
        return open_source(given, value_range=value_range, skip_broken=skip_broken)
    images = np.asarray(given)
    images = images[..., np.newaxis] if images.ndim == 3 else images
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[-1] not in (1, 3):
        received = f"{images.shape} {images.dtype}"
        raise ArgumentError(f"images must be (n, H, W, 1 or 3) uint8, received {received}")
    names = tuple(map(str, range(len(images))))
    return Source("array", names, None, (), {}, lambda: iter(images))


def check_counts(opened: tuple[Source, Source | None], sources: Mapping[str, Source]) -> None:
    train, test = opened
    image_sets.check_count("training", train.name, len(train))
    if test is not None:
        image_sets.check_count("held-out", test.name, len(test))
    for name, source in sources.items():
        image_sets.check_count("generated", name, len(source))
