"""Morpho-MNIST's perturbations and measurements of digits, batched.

    from rgf_keras.datasets import morphology

    thin = morphology.thin(images)
    every = morphology.apply(
        images, {"thin": morphology.thin, "thick": morphology.thicken}, num_jobs=2
    )

All take (N, 28, 28) uint8 images, ink bright on black, and go through three stages: the image is
enlarged four times and binarised; its skeleton, distances to the outline and thickness are found;
the perturbed ink is reduced to 28x28 uint8 again, 0 to 255. The middle stage costs most. `apply`
and `Morphology.of` go through it once for any number of perturbations.

All but `apply` also take a `Morphology` in place of images. All have the arguments ``num_jobs``,
processes (-1 for one per core), and ``progress``, called as progress(done, total), in images, after
each batch; a `Morphology` is one batch and needs neither. All raise an ArgumentError for arguments
of another type, shape or range.

`swell` and `fracture` draw points of the skeleton, unless ``centres`` are given, with a generator
seeded by ``seed`` (from 0) and the image's index: ``indices`` (N,) are whole numbers from 0, each
image's position in its source, 0 to N - 1 if None; a `Morphology` has its own.

Results do not depend on how many images are given together, on their order or on num_jobs.

Odd digits: an image without ink (black, or so faint that enlarging leaves no grey level of 1) comes
out black, whatever is done to it, and measures 0. An image of one other grey level is all ink, and
its outside counts as paper. Ink at the border goes on beyond it as far as distances are concerned,
and what is drawn over the border is cut off.

Source: Castro, Tan, Kainz, Konukoglu and Glocker 2019, "Morpho-MNIST: Quantitative Assessment and
Diagnostics for Representation Learning", JMLR 20(178). Where the paper leaves a choice open, what
gives the output of the authors' code is done, and said beside it.
"""

from rgf_keras.datasets.morphology.batches import apply
from rgf_keras.datasets.morphology.measurements import Measurements, measure
from rgf_keras.datasets.morphology.perturbations import fracture, plain, swell, thicken, thin
from rgf_keras.datasets.morphology.shapes import Morphology

__all__ = [
    "Measurements",
    "Morphology",
    "apply",
    "fracture",
    "measure",
    "plain",
    "swell",
    "thicken",
    "thin",
]
