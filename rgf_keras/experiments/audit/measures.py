"""An audit's numbers, by the keys of METRICS."""

from collections.abc import Mapping

import numpy as np

from rgf_keras.experiments.audit.findings import Finding, Known
from rgf_keras.experiments.audit.result import ClassTest
from rgf_keras.experiments.audit.spaces import FID, PIXELS
from rgf_keras.metrics import catalogue, copies, data_copying, distribution
from rgf_keras.metrics.copying import MIN_SAMPLES_PER_CELL, NUM_DRAWS, NUM_PERMUTATIONS
from rgf_keras.metrics.evidence import Evidence
from rgf_keras.metrics.metric import Metric
from rgf_keras.metrics.on_request import ON_REQUEST
from rgf_keras.metrics.rgf import wilson_interval

NUM_SUBSETS = 10  # of the kernel distance

Labels = Mapping[str, np.ndarray]


def of_copying(evidence: Evidence) -> dict[str, float]:
    """What compares generated with held-out images: C_T and the test for few copies."""
    metrics = [each for each in catalogue.METRICS if each.key.startswith("copying/")]
    return catalogue.measure(evidence, metrics)


def without_held_out(evidence: Evidence, findings: Mapping[str, Finding]) -> dict[str, float]:
    """What of copying needs no held-out images."""
    values = {}
    for space, finding in findings.items():
        features = evidence.space(space)
        sets = features.train, features.generated
        share = copies.authenticity(*sets, "cosine", evidence.search_own)
        values[f"copying/authenticity/{space}"] = share
        values[f"copying/distance/{space}"] = float(finding.near.distances.mean())
    return values


def of_findings(findings: Mapping[str, Finding]) -> dict[str, float]:
    """Shares of named copies, with Wilson's intervals."""
    values: dict[str, float] = {}
    for space, finding in findings.items():
        num = len(finding.near.distances)
        counts = {"named": finding.num_copies, "exact": int(finding.near.same.sum())}
        if finding.moved:
            counts["moved"] = len(finding.moved.copies)
        for key, count in counts.items():
            low, high = wilson_interval(np.array(count), np.array(num))
            name = f"copying/{key}/{space}"
            values |= {name: count / num, f"{name}_low": float(low), f"{name}_high": float(high)}
    return values


def of_data(known: Mapping[str, Known]) -> dict[str, float]:
    """Duplicates among training images, and held-out images that are training images."""
    values = {}
    for space, each in known.items():
        values[f"copying/duplicates/{space}"] = float(each.duplicates.mean())
        if len(each.leaked):
            values[f"copying/leaked/{space}"] = float(each.leaked.mean())
    return values


def of_quality(evidence: Evidence, has_test: bool) -> dict[str, float]:
    """Fidelity and diversity, in the evidence's space of quality."""
    space = evidence.embedding
    chosen: list[Metric] = []
    if space not in (PIXELS, FID):
        chosen += [each for each in catalogue.METRICS if each.key == "quality/frechet_{space}"]
    values = catalogue.measure(evidence, chosen, while_training=True)
    here = {space for space in evidence.copying_spaces if space == FID}
    on_request = [each for each in ON_REQUEST if set(each.spaces) <= here]
    if not has_test:
        on_request = [each for each in on_request if not each.key.endswith("_test")]
    values |= catalogue.measure(evidence, on_request)
    if FID not in here:
        scale = 255.0 if space == PIXELS else 1.0
        sets = evidence.held_out / scale, evidence.features / scale
        values[f"quality/kernel_distance_{space}"] = distribution.kid(
            *sets, evidence.seed, NUM_SUBSETS
        ).mean
    return values


def of_shares(evidence: Evidence) -> dict[str, float]:
    """How shares of a factor's values differ from those of balanced models, if there are any."""
    if not evidence.table:
        return {}
    metrics = [each for each in catalogue.METRICS if each.key.startswith("rgf/")]
    return catalogue.measure(evidence, metrics)


def of_classes(
    evidence: Evidence, labels: Labels, class_names: tuple[str, ...]
) -> tuple[ClassTest, ...]:
    """C_T of each class in each space; none where a class has too few images of any set."""
    sets = labels["train"], labels["test"], labels["generated"]
    counts = [np.sum(each == label) for each in sets for label in np.unique(sets[0])]
    if min(counts) <= MIN_SAMPLES_PER_CELL:
        return ()
    tests = []
    for name in evidence.copying_spaces:
        space = evidence.space(name)
        features = space.train, space.test, space.generated
        classes = data_copying.c_t_per_class(*features, *sets, evidence.seed).classes
        for label, test in classes.items():
            interval = data_copying.bootstrap(test, evidence.seed, NUM_DRAWS)
            p = data_copying.permutation_null(test, evidence.seed, NUM_PERMUTATIONS).p_copying
            tests.append(ClassTest(name, class_names[label], interval, p))
    return tuple(tests)
