"""Metrics that are measured only where ``evaluation.metrics`` names them, for what they cost.

FID, KID and MiFID are of 2048 features of FID's own network, see
:class:`rgf_keras.metrics.features.FIDFeatures`; precision, recall, density and coverage are of the
evaluation's embedding. A name without its ending, as ``quality/fid``, stands for all that it has.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from rgf_keras.metrics import copies, distribution, frechet
from rgf_keras.metrics.evidence import Evidence, SetName
from rgf_keras.metrics.metric import Metric

FID = "fid"
FID_SPACES = {FID: "FID", "clean_fid": "Clean-FID"}
SETS: dict[str, tuple[SetName, str]] = {
    "train": ("train", "training images"),
    "test": ("held_out", "held-out images"),
}


def _against(space: str, of: SetName) -> Callable[[Evidence], float]:
    """Fréchet distance to a set."""

    def compute(evidence: Evidence) -> float:
        features = evidence.space(space)
        return frechet.frechet_distance(features.moments(of), features.moments("generated"))

    return compute


def _to_training_images(evidence: Evidence) -> float:
    """In the evaluation's embedding, as arXiv 2210.12231 has it."""
    space = evidence.space(evidence.embedding)
    return frechet.frechet_distance(space.moments("train"), space.moments("generated"))


def _against_statistics(space: str) -> Callable[[Evidence], float | None]:
    def compute(evidence: Evidence) -> float | None:
        if evidence.statistics is None:
            return None
        return frechet.frechet_distance(
            evidence.statistics, evidence.space(space).moments("generated")
        )

    return compute


def _kid(of: SetName) -> Callable[[Evidence], float]:
    def compute(evidence: Evidence) -> float:
        space = evidence.space(FID)
        return distribution.kid(getattr(space, of), space.generated, evidence.seed).mean

    return compute


def _mifid(evidence: Evidence) -> float:
    space = evidence.space(FID)
    distance = copies.memorization_distance(space.train, space.generated)
    return copies.mifid(_against(FID, "train")(evidence), distance)


def _precision_recall(evidence: Evidence) -> distribution.PrecisionRecall:
    return distribution.precision_recall(evidence.held_out, evidence.features)


def _density_coverage(evidence: Evidence) -> distribution.DensityCoverage:
    return distribution.density_coverage(evidence.held_out, evidence.features)


def _metric(
    key: str,
    label: str,
    compute: Callable[[Evidence], float | None],
    unit: Literal["", "%"] = "",
    better: Literal["lower", "higher"] = "lower",
    spaces: tuple[str, ...] = (),
) -> Metric:
    return Metric(f"quality/{key}", label, compute, unit, better, shown=True, spaces=spaces)


ON_REQUEST: tuple[Metric, ...] = (
    *(
        _metric(f"{space}_{of}", f"{title} to {images}", _against(space, name), spaces=(space,))
        for space, title in FID_SPACES.items()
        for of, (name, images) in SETS.items()
    ),
    _metric("train_frechet", "Fréchet distance to training images", _to_training_images),
    *(
        _metric(
            f"{space}_statistics",
            f"{title} to given statistics",
            _against_statistics(space),
            spaces=(space,),
        )
        for space, title in FID_SPACES.items()
    ),
    *(
        _metric(f"kid_{of}", f"KID to {images}", _kid(name), spaces=(FID,))
        for of, (name, images) in SETS.items()
    ),
    _metric("mifid_train", "MiFID to training images", _mifid, spaces=(FID,)),
    _metric(
        "precision_{space}", "precision", lambda e: _precision_recall(e).precision, "%", "higher"
    ),
    _metric("recall_{space}", "recall", lambda e: _precision_recall(e).recall, "%", "higher"),
    _metric("density_{space}", "density", lambda e: _density_coverage(e).density, "", "higher"),
    _metric("coverage_{space}", "coverage", lambda e: _density_coverage(e).coverage, "%", "higher"),
)


def by_name() -> Mapping[str, tuple[Metric, ...]]:
    """What ``evaluation.metrics`` may name.

    >>> [metric.key for metric in by_name()["quality/kid"]]
    ['quality/kid_train', 'quality/kid_test']
    """
    found: dict[str, tuple[Metric, ...]] = {}
    for metric in ON_REQUEST:
        name = metric.key.removesuffix("_{space}")
        family = name.rpartition("_")[0] or name
        for each in dict.fromkeys((family, name)):
            found[each] = (*found.get(each, ()), metric)
    return found
