"""What is to be known before an audit is believed, and what it cannot say."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from rgf_keras.datasets.image_sets import Canvas, ImageSet
from rgf_keras.experiments.audit.findings import Known
from rgf_keras.experiments.audit.spaces import FID, PIXELS, SMOOTHING

NUM_NAMED = 3


def of(
    canvas: Canvas,
    known: Mapping[str, Known],
    train: ImageSet,
    test: ImageSet | None,
    generated: Mapping[str, ImageSet],
    spaces: Sequence[str],
) -> tuple[str, ...]:
    """All that is to be told about the images, a sentence each."""
    sets = {"training": train, **({"held-out": test} if test else {}), **generated}
    return (
        *_same_images(train, generated),
        *_leaks(known, test),
        *_approximate(known),
        *_missing(test, spaces),
        *_duplicates(known[PIXELS], train),
        *_left_out(sets),
        _sizes(canvas, sets),
    )


def _same_images(train: ImageSet, generated: Mapping[str, ImageSet]) -> Iterator[str]:
    for name, images in generated.items():
        if np.array_equal(images.thumbnails, train.thumbnails):
            yield f"{name} holds the training images themselves; give the generator's samples."


def _leaks(known: Mapping[str, Known], test: ImageSet | None) -> Iterator[str]:
    if test is None:
        return
    leaked = np.any([each.leaked for each in known.values()], axis=0)
    if leaked.any():
        yield (
            f"{leaked.sum()} of {len(test)} held-out images are, or nearly are, training images "
            f"({_listed(test, leaked)}): C_T and the test for few copies see too little; "
            "leave them out and audit again."
        )


def _approximate(known: Mapping[str, Known]) -> Iterator[str]:
    for space, each in known.items():
        if each.recall:
            share = f"{each.recall.value:.3f} [{each.recall.low:.3f}, {each.recall.high:.3f}]"
            yield (
                f"Neighbours of training images among themselves are approximate in {space}: the "
                f"nearest was found for a share of {share}. Each one missed makes the limit below "
                "which a sample is named a copy a little too high."
            )


def _missing(test: ImageSet | None, spaces: Sequence[str]) -> Iterator[str]:
    if test is None:
        yield (
            "Without held-out images there is no C_T and no test for few copies: it cannot be said "
            "whether the samples lie nearer to the training images than fresh images would. Copies "
            "are named by the distances of training images to each other."
        )
    if not set(spaces) - {PIXELS}:
        yield (
            "Images are compared by their pixels alone, which says little about quality and finds "
            f"no copies in other colours or poses; name a network, e.g. --features {FID}."
        )


def _duplicates(known: Known, train: ImageSet) -> Iterator[str]:
    if known.duplicates.any():
        yield (
            f"{known.duplicates.sum()} of {len(train)} training images are there more than once "
            f"({_listed(train, known.duplicates)})."
        )


def _left_out(sets: Mapping[str, ImageSet]) -> Iterator[str]:
    for name, images in sets.items():
        for reason, names in images.source.left_out.items():
            yield f"{name}: {len(names)} files are left out ({reason})."


def _sizes(canvas: Canvas, sets: Mapping[str, ImageSet]) -> str:
    small = canvas.small
    text = f"Pixels are compared at {small.height}×{small.width}"
    if small.shape != canvas.shape:
        text += f", networks see {canvas.height}×{canvas.width}"
    resized = [f"{each.num_resized} of {name}" for name, each in sets.items() if each.num_resized]
    if not resized:
        return f"{text}; all images have the size of the training images."
    return (
        f"{text}; of other sizes, and resized (bicubic, antialiased): {', '.join(resized)}. "
        "Resized images are smoother, and lie nearer to all others: for all that is measured in "
        "pixels, but not to name copies, training and held-out images are brought to the sizes of "
        f"generated ones and back, and those of all sets are smoothed (Gaussian, {SMOOTHING} "
        "pixels). Networks may still take resized images for nearer ones."
    )


def _listed(images: ImageSet, chosen: np.ndarray) -> str:
    names = images.names
    first = [names[i] for i in np.flatnonzero(chosen)[:NUM_NAMED]]
    return ", ".join([*first, *(["…"] if chosen.sum() > NUM_NAMED else [])])
