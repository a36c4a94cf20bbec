"""Metrics of one's own: of what is known of a trained generator, one number each.

A configuration names them so; they are then measured in every evaluation, recorded, reported, and
may be minimised or bounded by a study:

    evaluation: {metrics: ["my_metric.py:sharpness", "my_metric.py:NEAR_COPIES"]}
"""

import numpy as np

from rgf_keras.metrics.catalogue import Evidence, Metric


def sharpness(evidence: Evidence) -> float:
    """Mean difference of neighbouring pixels in [0, 1]; recorded as `guest/sharpness`."""
    pixels = evidence.images / 255.0
    return float(np.abs(np.diff(pixels, axis=1)).mean() + np.abs(np.diff(pixels, axis=2)).mean())


def near_copies(evidence: Evidence) -> float:
    """Share of generated images that lie nearer to a training image than 95 % of test images do."""
    copying = evidence.copying  # cosine distances to the nearest training image, computed once
    return float((copying.generated < np.quantile(copying.test, 0.05)).mean())


# With a name, a label for reports, a unit and a direction of one's own.
NEAR_COPIES = Metric(
    "mine/near_copies", "near copies", near_copies, unit="%", better="lower", shown=True
)
